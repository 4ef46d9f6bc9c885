//! Writes metadata in the reference client's canonical form: keys sorted, one space of indentation, a newline at the end.
//!
//! All of it is ASCII, as Python's `json.dumps` writes it. The reference client splits clear-signed text at every character
//! that Unicode calls a line end, and U+2028 within a title would end its reading.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::MAX_STREAM_BYTES;
use super::products::{Product, Products};
use crate::formats::Invalid;
use crate::path::PublishPath;

/// A products file, as the index is to name it.
#[derive(Clone, Debug)]
pub struct ProductsLine {
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
pub fn index_text(lines: &[ProductsLine], updated: &str) -> Result<String, Invalid> {
    let entry = |line: &ProductsLine| {
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
pub fn products_text(content_id: &str, datatype: &str, products: &Products, updated: &str) -> Result<String, Invalid> {
    let all: BTreeMap<&str, Value> = products.products.iter().map(|(name, p)| (&**name, product(p))).collect();
    let mut file = json!(products.tags);
    let own = [("content_id", content_id), ("datatype", datatype), ("format", "products:1.0"), ("updated", updated)];
    own.into_iter().for_each(|(key, value)| put(&mut file, key, json!(value)));
    put(&mut file, "products", json!(all));
    canonical(&file)
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

/// At most [`MAX_STREAM_BYTES`], as readers take it.
fn canonical(value: &Value) -> Result<String, Invalid> {
    const LIMIT: usize = MAX_STREAM_BYTES as usize;
    let mut bytes = Vec::new();
    let capped = CappedText { bytes: &mut bytes, room: LIMIT - 1 };
    let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(capped, indent));
    let too_large = || Invalid::new(format!("its text exceeds {LIMIT}"));
    written.map_err(|_| too_large())?;
    bytes.push(b'\n');
    let text = ascii(&String::from_utf8_lossy(&bytes));
    if text.len() > LIMIT { Err(too_large()) } else { Ok(text) }
}

/// Escapes what is not ASCII. In a JSON document that stands within strings alone.
fn ascii(document: &str) -> String {
    let mut text = String::with_capacity(document.len());
    for c in document.chars() {
        match c.is_ascii() {
            true => text.push(c),
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    text
}

/// Takes so many bytes and no more.
struct CappedText<'b> {
    bytes: &'b mut Vec<u8>,
    room: usize,
}

impl Write for CappedText<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room = self.room.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::StreamIndex;
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let text = include_str!("../../../fixtures/simplestreams/products.json");
        let products = Products::parse(text.as_bytes()).unwrap();
        assert_eq!(products_text("c", "image-ids", &products, "now").unwrap(), text);
        let line = ProductsLine {
            content_id: "c".into(),
            datatype: "image-ids".into(),
            path: "streams/v1/c.sjson".parse().unwrap(),
            products: vec!["p".into()],
        };
        let index = StreamIndex::parse(index_text(&[line], "now").unwrap().as_bytes()).unwrap();
        assert_eq!(index.entries["c"].path.as_str(), "streams/v1/c.sjson");
        assert_eq!(index.updated.as_deref(), Some("now"));
    }
}
