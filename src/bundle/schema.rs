//! The manifest's JSON Schema, as `docs/manifest.schema.json` has it.

/// The schema's text.
pub fn manifest_schema() -> String {
    let schema = schemars::schema_for!(super::Manifest);
    serde_json::to_string_pretty(&schema).map(|text| text + "\n").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_schema_in_docs_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/manifest.schema.json");
        if std::env::var_os("GAPFERRY_UPDATE_DOCS").is_some() {
            std::fs::write(path, super::manifest_schema()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == super::manifest_schema(), "{path} is stale: run this test with GAPFERRY_UPDATE_DOCS=1");
    }
}
