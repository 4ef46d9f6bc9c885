//! The JSON Schema of a bundle's files, as `docs/bundle.schema.json` has it.

use schemars::JsonSchema;
use serde::Serialize;

use super::packing::Packing;
use super::packing::index::PartLine;
use super::state::{ItemLine, Manifest, ProofLine};

/// The texts and lines of a bundle, under the names of the files that have them.
#[allow(dead_code, reason = "only its schema is used")]
#[derive(Serialize, JsonSchema)]
struct BundleFiles {
    /// `manifest.json`.
    manifest: Manifest,
    /// A line of `items/KIND-NAME.jsonl.zst`: first the proofs, then the items.
    item_list_line: ItemListLine,
    /// `packings/ID/packing.json`.
    packing: Packing,
    /// A line of `packings/ID/volume-NNN.idx`.
    volume_index_line: PartLine,
}

/// A line of an item list.
#[allow(dead_code, reason = "only its schema is used")]
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum ItemListLine {
    Proof(ProofLine),
    Item(Box<ItemLine>),
}

/// Returns the schema's text: one property for each kind of file.
pub fn bundle_schema() -> String {
    let schema = schemars::schema_for!(BundleFiles);
    serde_json::to_string_pretty(&schema).map(|text| text + "\n").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_schema_in_docs_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bundle.schema.json");
        if std::env::var_os("GAPFERRY_UPDATE_DOCS").is_some() {
            std::fs::write(path, super::bundle_schema()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == super::bundle_schema(), "{path} is stale: run this test with GAPFERRY_UPDATE_DOCS=1");
    }
}
