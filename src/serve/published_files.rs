//! The files of one generation: its path maps say which blob each is, and the depot has the blobs. So one depot answers for all
//! generations, and the published trees are not needed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::file::{Blocked, Delivery, OpenedFile, open, read_cached};
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::path::PublishPath;
use crate::site::{MountedTree, find_blob};

/// Opens files by their paths below one generation.
#[derive(Debug)]
pub(super) struct PublishedFiles {
    depot: Depot,
    mounts: BTreeMap<String, MountedTree>,
}

/// The date of a file that clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileDate {
    /// The date of the generation that put its tree there.
    OfTree,
    /// The date of the blob, which never changes.
    OfBlob,
}

/// A path map that cannot be read now.
enum Unread {
    Blocked,
    Failed(io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// The result of a look-up that may have to wait.
type Attempt<T> = Result<io::Result<Option<T>>, Blocked>;

impl PublishedFiles {
    /// Returns the files of these trees.
    pub(super) fn new(site: &Path, mounts: BTreeMap<String, MountedTree>) -> Self {
        Self { depot: Depot::existing(&site.join("depot")), mounts }
    }

    /// Reads all path maps, and compares them with their digests.
    pub(super) fn verify(&self) -> Result<(), DepotError> {
        self.mounts.values().try_for_each(|mount| self.depot.verify(&mount.paths))
    }

    /// Opens the file at `path`.
    pub(super) fn open(&self, path: &PublishPath, date: FileDate, how: Delivery) -> Attempt<OpenedFile> {
        let Some((mount, below)) = self.mount_of(path) else { return Ok(Ok(None)) };
        let digest = match self.find(mount, &below, how)? {
            Ok(Some(digest)) => digest,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        let changed = (date == FileDate::OfTree).then_some(mount.since);
        let file = open(&self.depot.place(&digest), how)?;
        Ok(file.map(|file| file.map(|(file, facts)| OpenedFile::new(file, &facts, &digest.to_hex(), changed))))
    }

    /// Returns the tree that the path leads into, and the path below it.
    fn mount_of(&self, path: &PublishPath) -> Option<(&MountedTree, PublishPath)> {
        let mut mounts = path.folders().filter_map(|folder| Some((self.mounts.get(folder)?, folder)));
        let (mount, folder) = mounts.next()?;
        let below = path.as_str().get(folder.len() + 1..)?;
        Some((mount, below.parse().ok()?))
    }

    fn find(&self, mount: &MountedTree, path: &PublishPath, how: Delivery) -> Attempt<Sha256> {
        let (map, facts) = match open(&self.depot.place(&mount.paths), how)? {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Ok(None)), // `gc` has removed the generation
            Err(error) => return Ok(Err(error)),
        };
        match find_blob(path, facts.len(), |at, into| read(&map, at, into, how)) {
            Ok(found) => Ok(Ok(found)),
            Err(Unread::Failed(error)) => Ok(Err(error)),
            Err(Unread::Blocked) => Err(Blocked),
        }
    }
}

fn read(map: &File, at: u64, into: &mut [u8], how: Delivery) -> Result<(), Unread> {
    match how {
        Delivery::Cached if read_cached(map, into, at) == into.len() => Ok(()),
        Delivery::Cached => Err(Unread::Blocked),
        Delivery::Blocking => Ok(map.read_exact_at(into, at)?),
    }
}
