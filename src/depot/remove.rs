//! Lists the blobs of a depot, and removes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use super::{BLOB_MODE, Depot, DepotError};
use crate::digest::Sha256;
use crate::storage::{ListedObject, RunMode, create_new};

/// Blobs that [`Depot::remove_all_but`] removed, or would remove.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemovedBlobs {
    /// Their number.
    pub blobs: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

impl Depot {
    /// The digests of all blobs, in order.
    pub fn blobs(&self) -> Result<Vec<Sha256>, DepotError> {
        Ok(self.blob_sizes()?.into_keys().collect())
    }

    /// All blobs with their sizes in bytes.
    pub fn blob_sizes(&self) -> Result<BTreeMap<Sha256, u64>, DepotError> {
        let listed = self.store.list(&format!("{}sha256", self.prefix), 2)?;
        let blob = |object: ListedObject| Some((object.key.rsplit('/').next()?.parse().ok()?, object.size));
        Ok(listed.into_iter().filter_map(blob).collect())
    }

    /// Removes the blobs that are not `needed`. A dry run only counts them.
    pub fn remove_all_but(&self, needed: &BTreeSet<Sha256>, mode: RunMode) -> Result<RemovedBlobs, DepotError> {
        let mut removed = RemovedBlobs::default();
        for (digest, size) in self.blob_sizes()?.into_iter().filter(|(digest, _)| !needed.contains(digest)) {
            removed.blobs += 1;
            removed.bytes += size;
            if mode == RunMode::Apply {
                self.remove(&digest)?;
            }
        }
        Ok(removed)
    }

    /// Removes the blob. Succeeds if it does not exist.
    pub fn remove(&self, digest: &Sha256) -> Result<(), DepotError> {
        self.store.delete(&self.key(digest))?;
        self.forget_bad(digest)
    }

    /// Moves the blob out of the depot, to the file `target`. Succeeds if it does not exist.
    pub fn move_away(&self, digest: &Sha256, target: &Path) -> Result<(), DepotError> {
        if self.own_size(digest)?.is_none() {
            return Ok(());
        }
        let path = self.place(digest);
        match self.store.local_file(&self.key(digest)) {
            Some(blob) => fs::rename(blob, target).map_err(DepotError::io("move away", &path)),
            None => {
                let mut from = self.open_blob(digest)?;
                let mut copy = || io::copy(&mut from, &mut create_new(target, BLOB_MODE)?);
                copy().map_err(DepotError::io("move away", &path))?;
                self.remove(digest)
            }
        }
    }
}
