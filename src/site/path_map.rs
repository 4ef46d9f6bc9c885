//! Path maps: which blob stands at which path of a tree.
//!
//! One line per published file, `DIGEST  PATH`, sorted by path: what sha256sum(1) writes and checks. The map is a blob, and
//! `generation.json` names it by its digest. So it is known what a generation needs, and what its files must be, whatever
//! became of its trees: a copy without hard links has the same maps.

use super::SiteError;
use super::tree::Tree;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::path::PublishPath;
use crate::storage::StorageError;

/// The largest path map that is read, in bytes.
const MAX_PATH_MAP_BYTES: u64 = 1 << 30;

/// Every file of a tree, with its blob.
#[derive(Debug)]
pub(super) struct PathMap(Vec<(PublishPath, Sha256)>);

impl PathMap {
    /// Writes the map of `tree`.
    pub(super) fn text(tree: &Tree) -> String {
        tree.files().map(|(path, digest)| format!("{digest}  {path}\n")).collect()
    }

    /// Reads a map, and checks it against its digest.
    pub(super) fn load(depot: &Depot, digest: &Sha256) -> Result<Self, SiteError> {
        let bytes = depot.read(digest, MAX_PATH_MAP_BYTES)?;
        let line = |line: &str| {
            let (digest, path) = line.split_once("  ")?;
            Some((path.parse().ok()?, digest.parse().ok()?))
        };
        let text = std::str::from_utf8(&bytes).ok();
        let files: Option<Vec<_>> = text.and_then(|text| text.lines().map(line).collect());
        let damaged = StorageError::damaged(&depot.place(digest));
        Ok(files.map(Self).ok_or_else(|| damaged("the path map has a malformed line"))?)
    }

    /// Returns the files, sorted by path.
    pub(super) fn files(&self) -> impl Iterator<Item = (&PublishPath, &Sha256)> {
        self.0.iter().map(|(path, digest)| (path, digest))
    }

    /// Returns the tree that the map lists.
    pub(super) fn into_tree(self) -> Tree {
        self.0.into_iter().collect()
    }
}
