//! The index: which products files there are.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::json::{Tags, parse, text};
use super::{FOLDER, INDEX_JSON, INLINE, PLAIN};
use crate::formats::{Invalid, shortened};
use crate::path::PublishPath;

/// The `format` of an index.
const FORMAT: &str = "index:1.0";

/// A stream's index.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamIndex {
    /// Its products files by content id.
    pub entries: BTreeMap<Box<str>, ProductsEntry>,
    /// When it was made, as it says itself.
    pub updated: Option<String>,
}

/// A products file, as the index names it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductsEntry {
    /// Below the stream's root.
    pub path: PublishPath,
    /// What else the index says of it.
    pub tags: Tags,
}

impl StreamIndex {
    /// Reads the payload of an index file.
    pub fn parse(payload: &[u8]) -> Result<Self, Invalid> {
        let mut node = parse(payload)?;
        expect_format(node.text("format"), FORMAT)?;
        let updated = node.text("updated").map(str::to_owned);
        let mut entries = BTreeMap::new();
        let mut paths = BTreeSet::new();
        for (content_id, entry) in node.take("index").nodes {
            let place = || content_id.to_string();
            match text(&entry.tags, "format") {
                Some("products:1.0") | None => {}
                Some(FORMAT) => {
                    return Err(Invalid::new(format!(
                        "{} is an index within the index, which gapferry does not read",
                        place()
                    )));
                }
                Some(_) => continue, // of a kind that has no products
            }
            let path = text(&entry.tags, "path").ok_or_else(|| Invalid::lacks(place(), "path"))?;
            let path: PublishPath = path
                .parse()
                .map_err(|source| Invalid::new(format!("{} names an unusable path", place())).because(source))?;
            let stem = path.as_str().trim_end_matches(".sjson").trim_end_matches(".json");
            if !is_metadata(&path) || INDEX_JSON.trim_end_matches(".json") == stem {
                return Err(Invalid::malformed(place(), "path"));
            }
            if !paths.insert(path.clone()) {
                return Err(Invalid::new(format!("two different files claim the path {path}")));
            }
            entries.insert(content_id, ProductsEntry { path, tags: entry.tags });
        }
        Ok(Self { entries, updated })
    }
}

/// Returns `true` if the payload says that it is an index. It may be malformed all the same.
pub fn is_index(payload: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Header {
        format: String,
    }
    serde_json::from_slice(payload).is_ok_and(|header: Header| header.format == FORMAT)
}

/// Whether the path is within the folder that holds metadata and nothing else.
pub(super) fn is_metadata(path: &PublishPath) -> bool {
    path.as_str().starts_with("streams/")
}

/// Refuses another format than `wanted`.
pub(super) fn expect_format(found: Option<&str>, wanted: &'static str) -> Result<(), Invalid> {
    let found = found.unwrap_or_default();
    if found == wanted {
        Ok(())
    } else {
        Err(Invalid::new(format!("its format is {:?}, where {wanted:?} is expected", shortened(found))))
    }
}

/// Splits a URL into the stream's root and the index that it names, without the suffix.
pub fn split_url(url: &Url) -> (Url, Option<String>) {
    let mut root = url.clone();
    let path = url.path().trim_end_matches('/');
    let stem = path.strip_suffix(INLINE).or_else(|| path.strip_suffix(PLAIN));
    let at = stem.and_then(|stem| Some((stem, stem.rfind(&format!("/{FOLDER}"))? + 1)));
    let parts = at.and_then(|(stem, at)| Some((path.get(..at)?, stem.get(at..)?)));
    let parts = parts.filter(|(_, stem)| !stem.trim_start_matches(FOLDER).contains('/'));
    let (above, stem) = parts.map_or((path, None), |(above, stem)| (above, Some(stem.to_owned())));
    root.set_path(above);
    (root, stem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::refusal;

    fn index(entries: &str) -> Result<StreamIndex, Invalid> {
        let text = format!(
            r#"{{"format": "index:1.0", "updated": "Thu, 24 Jul 2025 08:01:49 +0000", "index": {{{entries}}}}}"#
        );
        StreamIndex::parse(text.as_bytes())
    }

    #[test]
    fn entries_and_their_paths() {
        let one = r#""a:b": {"format": "products:1.0", "path": "streams/v1/a:b.sjson", "products": ["x"]}"#;
        let found = index(one).unwrap();
        assert_eq!(found.entries["a:b"].path.as_str(), "streams/v1/a:b.sjson");
        assert_eq!(index(r#""x": {"format": "other:1.0"}"#).unwrap().entries.len(), 0);
    }

    #[test]
    fn hostile_entries_are_refused() {
        for entry in [
            r#""a": {"path": "/etc/passwd"}"#,
            r#""a": {"path": "streams/../../x"}"#,
            r#""a": {"path": "x\u0000"}"#,
            r#""a": {"format": "products:1.0"}"#,
            r#""a": {"path": 5}"#,
            r#""a": {"format": "index:1.0", "path": "streams/v1/other.sjson"}"#,
            r#""a": {"path": "streams/x"}, "b": {"path": "streams/x"}"#,
            r#""a": {"path": "elsewhere/x.sjson"}"#,
            r#""a": {"path": "streams/v1/index.json"}"#,
        ] {
            assert!(index(entry).is_err(), "{entry}");
        }
        assert!(refusal(StreamIndex::parse(br#"{"format": "products:1.0"}"#)).contains("its format is"));
    }

    #[test]
    fn splits_the_root_from_the_index() {
        for (url, root, index) in [
            ("http://images.example/v3/stable", "http://images.example/v3/stable", ""),
            ("http://images.example/v3/stable/", "http://images.example/v3/stable", ""),
            ("http://images.example/v3/streams/v1/index.sjson", "http://images.example/v3/", "streams/v1/index"),
            ("http://images.example/streams/v1/index2.json", "http://images.example/", "streams/v1/index2"),
            ("http://images.example/streams/v1/a/index.json", "http://images.example/streams/v1/a/index.json", ""),
            ("http://images.example/x.json", "http://images.example/x.json", ""),
        ] {
            let (found, stem) = split_url(&url.parse().unwrap());
            assert_eq!((found.as_str(), stem.unwrap_or_default().as_str()), (root, index), "{url}");
        }
    }
}
