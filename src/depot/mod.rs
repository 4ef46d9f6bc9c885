//! Immutable blobs by SHA-256 on disk.
//!
//! ```text
//! DEPOT/sha256/ab/abcd…   a blob, complete and synced: whatever has such a name can be relied on
//! DEPOT/partial/abcd…     a blob under construction; may be cut short, is never used
//! DEPOT/aliases/abcd…     what an upstream that signs another digest calls a blob
//! ```
//!
//! A blob is written under `partial/`, hashed on the way, and moved to its name by a [`Batch`], many at a time: one
//! `syncfs` for all their bytes, then the renames. So a kill or a power cut leaves no half-written blob under a final name,
//! and ten thousand small files do not cost ten thousand syncs.

mod alias;
mod batch;
mod error;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use batch::Batch;
pub use error::DepotError;

use crate::digest::{Hashing, Sha256};
use crate::storage::remove_file_if_there;

/// Blobs that [`Depot::remove_all_but`] removed, or would remove.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemovedBlobs {
    /// Their number.
    pub blobs: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

/// A depot on disk. One process at a time may write to it; the owner of its folder sees to that.
#[derive(Clone, Debug)]
pub struct Depot {
    root: PathBuf,
    /// Another depot, whose blobs can be read here too, and which is never written to.
    below: Option<PathBuf>,
    /// Blobs that this process has hashed while it wrote them.
    fresh: Arc<Mutex<BTreeSet<Sha256>>>,
}

impl Depot {
    /// Opens the depot at `root`, creating what is missing.
    pub fn open(root: &Path) -> Result<Self, DepotError> {
        for folder in ["sha256", "partial"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(DepotError::io("create", &path))?;
        }
        Ok(Self::existing(root))
    }

    /// Returns the depot at `root` for reading. Creates nothing, so that it works for users who may not write there.
    pub fn existing(root: &Path) -> Self {
        Self { root: root.to_owned(), below: None, fresh: Arc::default() }
    }

    /// Opens the depot at `root` as a layer over the one at `below`: it reads blobs of both, and writes to `root` alone.
    pub fn open_over(root: &Path, below: &Path) -> Result<Self, DepotError> {
        Ok(Self { below: Some(below.to_owned()), ..Self::open(root)? })
    }

    /// The depot's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the blob is, or would be.
    pub fn path(&self, digest: &Sha256) -> PathBuf {
        let own = self.own_path(digest);
        let below = self.below.as_ref().map(|below| path_in(below, digest));
        below.filter(|below| !own.exists() && below.exists()).unwrap_or(own)
    }

    /// The path that a blob is written to.
    fn own_path(&self, digest: &Sha256) -> PathBuf {
        path_in(&self.root, digest)
    }

    /// Where the blob is built before it is complete.
    pub fn partial_path(&self, digest: &Sha256) -> PathBuf {
        self.root.join("partial").join(digest.to_hex())
    }

    /// The size of the blob in bytes, if it is here.
    pub fn size(&self, digest: &Sha256) -> Option<u64> {
        fs::symlink_metadata(self.path(digest)).ok().filter(fs::Metadata::is_file).map(|m| m.len())
    }

    /// Whether the blob is here with this size.
    pub fn has(&self, digest: &Sha256, size: u64) -> bool {
        self.size(digest) == Some(size)
    }

    /// Whether this process has itself hashed the blob's bytes while it wrote them; of all others nobody knows whether they
    /// have changed on disk since.
    pub fn hashed_by_this_process(&self, digest: &Sha256) -> bool {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn note_fresh(&self, digest: Sha256) {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }

    /// Opens the blob for reading.
    pub fn open_blob(&self, digest: &Sha256) -> Result<File, DepotError> {
        let path = self.path(digest);
        File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => DepotError::Missing { digest: *digest },
            _ => DepotError::io("open", &path)(e),
        })
    }

    /// The whole blob, checked against its name; for metadata, never for payload. Refused above `cap` bytes.
    pub fn read(&self, digest: &Sha256, cap: u64) -> Result<Vec<u8>, DepotError> {
        let mut bytes = Vec::new();
        let path = self.path(digest);
        self.open_blob(digest)?.take(cap + 1).read_to_end(&mut bytes).map_err(DepotError::io("read", &path))?;
        if bytes.len() as u64 > cap {
            return Err(DepotError::TooLarge { path, cap });
        }
        if Sha256::of(&bytes) != *digest {
            return Err(DepotError::DigestMismatch { path });
        }
        Ok(bytes)
    }

    /// Whether the blob's bytes still have the digest that it is named by.
    pub fn verify(&self, digest: &Sha256) -> Result<(), DepotError> {
        let path = self.path(digest);
        let (found, _) = Sha256::of_reader(&mut self.open_blob(digest)?).map_err(DepotError::io("read", &path))?;
        if found == *digest { Ok(()) } else { Err(DepotError::DigestMismatch { path }) }
    }

    /// Removes every blob whose bytes have changed; returns how many that were. Reads the whole depot.
    pub fn remove_rotten(&self) -> Result<u64, DepotError> {
        let mut removed = 0;
        for digest in self.blobs()? {
            match self.verify(&digest) {
                Err(DepotError::DigestMismatch { .. }) => {
                    self.remove(&digest)?;
                    removed += 1;
                }
                other => other?,
            }
        }
        Ok(removed)
    }

    /// Creates an empty partial file for the blob, over whatever was left there.
    pub fn create_partial(&self, digest: &Sha256) -> Result<File, DepotError> {
        let path = self.partial_path(digest);
        remove_if_there(&path)?; // it may be read-only already, see `unseal`
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o644).custom_flags(no_follow());
        options.open(&path).map_err(DepotError::io("create", &path))
    }

    /// Opens the blob's partial file as it is, creating it when there is none: for parts that arrive one by one.
    pub fn open_partial(&self, digest: &Sha256) -> Result<File, DepotError> {
        let path = self.partial_path(digest);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644).custom_flags(no_follow());
        unseal(&path).and_then(|()| options.open(&path)).map_err(DepotError::io("open", &path))
    }

    /// Gives a blob under construction the digest that it was found to have.
    pub fn rename_partial(&self, from: &Sha256, to: &Sha256) -> Result<(), DepotError> {
        let path = self.partial_path(from);
        if from == to {
            return Ok(());
        }
        fs::rename(&path, self.partial_path(to)).map_err(DepotError::io("rename", &path))
    }

    /// Starts a batch of blobs to be moved to their names together.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Returns `true` if the blob is here with these bytes. Reads it again, unless this process has written it.
    fn is_exactly(&self, digest: &Sha256, bytes: &[u8]) -> bool {
        self.has(digest, bytes.len() as u64)
            && (self.hashed_by_this_process(digest) || fs::read(self.path(digest)).is_ok_and(|held| held == bytes))
    }

    /// Stores `bytes` as a blob, at the next commit of `batch`, and returns its digest. A blob of this name with other bytes is
    /// replaced.
    pub fn put(&self, batch: &mut Batch<'_>, bytes: &[u8]) -> Result<Sha256, DepotError> {
        let digest = Sha256::of(bytes);
        if !batch.holds(&digest) && !self.is_exactly(&digest, bytes) {
            let path = self.partial_path(&digest);
            io::Write::write_all(&mut self.create_partial(&digest)?, bytes).map_err(DepotError::io("write", &path))?;
            batch.add(digest, bytes.len() as u64)?;
        }
        Ok(digest)
    }

    /// Copies the file at `source` in, unless a blob of this digest and size is here already. It is hashed on the way once
    /// more: a file that has changed since it was hashed is refused.
    pub fn put_file(
        &self,
        batch: &mut Batch<'_>,
        source: &Path,
        (digest, size): (Sha256, u64),
    ) -> Result<(), DepotError> {
        if self.has(&digest, size) || batch.holds(&digest) {
            return Ok(());
        }
        let scratch = self.root.join("partial").join("incoming");
        let mut from = File::open(source).map_err(DepotError::io("open", source))?;
        let to = File::create(&scratch).map_err(DepotError::io("create", &scratch))?;
        let mut to = Hashing::new(to);
        io::copy(&mut from, &mut to).map_err(DepotError::io("copy into the depot", source))?;
        let (_, copied, _) = to.finish();
        if copied != digest {
            return Err(DepotError::io("copy into the depot", source)(io::Error::other("it changed just now")));
        }
        let path = self.partial_path(&digest);
        fs::rename(&scratch, &path).map_err(DepotError::io("rename", &scratch))?;
        batch.add(digest, size)
    }

    /// The digests of all blobs, in order.
    pub fn blobs(&self) -> Result<Vec<Sha256>, DepotError> {
        digests_in(&self.root.join("sha256"), 2)
    }

    /// The digests of all blobs under construction, in order.
    pub fn partials(&self) -> Result<Vec<Sha256>, DepotError> {
        digests_in(&self.root.join("partial"), 1)
    }

    /// Removes the blobs that are not `needed`. With `dry_run`, only counts them.
    pub fn remove_all_but(&self, needed: &BTreeSet<Sha256>, dry_run: bool) -> Result<RemovedBlobs, DepotError> {
        let mut removed = RemovedBlobs::default();
        for digest in self.blobs()?.into_iter().filter(|digest| !needed.contains(digest)) {
            removed.blobs += 1;
            removed.bytes += self.size(&digest).unwrap_or_default();
            if !dry_run {
                self.remove(&digest)?;
            }
        }
        Ok(removed)
    }

    /// Removes the blob. Succeeds if it does not exist.
    pub fn remove(&self, digest: &Sha256) -> Result<(), DepotError> {
        remove_if_there(&self.own_path(digest))
    }

    /// Removes the blob's partial file; done already is fine.
    pub fn remove_partial(&self, digest: &Sha256) -> Result<(), DepotError> {
        remove_if_there(&self.partial_path(digest))
    }

    /// Bytes free for us on the depot's file system.
    pub fn free_bytes(&self) -> Result<u64, DepotError> {
        free_bytes(&self.root)
    }
}

fn path_in(root: &Path, digest: &Sha256) -> PathBuf {
    let hex = digest.to_hex();
    root.join("sha256").join(&hex[..2]).join(hex)
}

/// Bytes that an unprivileged process can still write on the file system of `path`.
pub fn free_bytes(path: &Path) -> Result<u64, DepotError> {
    let stat = rustix::fs::statvfs(path).map_err(|e| DepotError::io("ask the free space of", path)(e.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn digests_in(root: &Path, depth: usize) -> Result<Vec<Sha256>, DepotError> {
    let mut digests = Vec::new();
    for entry in walkdir::WalkDir::new(root).min_depth(depth).max_depth(depth) {
        let entry = entry.map_err(|e| DepotError::io("list", root)(e.into()))?;
        digests.extend(entry.file_name().to_str().and_then(|name| name.parse::<Sha256>().ok()));
    }
    digests.sort();
    Ok(digests)
}

fn no_follow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits() as i32
}

fn remove_if_there(path: &Path) -> Result<(), DepotError> {
    remove_file_if_there(path).map_err(DepotError::io("remove", path))
}

/// Makes a finished file read-only for everyone: blobs are shared by hard links.
fn seal(path: &Path) -> Result<(), DepotError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).map_err(DepotError::io("set the mode of", path))
}

/// Makes a partial file writable again: a run that was killed between sealing it and naming it leaves it read-only.
pub(crate) fn unseal(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.permissions().readonly() => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        }
        _ => Ok(()), // nothing, or something that is for the caller to refuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_there_only_after_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let mut batch = depot.batch();
        let digest = depot.put(&mut batch, b"hello").unwrap();
        assert_eq!(depot.size(&digest), None);
        assert!(!depot.hashed_by_this_process(&digest));
        batch.commit().unwrap();
        assert!(
            depot.hashed_by_this_process(&digest) && !Depot::open(dir.path()).unwrap().hashed_by_this_process(&digest)
        );
        assert_eq!(depot.read(&digest, 5).unwrap(), b"hello");
        assert_eq!(depot.blobs().unwrap(), [digest]);
        assert!(matches!(depot.read(&digest, 4), Err(DepotError::TooLarge { .. })));
    }

    #[test]
    fn layer_reads_both_depots_and_writes_to_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let below = Depot::open(&dir.path().join("below")).unwrap();
        let mut batch = below.batch();
        let old = below.put(&mut batch, b"old").unwrap();
        batch.commit().unwrap();
        let layer = Depot::open_over(&dir.path().join("layer"), below.root()).unwrap();
        let mut batch = layer.batch();
        let new = layer.put(&mut batch, b"new").unwrap();
        assert_eq!(layer.put(&mut batch, b"old").unwrap(), old);
        batch.commit().unwrap();
        assert_eq!((layer.read(&old, 3).unwrap(), layer.read(&new, 3).unwrap()), (b"old".to_vec(), b"new".to_vec()));
        assert_eq!((below.blobs().unwrap(), layer.blobs().unwrap()), (vec![old], vec![new]));
        layer.remove(&old).unwrap();
        assert!(below.has(&old, 3) && !below.has(&new, 3));
    }

    #[test]
    fn a_partial_file_that_was_sealed_by_a_killed_run_is_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let digest = Sha256::of(b"hello");
        let path = depot.partial_path(&digest);
        let leave_sealed = || {
            fs::write(&path, b"hello").unwrap();
            seal(&path).unwrap();
        };
        leave_sealed();
        assert_eq!(depot.create_partial(&digest).unwrap().metadata().unwrap().len(), 0);
        leave_sealed();
        assert_eq!(depot.open_partial(&digest).unwrap().metadata().unwrap().len(), 5);
        assert!(!fs::metadata(&path).unwrap().permissions().readonly());
        assert_eq!(depot.partials().unwrap(), [digest]);
    }

    #[test]
    fn rot_is_found_and_a_missing_blob_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let mut batch = depot.batch();
        let digest = depot.put(&mut batch, b"hello").unwrap();
        batch.commit().unwrap();
        fs::remove_file(depot.path(&digest)).unwrap();
        fs::write(depot.path(&digest), b"jello").unwrap();
        assert!(matches!(depot.verify(&digest), Err(DepotError::DigestMismatch { .. })));
        assert!(matches!(depot.read(&digest, 9), Err(DepotError::DigestMismatch { .. })));
        assert_eq!(depot.remove_rotten().unwrap(), 1);
        assert!(matches!(depot.verify(&digest), Err(DepotError::Missing { .. })));
    }

    #[test]
    fn a_file_is_copied_in_under_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(&dir.path().join("depot")).unwrap();
        let source = dir.path().join("x.deb");
        fs::write(&source, b"deb").unwrap();
        let mut batch = depot.batch();
        depot.put_file(&mut batch, &source, (Sha256::of(b"deb"), 3)).unwrap();
        assert!(depot.put_file(&mut batch, &source, (Sha256::of(b"old"), 3)).is_err());
        batch.commit().unwrap();
        assert!(depot.has(&Sha256::of(b"deb"), 3) && depot.size(&Sha256::of(b"old")).is_none());
        fs::remove_file(&source).unwrap();
        depot.put_file(&mut depot.batch(), &source, (Sha256::of(b"deb"), 3)).unwrap(); // it is here, so nothing is read
    }
}
