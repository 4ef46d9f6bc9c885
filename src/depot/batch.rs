//! Many finished blobs, synced and named together.

use std::collections::BTreeSet;
use std::fs::{self, File};

use super::{Depot, DepotError, seal};
use crate::digest::Sha256;
use crate::storage::modes;

/// After this many bytes a batch commits by itself, so that dirty data and what a crash costs stay bounded.
const COMMIT_BYTES: u64 = 256 << 20;
/// After this many blobs a batch commits by itself.
const COMMIT_BLOBS: usize = 4096;

/// Blobs whose partial files are complete and hashed, but not yet under their names.
///
/// Dropping a batch without [`Batch::commit`] names nothing; the partial files stay for a later run.
#[must_use]
pub struct Batch<'a> {
    depot: &'a Depot,
    waiting: BTreeSet<Sha256>,
    bytes: u64,
}

impl<'a> Batch<'a> {
    pub(super) fn new(depot: &'a Depot) -> Self {
        Self { depot, waiting: BTreeSet::new(), bytes: 0 }
    }

    /// Adds the blob whose partial file is complete and has been found to have this digest.
    pub fn add(&mut self, digest: Sha256, size: u64) -> Result<(), DepotError> {
        if self.waiting.insert(digest) {
            self.bytes += size;
        }
        if self.bytes >= COMMIT_BYTES || self.waiting.len() >= COMMIT_BLOBS { self.flush() } else { Ok(()) }
    }

    /// Whether the blob was added since the last commit.
    pub fn holds(&self, digest: &Sha256) -> bool {
        self.waiting.contains(digest)
    }

    /// Syncs and names everything added, and syncs the names.
    pub fn commit(mut self) -> Result<(), DepotError> {
        self.flush()?;
        sync(self.depot)
    }

    fn flush(&mut self) -> Result<(), DepotError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        sync(self.depot)?;
        for digest in std::mem::take(&mut self.waiting) {
            name(self.depot, &digest)?;
            self.depot.note_fresh(digest);
        }
        self.bytes = 0;
        Ok(())
    }
}

fn name(depot: &Depot, digest: &Sha256) -> Result<(), DepotError> {
    let (from, to) = (depot.partial_path(digest), depot.own_path(digest));
    seal(&from)?;
    if let Err(error) = fs::rename(&from, &to) {
        let folder = to.parent().unwrap_or(depot.root());
        modes::create_public_folders(folder).map_err(DepotError::io("create", folder))?;
        fs::rename(&from, &to).map_err(|_| DepotError::io("rename", &from)(error))?;
    }
    Ok(())
}

fn sync(depot: &Depot) -> Result<(), DepotError> {
    let folder = File::open(depot.root()).map_err(DepotError::io("open", depot.root()))?;
    rustix::fs::syncfs(&folder).map_err(|e| DepotError::io("sync", depot.root())(e.into()))
}
