//! Many finished blobs, synced and named together.

use std::collections::BTreeMap;

use super::{Depot, DepotError};
use crate::digest::Sha256;
use crate::storage::NewObject;

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
    /// Their sizes in bytes.
    waiting: BTreeMap<Sha256, u64>,
    bytes: u64,
}

impl<'a> Batch<'a> {
    pub(super) fn new(depot: &'a Depot) -> Self {
        Self { depot, waiting: BTreeMap::new(), bytes: 0 }
    }

    /// Adds the blob whose partial file is complete and has been found to have this digest.
    pub fn add(&mut self, digest: Sha256, size: u64) -> Result<(), DepotError> {
        if self.waiting.insert(digest, size).is_none() {
            self.bytes += size;
        }
        if self.bytes >= COMMIT_BYTES || self.waiting.len() >= COMMIT_BLOBS { self.flush() } else { Ok(()) }
    }

    /// Whether the blob was added since the last commit.
    pub fn holds(&self, digest: &Sha256) -> bool {
        self.waiting.contains_key(digest)
    }

    /// Syncs and names everything added, and syncs the names.
    pub fn commit(mut self) -> Result<(), DepotError> {
        self.flush()?;
        Ok(self.depot.store.sync(&format!("{}sha256", self.depot.prefix))?)
    }

    /// Gives the store what was added, and looks whether it is there.
    fn flush(&mut self) -> Result<(), DepotError> {
        let depot = self.depot;
        let object = |digest: &Sha256| NewObject { key: depot.key(digest), file: depot.partial_path(digest) };
        depot.store.put_files(&self.waiting.keys().map(object).collect::<Vec<_>>())?;
        for (digest, size) in std::mem::take(&mut self.waiting) {
            if depot.store.size(&depot.key(&digest))? != Some(size) {
                return Err(DepotError::WriteLost { path: depot.store.place(&depot.key(&digest)) });
            }
            depot.note_fresh(digest);
        }
        self.bytes = 0;
        Ok(())
    }
}
