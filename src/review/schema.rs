//! The JSON Schema of what a review writes for programs, as `docs/review.schema.json` has it.

use schemars::JsonSchema;
use serde::Serialize;

use super::diff_json::DiffObject;
use super::report::ReportObject;

/// The objects of a review.
#[allow(dead_code, reason = "only its schema is used")]
#[derive(Serialize, JsonSchema)]
struct ReviewFiles {
    /// `gapferry diff --json`.
    diff: DiffObject,
    /// `report.json`.
    report: ReportObject,
}

/// Returns the schema's text: one property for each object.
pub fn review_schema() -> String {
    let schema = schemars::schema_for!(ReviewFiles);
    serde_json::to_string_pretty(&schema).map(|text| text + "\n").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_schema_in_docs_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/review.schema.json");
        if std::env::var_os("GAPFERRY_UPDATE_DOCS").is_some() {
            std::fs::write(path, super::review_schema()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == super::review_schema(), "{path} is stale: run this test with GAPFERRY_UPDATE_DOCS=1");
    }
}
