//! Immutable blobs by SHA-256, in a [`Store`].
//!
//! ```text
//! DEPOT/sha256/ab/abcd…   a blob, complete and synced: whatever has such a name can be relied on
//! DEPOT/partial/abcd…     a blob under construction; may be cut short, is never used
//! DEPOT/aliases/abcd…     what an upstream that signs another digest calls a blob
//! DEPOT/bad/abcd…         a note: the blob was read again and had other bytes, so it counts as lacking
//! ```
//!
//! A blob is written to a local file under `partial/`, hashed on the way, and put into the store by a [`Batch`], many at a
//! time: on a file system one `syncfs` for all their bytes, then the renames. So a kill or a power cut leaves no half-written
//! blob under a final name, and ten thousand small files do not cost ten thousand syncs. Large batches do so on a thread, while the
//! next blobs are written.

mod alias;
mod bad;
mod batch;
mod error;
mod partial;
mod put;
mod reader;
mod remove;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use batch::Batch;
pub use error::DepotError;
pub(crate) use partial::unseal;
pub use put::NewBlob;
pub use reader::BlobReader;
use reader::CheckedReader;
pub use remove::RemovedBlobs;

use crate::digest::{Hashing, Sha256};
use crate::storage::{FileError, FileStore, Store, create_new, has_no_links, modes};

/// Mode of blobs: they are shared by hard links.
const BLOB_MODE: u32 = 0o444;

/// A depot. One process at a time may write to it; the owner of its folder sees to that.
#[derive(Clone, Debug)]
pub struct Depot {
    /// The blobs.
    store: Arc<dyn Store>,
    /// The start of the keys of blobs: nothing, or a folder's name and `/`.
    prefix: &'static str,
    /// The local folder of blobs under construction, and of aliases.
    root: PathBuf,
    /// Another depot, whose blobs can be read here too, and which is never written to.
    below: Option<Arc<Self>>,
    /// Blobs that this process has hashed while it wrote them.
    fresh: Arc<Mutex<BTreeSet<Sha256>>>,
    /// The blobs that are noted as bad; `None` until somebody asks.
    bad: Arc<Mutex<Option<BTreeSet<Sha256>>>>,
}

impl Depot {
    /// Opens the depot at `root`, creating what is missing.
    pub fn open(root: &Path) -> Result<Self, DepotError> {
        let depot = Self::existing(root);
        let blobs = root.join("sha256");
        modes::create_public_folders(&blobs).map_err(DepotError::io("create", &blobs))?;
        depot.create_folders().map(|()| depot)
    }

    /// Returns the depot at `root` for reading. Creates nothing, so that it works for users who may not write there.
    pub fn existing(root: &Path) -> Self {
        Self::in_store(Arc::new(FileStore::new(root)), "", root)
    }

    /// Returns the depot whose blobs are in `store`, under keys that start with `prefix`. Blobs under construction are files
    /// below the local folder `root`. Creates nothing.
    pub fn in_store(store: Arc<dyn Store>, prefix: &'static str, root: &Path) -> Self {
        Self { store, prefix, root: root.to_owned(), below: None, fresh: Arc::default(), bad: Arc::default() }
    }

    /// Opens the depot at `root` as a layer over `below`: it reads blobs of both, and writes to `root` alone.
    pub fn open_over(root: &Path, below: Self) -> Result<Self, DepotError> {
        Ok(Self { below: Some(Arc::new(below)), ..Self::open(root)? })
    }

    /// Creates the local folder for blobs under construction, if it is missing.
    pub fn create_folders(&self) -> Result<(), DepotError> {
        let partial = self.root.join("partial");
        modes::create_public_folders(&partial).map_err(DepotError::io("create", &partial))
    }

    /// The depot's local folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn key(&self, digest: &Sha256) -> String {
        let hex = digest.to_hex();
        format!("{}sha256/{}/{hex}", self.prefix, &hex[..2])
    }

    /// Returns the depot that the blob is read from: the one below if that alone has it. If a store cannot say what it has, then
    /// the one whose read will give that error.
    fn holder(&self, digest: &Sha256) -> &Self {
        match &self.below {
            Some(below) if matches!(self.own_size(digest), Ok(None)) && !matches!(below.size(digest), Ok(None)) => {
                below.holder(digest)
            }
            _ => self,
        }
    }

    fn own_size(&self, digest: &Sha256) -> Result<Option<u64>, DepotError> {
        Ok(self.store.size(&self.key(digest))?)
    }

    /// The place of the blob, for messages.
    pub fn place(&self, digest: &Sha256) -> PathBuf {
        let holder = self.holder(digest);
        holder.store.place(&holder.key(digest))
    }

    /// The file that is the blob, if blobs are local files.
    pub fn local_file(&self, digest: &Sha256) -> Option<PathBuf> {
        let holder = self.holder(digest);
        holder.store.local_file(&holder.key(digest))
    }

    /// Returns a local file with the blob's bytes for another program: the blob itself, or a copy under `partial/`.
    pub fn as_file(&self, digest: &Sha256) -> Result<PathBuf, DepotError> {
        if let Some(blob) = self.local_file(digest) {
            return Ok(blob);
        }
        self.remove_partial(digest)?;
        let copy = self.partial_path(digest);
        self.copy_to(digest, &copy).map(|()| copy)
    }

    /// The size of the blob in bytes, if it is here.
    pub fn size(&self, digest: &Sha256) -> Result<Option<u64>, DepotError> {
        match (self.own_size(digest)?, &self.below) {
            (None, Some(below)) => below.size(digest),
            (own, _) => Ok(own),
        }
    }

    /// Returns `true` if the blob is here with this size.
    pub fn has(&self, digest: &Sha256, size: u64) -> Result<bool, DepotError> {
        Ok(self.size(digest)? == Some(size))
    }

    /// Returns `true` if the blob is here.
    pub fn holds(&self, digest: &Sha256) -> Result<bool, DepotError> {
        Ok(self.size(digest)?.is_some())
    }

    /// Returns the size of a blob that must be here.
    pub fn expect_size(&self, digest: &Sha256) -> Result<u64, DepotError> {
        self.size(digest)?.ok_or(DepotError::Missing { digest: *digest })
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
    pub fn open_blob(&self, digest: &Sha256) -> Result<BlobReader, DepotError> {
        let Self { store, .. } = self.holder(digest);
        let key = self.holder(digest).key(digest);
        match store.local_file(&key) {
            Some(path) => {
                let opened = File::open(&path).map_err(FileError::on::<FileError>("open", &path));
                opened.map(BlobReader::of_file).map_err(|error| DepotError::of_blob(digest, error))
            }
            None => {
                let size = store.size(&key)?.ok_or(DepotError::Missing { digest: *digest })?;
                Ok(BlobReader::of_object(store.clone(), key, size))
            }
        }
    }

    /// The whole blob, checked against its name; for metadata, never for payload. Refused above `cap` bytes.
    pub fn read(&self, digest: &Sha256, cap: u64) -> Result<Vec<u8>, DepotError> {
        let holder = self.holder(digest);
        let path = self.place(digest);
        let bytes = holder.store.get(&holder.key(digest), cap).map_err(|error| match error.source.kind() {
            io::ErrorKind::FileTooLarge => DepotError::TooLarge { path: path.clone(), cap },
            _ => DepotError::of_blob(digest, error),
        })?;
        if Sha256::of(&bytes) == *digest { Ok(bytes) } else { Err(DepotError::DigestMismatch { path }) }
    }

    /// Reads `length` bytes of the blob from `start` on. Fails with `UnexpectedEof` where it ends before.
    pub fn read_range(&self, digest: &Sha256, start: u64, length: u64) -> Result<Vec<u8>, DepotError> {
        let holder = self.holder(digest);
        let range = holder.store.get_range(&holder.key(digest), start, length);
        let bytes = range.map_err(|error| DepotError::of_blob(digest, error))?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(DepotError::io("read", &self.place(digest))(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Hands the blob to `with` as a stream, and checks it against its name meanwhile. What `with` says of a blob that cannot be
    /// read, or has changed, does not count.
    pub fn read_checked<R>(
        &self,
        digest: &Sha256,
        with: impl FnOnce(&mut (dyn io::Read + Send)) -> R,
    ) -> Result<R, DepotError> {
        let mut reader = CheckedReader::new(self.open_blob(digest)?);
        let result = with(&mut reader);
        let path = self.place(digest);
        match reader.finish().map_err(DepotError::io("read", &path))? == *digest {
            true => Ok(result),
            false => Err(DepotError::DigestMismatch { path }),
        }
    }

    /// Whether the blob's bytes still have the digest that it is named by.
    pub fn verify(&self, digest: &Sha256) -> Result<(), DepotError> {
        let path = self.place(digest);
        let (found, _) = Sha256::of_reader(&mut self.open_blob(digest)?).map_err(DepotError::io("read", &path))?;
        if found == *digest { Ok(()) } else { Err(DepotError::DigestMismatch { path }) }
    }

    /// Returns `true` if the blob is here and has the bytes of its digest; `false` also if the disk does not give them back.
    pub fn is_intact(&self, digest: &Sha256) -> Result<bool, DepotError> {
        match self.open_blob(digest) {
            Err(DepotError::Missing { .. }) => Ok(false),
            opened => Ok(Sha256::of_reader(&mut opened?).is_ok_and(|(found, _)| found == *digest)),
        }
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

    /// Makes a file with the blob's bytes at `target`, where nothing is: a hard link where the file system can, else a copy,
    /// which is hashed on the way. The caller syncs it.
    pub fn write_file(&self, digest: &Sha256, target: &Path) -> Result<(), DepotError> {
        let Some(blob) = self.local_file(digest) else { return self.copy_to(digest, target) };
        match fs::hard_link(blob, target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.holds(digest)? => {
                Err(DepotError::Missing { digest: *digest })
            }
            Err(error) if has_no_links(&error) => self.copy_to(digest, target),
            other => other.map_err(DepotError::io("link", target)),
        }
    }

    fn copy_to(&self, digest: &Sha256, target: &Path) -> Result<(), DepotError> {
        let mut from = self.open_blob(digest)?;
        let mut copy = || {
            let mut to = Hashing::new(create_new(target, BLOB_MODE)?);
            io::copy(&mut from, &mut to)?;
            Ok(to.finish().1)
        };
        let found = copy().map_err(DepotError::io("copy the blob to", target))?;
        if found == *digest { Ok(()) } else { Err(DepotError::DigestMismatch { path: self.place(digest) }) }
    }

    /// Starts a batch of blobs to be moved to their names together.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Bytes free for us on the depot's file system.
    pub fn free_bytes(&self) -> Result<u64, DepotError> {
        free_bytes(&self.root)
    }
}

/// Bytes that an unprivileged process can still write on the file system of `path`.
pub fn free_bytes(path: &Path) -> Result<u64, DepotError> {
    let stat = rustix::fs::statvfs(path).map_err(|e| DepotError::io("ask the free space of", path)(e.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_blob_is_there_only_after_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let mut batch = depot.batch();
        let digest = depot.put(&mut batch, b"hello").unwrap();
        assert_eq!(depot.size(&digest).unwrap(), None);
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
        let layer = Depot::open_over(&dir.path().join("layer"), below.clone()).unwrap();
        let mut batch = layer.batch();
        let new = layer.put(&mut batch, b"new").unwrap();
        assert_eq!(layer.put(&mut batch, b"old").unwrap(), old);
        batch.commit().unwrap();
        assert_eq!((layer.read(&old, 3).unwrap(), layer.read(&new, 3).unwrap()), (b"old".to_vec(), b"new".to_vec()));
        assert_eq!((below.blobs().unwrap(), layer.blobs().unwrap()), (vec![old], vec![new]));
        layer.remove(&old).unwrap();
        assert!(below.holds(&old).unwrap() && !below.holds(&new).unwrap());
    }

    #[test]
    fn a_partial_file_that_was_sealed_by_a_killed_run_is_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let digest = Sha256::of(b"hello");
        let path = depot.partial_path(&digest);
        let leave_sealed = || {
            fs::write(&path, b"hello").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
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
        fs::remove_file(depot.place(&digest)).unwrap();
        fs::write(depot.place(&digest), b"jello").unwrap();
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
        depot.put_file(&mut batch, &source, Sha256::of(b"deb"), 3).unwrap();
        assert!(depot.put_file(&mut batch, &source, Sha256::of(b"old"), 3).is_err());
        batch.commit().unwrap();
        assert!(depot.has(&Sha256::of(b"deb"), 3).unwrap() && !depot.holds(&Sha256::of(b"old")).unwrap());
        fs::remove_file(&source).unwrap();
        depot.put_file(&mut depot.batch(), &source, Sha256::of(b"deb"), 3).unwrap(); // it is here, so nothing is read
    }
}
