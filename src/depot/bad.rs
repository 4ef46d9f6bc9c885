//! The memory of bad blobs: those that were read again and had other bytes than their names say, or were gone.
//!
//! A note is an empty object `bad/DIGEST` beside the blobs, so that it outlives the process that wrote it. It stays until whoever put
//! good bytes there has done with them what they are for. A run that is killed before that leaves the note, and the blob is fetched
//! once more.

use std::collections::BTreeSet;
use std::io;
use std::sync::{MutexGuard, PoisonError};

use super::{Depot, DepotError};
use crate::digest::Sha256;

impl Depot {
    fn bad_key(&self, digest: &Sha256) -> String {
        format!("{}bad/{digest}", self.prefix)
    }

    /// Returns `true` if the blob is here with this size, and is not noted as bad, or was put here anew by this process.
    pub fn has_good(&self, digest: &Sha256, size: u64) -> Result<bool, DepotError> {
        Ok(self.has(digest, size)? && (self.hashed_by_this_process(digest) || !self.is_bad(digest)?))
    }

    /// Returns `true` if the blob is noted as bad.
    pub fn is_bad(&self, digest: &Sha256) -> Result<bool, DepotError> {
        let holder = self.holder(digest);
        Ok(holder.with_bad()?.as_ref().is_some_and(|bad| bad.contains(digest)))
    }

    /// The blobs that are noted as bad.
    pub fn bad_blobs(&self) -> Result<BTreeSet<Sha256>, DepotError> {
        let mut bad = self.with_bad()?.clone().unwrap_or_default();
        if let Some(below) = &self.below {
            bad.append(&mut below.bad_blobs()?);
        }
        Ok(bad)
    }

    /// Notes that the blob had other bytes when it was read, could not be read, or was gone.
    pub fn note_bad(&self, digest: &Sha256) -> Result<(), DepotError> {
        let mut bad = self.with_bad()?;
        self.store.put(&self.bad_key(digest), b"")?;
        bad.get_or_insert_default().insert(*digest);
        Ok(())
    }

    /// Removes the note that the blob is bad. Succeeds if there is none.
    pub fn forget_bad(&self, digest: &Sha256) -> Result<(), DepotError> {
        let mut bad = self.with_bad()?;
        if bad.as_ref().is_some_and(|bad| bad.contains(digest)) {
            self.store.delete(&self.bad_key(digest))?;
            bad.get_or_insert_default().remove(digest);
        }
        Ok(())
    }

    /// Returns the notes, which are read at the first call.
    fn with_bad(&self) -> Result<MutexGuard<'_, Option<BTreeSet<Sha256>>>, DepotError> {
        let mut bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        if bad.is_none() {
            let listed = match self.store.list(&format!("{}bad", self.prefix), 1) {
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => Vec::new(),
                other => other?,
            };
            *bad = Some(listed.iter().filter_map(|object| object.key.rsplit('/').next()?.parse().ok()).collect());
        }
        Ok(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_blob_counts_as_lacking_until_it_is_put_again() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let mut batch = depot.batch();
        let (one, other) = (depot.put(&mut batch, b"one").unwrap(), depot.put(&mut batch, b"other").unwrap());
        batch.commit().unwrap();
        depot.note_bad(&one).unwrap();
        depot.note_bad(&other).unwrap();

        let again = Depot::open(dir.path()).unwrap();
        assert!(again.has(&one, 3).unwrap() && !again.has_good(&one, 3).unwrap());
        let layer = Depot::open_over(&dir.path().join("layer"), again.clone()).unwrap();
        assert!(!layer.has_good(&one, 3).unwrap());
        let mut batch = again.batch();
        again.put(&mut batch, b"one").unwrap();
        batch.commit().unwrap();
        assert!(again.has_good(&one, 3).unwrap() && !Depot::open(dir.path()).unwrap().has_good(&one, 3).unwrap());
        again.forget_bad(&one).unwrap();
        again.remove(&other).unwrap();
        assert!(again.has_good(&one, 3).unwrap());
        assert_eq!(Depot::open(dir.path()).unwrap().bad_blobs().unwrap(), BTreeSet::new());
    }
}
