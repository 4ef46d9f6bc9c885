//! A small signed image stream (simplestreams) of generated files, in the shape of MAAS's.
//!
//! [`Stream`] collects products and writes `streams/v1/` and the files that it names, as upstream has them: an index, one
//! products file per content id, JSON in the canonical form, signed. All of it is deterministic: the same description and
//! key give the same bytes, and a path always gives the same pseudorandom file. [`Stream::edit_index`],
//! [`Stream::edit_products`] and [`StreamItem::tags`] make signed streams that lie.

mod maas;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::digest::Sha256;

use super::{DEFAULT_DATE, Payload};

pub use maas::UbuntuSerial;

/// A generated stream: what it is called, how it is signed, and its products.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Part of the names of MAAS's products and content ids, and a tag: `stable` or `candidate`.
    pub label: String,
    /// `updated` of all its files, and when they were signed, in Unix seconds.
    pub updated: i64,
    /// Which signed forms it has.
    pub signing: Signing,
    /// `datatype` of its products files: `image-ids` or `image-downloads`.
    pub datatype: String,
    /// Changes the index before it is signed; called for each form of it.
    pub edit_index: fn(&mut Value),
    /// Changes the products file of this content id before it is signed.
    pub edit_products: fn(&str, &mut Value),
    /// Content id → name of a product → product.
    contents: BTreeMap<String, BTreeMap<String, StreamProduct>>,
}

/// Which forms the index and the products files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signing {
    /// Clear-signed `.sjson`, and `.json` with a detached `.json.gpg`, as upstream has them.
    Signed,
    /// `.json` with a detached `.json.gpg` only.
    Detached,
    /// `.json` alone.
    Unsigned,
}

/// One product: what all its versions have in common.
#[derive(Clone, Debug, Default)]
struct StreamProduct {
    tags: Value,
    versions: BTreeMap<String, StreamVersion>,
}

/// One version of a product.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamVersion {
    /// Its name, such as `20250718`; the greatest in the order of bytes is the newest.
    pub name: String,
    /// Tags that all its items inherit, a JSON object.
    pub tags: Value,
    /// Its files.
    pub items: Vec<StreamItem>,
}

/// One file of a version.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamItem {
    /// Its name in the version, such as `boot-kernel`.
    pub name: String,
    /// `ftype`.
    pub ftype: String,
    /// Where it stands, below the stream's root. Items of one path must have one content.
    pub path: String,
    /// Its bytes.
    pub payload: Payload,
    /// Tags that stand instead of the true ones (`ftype`, `path`, `sha256`, `size`) or besides them, a JSON object.
    pub tags: Value,
}

impl Stream {
    /// A stream without any product, in all signed forms.
    pub fn new(label: &str) -> Self {
        Self {
            label: label.into(),
            updated: DEFAULT_DATE,
            signing: Signing::Signed,
            datatype: "image-ids".into(),
            edit_index: |_| {},
            edit_products: |_, _| {},
            contents: BTreeMap::new(),
        }
    }

    /// Adds a version to any product, for shapes that MAAS's stream does not have. The product comes to be with its first
    /// version; its tags, a JSON object, are those given last. A version of the same name is replaced.
    pub fn product(&mut self, content_id: &str, name: &str, tags: Value, version: StreamVersion) -> &mut Self {
        let products = self.contents.entry(content_id.into()).or_default();
        let product = products.entry(name.into()).or_default();
        product.tags = tags;
        product.versions.insert(version.name.clone(), version);
        self
    }

    /// Paths of all payload files, each once, sorted.
    pub fn payload_paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.items().map(|item| item.path.clone()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    fn items(&self) -> impl Iterator<Item = &StreamItem> {
        let products = self.contents.values().flat_map(BTreeMap::values);
        products.flat_map(|product| product.versions.values()).flat_map(|version| &version.items)
    }
}

impl StreamVersion {
    /// A version without tags of its own.
    pub fn new(name: &str, items: Vec<StreamItem>) -> Self {
        Self { name: name.into(), tags: json!({}), items }
    }
}

impl StreamItem {
    /// An item of `size` incompressible bytes that its path determines, with the name as its `ftype`.
    pub fn noise(name: &str, path: &str, size: u64) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *Sha256::of(path.as_bytes()).as_bytes();
        let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        Self::new(name, path, Payload::Pseudorandom { size, seed })
    }

    /// An item of readable text, as manifests are, that its path determines.
    pub fn text(name: &str, path: &str) -> Self {
        let line = |number| format!("package-{number:02}\t1.{number}+{path}-0ubuntu1\n");
        Self::new(name, path, Payload::Bytes((1..=40).map(line).collect::<String>().into_bytes()))
    }

    /// An item of exactly this content, with the name as its `ftype`.
    pub fn new(name: &str, path: &str, payload: Payload) -> Self {
        Self { name: name.into(), ftype: name.into(), path: path.into(), payload, tags: json!({}) }
    }
}
