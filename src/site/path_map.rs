//! Path maps: which blob stands at which path of a tree.
//!
//! One line per published file, `DIGEST  PATH`, sorted by path: what sha256sum(1) writes and checks. The map is a blob, and
//! `generation.json` names it by its digest. So it is known what a generation needs, and what its files must be, whatever
//! became of its trees: a copy without hard links has the same maps.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;

use super::SiteError;
use super::tree::Tree;
use crate::depot::{Batch, BlobReader, Depot, DepotError, NewBlob};
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

/// A path map that is being written.
pub(super) struct NewPathMap<'a> {
    depot: &'a Depot,
    to: NewBlob,
}

impl<'a> NewPathMap<'a> {
    pub(super) fn new(depot: &'a Depot) -> Result<Self, DepotError> {
        Ok(Self { depot, to: depot.new_blob()? })
    }

    /// Adds a file, whose path is behind those of all others.
    pub(super) fn add(&mut self, path: &PublishPath, digest: &Sha256) -> Result<(), DepotError> {
        writeln!(self.to, "{digest}  {path}").map_err(DepotError::io("write", self.to.path()))
    }

    /// Stores it at the next commit of `batch`, and returns its digest.
    pub(super) fn store(self, batch: &mut Batch<'_>) -> Result<Sha256, DepotError> {
        self.depot.put_new(batch, self.to)
    }
}

/// A line of a path map.
pub(super) type MappedFile = (PublishPath, Sha256);

impl PathMap {
    /// Stores the map of `tree`, and returns its digest.
    pub(super) fn store(tree: &Tree, depot: &Depot, batch: &mut Batch<'_>) -> Result<Sha256, DepotError> {
        let mut map = NewPathMap::new(depot)?;
        tree.files().try_for_each(|(path, digest)| map.add(path, digest))?;
        map.store(batch)
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

/// A path map with a place in it.
pub(super) struct MapCursor {
    map: PathMap,
    next: Option<MappedFile>,
}

impl MapCursor {
    /// Starts at the first file.
    pub(super) fn new(mut map: PathMap) -> Result<Self, SiteError> {
        let next = map.next_file()?;
        Ok(Self { map, next })
    }

    /// Returns the file at this place; `None` behind the last one.
    pub(super) fn peek(&self) -> Option<&MappedFile> {
        self.next.as_ref()
    }

    /// Goes on to the next file.
    pub(super) fn advance(&mut self) -> Result<(), SiteError> {
        self.next = self.map.next_file()?;
        Ok(())
    }
}

/// The files of a tree that clients see, which are asked for in the order of their paths. A map that cannot be read has no files.
pub(super) struct ShownFiles(Option<MapCursor>);

impl ShownFiles {
    /// Starts at the first file.
    pub(super) fn of(map: Option<PathMap>) -> Self {
        Self(map.and_then(|map| MapCursor::new(map).ok()))
    }

    /// Returns the blob at `path`.
    pub(super) fn digest_of(&mut self, path: &PublishPath) -> Option<&Sha256> {
        let map = self.0.as_mut()?;
        while map.peek().is_some_and(|(next, _)| next < path) {
            if map.advance().is_err() {
                map.next = None;
            }
        }
        map.peek().filter(|(next, _)| next == path).map(|(_, digest)| digest)
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

    #[test]
    fn files_that_clients_see_are_found_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let path = |text: &str| text.parse::<PublishPath>().unwrap();
        let tree: Tree = ["a", "b/c", "d"].map(|name| (path(name), Sha256::of(name.as_bytes()))).into_iter().collect();
        let mut batch = depot.batch();
        let map = PathMap::store(&tree, &depot, &mut batch).unwrap();
        batch.commit().unwrap();
        let mut shown = ShownFiles::of(PathMap::open(&depot, &map).ok());
        for (name, is_there) in [("0", false), ("a", true), ("a-b", false), ("b/c", true), ("d", true), ("e", false)] {
            let wanted = is_there.then(|| Sha256::of(name.as_bytes()));
            assert_eq!(shown.digest_of(&path(name)).copied(), wanted, "{name}");
        }
        assert_eq!(ShownFiles::of(None).digest_of(&path("a")), None);
    }
}
