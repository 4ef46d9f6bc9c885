//! Path maps: which blob stands at which path of a tree.
//!
//! One line per published file, `DIGEST  PATH`, sorted by path: what sha256sum(1) writes and checks. The map is a blob, and
//! `generation.json` names it by its digest. So it is known what a generation needs, and what its files must be, whatever
//! became of its trees: a copy without hard links has the same maps.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;

use super::SiteError;
use super::tree::Tree;
use crate::depot::{Batch, BlobReader, Depot, DepotError};
use crate::digest::Sha256;
use crate::path::{MAX_PATH_BYTES, PublishPath};
use crate::storage::StorageError;

/// The longest line of a map, in bytes: digest, two spaces, path and LF.
const MAX_LINE_BYTES: u64 = (64 + 2 + MAX_PATH_BYTES + 1) as u64;

/// A path map in the depot, read line by line. Its digest was checked when it was opened.
pub(super) struct PathMap {
    from: BufReader<BlobReader>,
    place: PathBuf,
    line: String,
}

/// A line of a path map.
pub(super) type MappedFile = (PublishPath, Sha256);

impl PathMap {
    /// Stores the map of `tree`, and returns its digest.
    pub(super) fn store(tree: &Tree, depot: &Depot, batch: &mut Batch<'_>) -> Result<Sha256, DepotError> {
        depot.put_with(batch, |to| tree.files().try_for_each(|(path, digest)| writeln!(to, "{digest}  {path}")))
    }

    /// Opens a map, and checks it against its digest.
    pub(super) fn open(depot: &Depot, digest: &Sha256) -> Result<Self, SiteError> {
        depot.verify(digest)?;
        Self::new(depot, digest)
    }

    fn new(depot: &Depot, digest: &Sha256) -> Result<Self, SiteError> {
        let from = BufReader::with_capacity(64 << 10, depot.open_blob(digest)?);
        Ok(Self { from, place: depot.place(digest), line: String::new() })
    }

    /// Opens a map; `None` if it is damaged or missing.
    pub(super) fn open_unless_rotten(depot: &Depot, digest: &Sha256) -> Result<Option<Self>, SiteError> {
        Ok(if depot.is_intact(digest)? { Some(Self::new(depot, digest)?) } else { None })
    }

    /// Returns the next file, in the order of the paths; `None` behind the last one.
    pub(super) fn next_file(&mut self) -> Result<Option<MappedFile>, SiteError> {
        let Self { from, place, line } = self;
        line.clear();
        from.take(MAX_LINE_BYTES).read_line(line).map_err(SiteError::io("read", place))?;
        if line.is_empty() {
            return Ok(None);
        }
        let file = line.strip_suffix('\n').and_then(|line| {
            let (digest, path) = line.split_once("  ")?;
            Some((path.parse().ok()?, digest.parse().ok()?))
        });
        let damaged = || StorageError::damaged(place)("the path map has a malformed line");
        Ok(Some(file.ok_or_else(damaged)?))
    }

    /// Hands each file of the map to `file`.
    pub(super) fn each(
        depot: &Depot,
        digest: &Sha256,
        mut file: impl FnMut(PublishPath, Sha256) -> Result<(), SiteError>,
    ) -> Result<(), SiteError> {
        let mut map = Self::open(depot, digest)?;
        while let Some((path, digest)) = map.next_file()? {
            file(path, digest)?;
        }
        Ok(())
    }

    /// Reads the tree that the map lists.
    pub(super) fn tree(depot: &Depot, digest: &Sha256) -> Result<Tree, SiteError> {
        let mut files = Vec::new();
        Self::each(depot, digest, |path, digest| {
            files.push((path, digest));
            Ok(())
        })?;
        Ok(files.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_back_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let files = ["a", "a-b", "a/b"].map(|path| (path.parse::<PublishPath>().unwrap(), Sha256::of(path.as_bytes())));
        let tree: Tree = files.iter().cloned().collect();
        let mut batch = depot.batch();
        let digest = PathMap::store(&tree, &depot, &mut batch).unwrap();
        assert_eq!(PathMap::store(&tree, &depot, &mut batch).unwrap(), digest);
        batch.commit().unwrap();
        assert_eq!(depot.partials().unwrap(), []);
        assert_eq!(PathMap::tree(&depot, &digest).unwrap(), tree);
        let text: String = files.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
        assert_eq!(digest, Sha256::of(text.as_bytes()));
        std::fs::remove_file(depot.place(&digest)).unwrap();
        std::fs::write(depot.place(&digest), text.replace("a-b", "a-c")).unwrap();
        assert!(PathMap::open(&depot, &digest).is_err());
        // A store makes good what has rotted.
        let depot = Depot::open(dir.path()).unwrap();
        let mut batch = depot.batch();
        PathMap::store(&tree, &depot, &mut batch).unwrap();
        batch.commit().unwrap();
        assert_eq!(PathMap::tree(&depot, &digest).unwrap(), tree);
    }
}
