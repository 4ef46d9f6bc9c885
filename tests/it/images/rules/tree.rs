//! A published stream as an outsider reads it: gpgv for the signatures, then plain JSON, and whatever is on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::digest::Sha256;
use serde_json::Value;

use crate::apt_client::output;

pub(super) const INDEX: &str = "streams/v1/index.sjson";
pub(super) const PLAIN_INDEX: &str = "streams/v1/index.json";

/// All that clients can fetch.
#[derive(Clone)]
pub(super) struct Tree {
    /// Path → bytes of metadata.
    pub(super) raw: BTreeMap<String, Vec<u8>>,
    /// Path → what metadata says; a clear-signed file says what gpgv has read of it.
    pub(super) json: BTreeMap<String, Value>,
    /// Path → size in bytes and SHA-256 of all other files.
    pub(super) files: BTreeMap<String, (u64, String)>,
    /// The keyring that the site hands out.
    pub(super) keyring: Vec<u8>,
}

/// A place in the metadata.
#[derive(Clone)]
pub(super) struct At<'a> {
    /// For messages.
    pub(super) place: String,
    /// Its own key.
    pub(super) name: &'a str,
    /// What stands there, below what it stands in.
    levels: Vec<&'a Value>,
}

impl Tree {
    /// Reads a site's images in `folder`.
    pub(super) fn load(folder: &Path, keyring: &Path) -> Self {
        let keyring = fs::read(keyring).unwrap();
        let mut tree = Self { raw: BTreeMap::new(), json: BTreeMap::new(), files: BTreeMap::new(), keyring };
        let walk = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
        for entry in walk.filter(|entry| entry.file_type().is_file()) {
            let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let bytes = fs::read(entry.path()).unwrap();
            match path.starts_with("streams/") {
                true => drop(tree.raw.insert(path, bytes)),
                false => drop(tree.files.insert(path, (bytes.len() as u64, Sha256::of(&bytes).to_hex()))),
            }
        }
        for (path, bytes) in &tree.raw {
            let text = match () {
                () if path.ends_with(".sjson") => gpgv(&tree.keyring, bytes, None).unwrap_or_default(),
                () if path.ends_with(".json") => bytes.clone(),
                () => continue,
            };
            tree.json.insert(path.clone(), serde_json::from_slice(&text).unwrap_or_default());
        }
        tree
    }

    /// The signed index.
    pub(super) fn index(&self) -> &Value {
        self.json.get(INDEX).unwrap_or(&Value::Null)
    }

    /// Its entries.
    pub(super) fn entries(&self) -> Vec<At<'_>> {
        At { place: "index".into(), name: "index", levels: vec![self.index()] }.below("index")
    }

    /// The products files that the index leads to.
    pub(super) fn lists<'t>(&'t self) -> Vec<At<'t>> {
        let list = |entry: At<'t>| {
            let path = entry.value()["path"].as_str()?;
            Some(At { place: path.to_owned(), name: entry.name, levels: vec![self.json.get(path)?] })
        };
        self.entries().into_iter().filter_map(list).collect()
    }

    /// All products.
    pub(super) fn products(&self) -> Vec<At<'_>> {
        self.lists().iter().flat_map(|list| list.below("products")).collect()
    }

    /// All versions.
    pub(super) fn versions(&self) -> Vec<At<'_>> {
        self.products().iter().flat_map(|product| product.below("versions")).collect()
    }

    /// All items.
    pub(super) fn items(&self) -> Vec<At<'_>> {
        self.versions().iter().flat_map(|version| version.below("items")).collect()
    }
}

impl<'a> At<'a> {
    /// What stands here itself.
    pub(super) fn value(&self) -> &'a Value {
        self.levels.last().unwrap()
    }

    /// What stands in the object `key` of it.
    pub(super) fn below(&self, key: &str) -> Vec<At<'a>> {
        let children = self.value()[key].as_object().into_iter().flatten();
        let child = |(name, value): (&'a String, &'a Value)| At {
            place: format!("{} {name}", self.place),
            name,
            levels: self.levels.iter().copied().chain([value]).collect(),
        };
        children.map(child).collect()
    }

    /// A tag of its own.
    pub(super) fn own(&self, key: &str) -> Option<&'a Value> {
        self.value().get(key)
    }

    /// A tag of its own, or the nearest of those above.
    pub(super) fn inherited(&self, key: &str) -> Option<&'a Value> {
        self.levels.iter().rev().find_map(|level| level.get(key))
    }

    /// A complaint about it.
    pub(super) fn says(&self, complaint: &str) -> String {
        format!("{}: {complaint}", self.place)
    }
}

/// The text that gpgv finds signed by the keyring, or its complaint.
pub(super) fn gpgv(keyring: &[u8], bytes: &[u8], signature: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("keyring.gpg"), keyring).unwrap();
    fs::write(path("text"), bytes).unwrap();
    let mut command = Command::new("gpgv");
    command.env("GNUPGHOME", folder.path()).arg("--keyring").arg(path("keyring.gpg"));
    match signature {
        Some(signature) => {
            fs::write(path("signature"), signature).unwrap();
            command.arg(path("signature")).arg(path("text"));
        }
        None => drop(command.arg("--output").arg(path("read")).arg(path("text"))),
    }
    let ended = output(&mut command);
    match (ended.status.success(), signature) {
        (false, _) => Err(String::from_utf8_lossy(&ended.stderr).trim().to_owned()),
        (true, Some(_)) => Ok(bytes.to_vec()),
        (true, None) => Ok(fs::read(path("read")).unwrap()),
    }
}
