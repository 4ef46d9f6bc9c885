//! Writes metadata in the reference client's canonical form: keys sorted, one space of indentation, a newline at the end.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::products::{Product, Products};
use crate::path::PublishPath;

/// A products file, as the index is to name it.
#[derive(Clone, Debug)]
pub struct IndexLine {
    /// The content id.
    pub content_id: String,
    /// Such as `image-ids`.
    pub datatype: String,
    /// Below the stream's root.
    pub path: PublishPath,
    /// The names of its products.
    pub products: Vec<Box<str>>,
}

/// The text of an index; `updated` in the form of RFC 2822.
pub fn index_text(lines: &[IndexLine], updated: &str) -> String {
    let entry = |line: &IndexLine| {
        let entry = json!({
            "datatype": line.datatype, "format": "products:1.0", "path": line.path.as_str(),
            "products": line.products, "updated": updated,
        });
        (line.content_id.clone(), entry)
    };
    let entries: BTreeMap<String, Value> = lines.iter().map(entry).collect();
    canonical(&json!({ "format": "index:1.0", "index": entries, "updated": updated }))
}

/// The text of a products file.
pub fn products_text(content_id: &str, datatype: &str, products: &Products, updated: &str) -> String {
    let all: BTreeMap<&str, Value> = products.products.iter().map(|(name, p)| (&**name, product(p))).collect();
    canonical(&json!({
        "content_id": content_id, "datatype": datatype, "format": "products:1.0", "products": all, "updated": updated,
    }))
}

fn product(product: &Product) -> Value {
    let mut value = json!(product.tags);
    let versions = product.versions.iter().map(|(name, version)| {
        let mut value = json!(version.tags);
        put(&mut value, "items", json!(version.items));
        (&**name, value)
    });
    let versions: BTreeMap<&str, Value> = versions.collect();
    put(&mut value, "versions", json!(versions));
    value
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(key.to_owned(), value);
    }
}

fn canonical(value: &Value) -> String {
    let mut bytes = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, indent));
    debug_assert!(written.is_ok(), "keys are text, and memory takes all");
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Index;
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let text = "{\n \"content_id\": \"c\",\n \"datatype\": \"image-ids\",\n \"format\": \"products:1.0\",\n \"products\": {\n  \"p\": \
                    {\n   \"arch\": \"ä\",\n   \"versions\": {\n    \"1\": {\n     \"items\": {\n      \"x\": {\n       \"size\": 5\n      \
                    }\n     }\n    }\n   }\n  }\n },\n \"updated\": \"now\"\n}\n";
        let products = Products::parse(text.as_bytes()).unwrap();
        assert_eq!(products_text("c", "image-ids", &products, "now"), text);
        let line = IndexLine {
            content_id: "c".into(),
            datatype: "image-ids".into(),
            path: "streams/v1/c.sjson".parse().unwrap(),
            products: vec!["p".into()],
        };
        let index = Index::parse(index_text(&[line], "now").as_bytes()).unwrap();
        assert_eq!(index.entries["c"].path.as_str(), "streams/v1/c.sjson");
        assert_eq!(index.updated.as_deref(), Some("now"));
    }
}
