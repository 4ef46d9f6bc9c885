//! The files of one generation: its path map says which blob each is, and the depot has the blobs. So one depot answers for all
//! generations, and the published trees are not needed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::file::{Blocked, Delivery, OpenedFile, open, read_cached};
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::path::PublishPath;
use crate::site::find_blob;
use crate::time::Time;

/// Opens files by their paths below one generation.
#[derive(Debug)]
pub(super) struct PublishedFiles {
    depot: Depot,
    map: Sha256,
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
    /// Returns the files that the path map with this digest lists.
    pub(super) fn new(site: &Path, map: Sha256) -> Self {
        Self { depot: Depot::existing(&site.join("depot")), map }
    }

    /// Reads the whole path map, and compares it with its digest.
    pub(super) fn verify(&self) -> Result<(), DepotError> {
        self.depot.verify(&self.map)
    }

    /// Opens the file at `path`. Its date is `changed`, or else the date of the blob.
    pub(super) fn open(&self, path: &PublishPath, changed: Option<Time>, how: Delivery) -> Attempt<OpenedFile> {
        let digest = match self.find(path, how)? {
            Ok(Some(digest)) => digest,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        let file = open(&self.depot.place(&digest), how)?;
        Ok(file.map(|file| file.map(|file| OpenedFile::new(file, &digest.to_hex(), changed))))
    }

    fn find(&self, path: &PublishPath, how: Delivery) -> Attempt<Sha256> {
        let (map, facts) = match open(&self.depot.place(&self.map), how)? {
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
