//! Stores blobs in a depot.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{Batch, Depot, DepotError};
use crate::digest::{Hashing, Sha256};

/// A blob that is being written, whose digest is not known yet.
pub struct NewBlob {
    to: io::BufWriter<Hashing<File>>,
    scratch: PathBuf,
}

impl io::Write for NewBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl NewBlob {
    /// The file that has its bytes, for messages.
    pub fn path(&self) -> &Path {
        &self.scratch
    }
}

impl Depot {
    /// Returns `true` if the blob is here with these bytes. Reads it again, unless this process has written it.
    fn is_exactly(&self, digest: &Sha256, bytes: &[u8]) -> Result<bool, DepotError> {
        Ok(self.has(digest, bytes.len() as u64)?
            && (self.hashed_by_this_process(digest)
                || self.read(digest, bytes.len() as u64).is_ok_and(|held| held == bytes)))
    }

    /// Stores `bytes` as a blob, at the next commit of `batch`, and returns its digest. A blob of this name with other bytes is
    /// replaced.
    pub fn put(&self, batch: &mut Batch<'_>, bytes: &[u8]) -> Result<Sha256, DepotError> {
        let digest = Sha256::of(bytes);
        if batch.holds(&digest) {
            return Ok(digest);
        }
        if self.is_exactly(&digest, bytes)? {
            self.note_fresh(digest);
        } else {
            let path = self.partial_path(&digest);
            io::Write::write_all(&mut self.create_partial(&digest)?, bytes).map_err(DepotError::io("write", &path))?;
            batch.add(digest, bytes.len() as u64)?;
        }
        Ok(digest)
    }

    /// Starts a blob whose bytes are written one after the other. Only one can be under way.
    pub fn new_blob(&self) -> Result<NewBlob, DepotError> {
        let scratch = self.root.join("partial").join("incoming");
        let file = File::create(&scratch).map_err(DepotError::io("create", &scratch))?;
        Ok(NewBlob { to: io::BufWriter::with_capacity(64 << 10, Hashing::new(file)), scratch })
    }

    /// Stores a blob that is written, at the next commit of `batch`, and returns its digest. A blob of this name with other bytes is
    /// replaced.
    pub fn put_new(&self, batch: &mut Batch<'_>, blob: NewBlob) -> Result<Sha256, DepotError> {
        let NewBlob { to, scratch } = blob;
        let hashed =
            to.into_inner().map_err(io::IntoInnerError::into_error).map_err(DepotError::io("write", &scratch))?;
        let (_, digest, size) = hashed.finish();
        let is_here = batch.holds(&digest);
        let is_fresh = self.hashed_by_this_process(&digest);
        if is_here || (self.has(&digest, size)? && (is_fresh || self.is_intact(&digest)?)) {
            fs::remove_file(&scratch).map_err(DepotError::io("remove", &scratch))?;
            if !is_here {
                self.note_fresh(digest);
            }
            return Ok(digest);
        }
        fs::rename(&scratch, self.partial_path(&digest)).map_err(DepotError::io("rename", &scratch))?;
        batch.add(digest, size).map(|()| digest)
    }

    /// Copies the file at `source` in, unless a blob of this digest and size is here already. It is hashed on the way once
    /// more: a file that has changed since it was hashed is refused.
    pub fn put_file(&self, batch: &mut Batch<'_>, source: &Path, digest: Sha256, size: u64) -> Result<(), DepotError> {
        if self.has_good(&digest, size)? || batch.holds(&digest) {
            return Ok(());
        }
        let from = File::open(source).map_err(DepotError::io("open", source))?;
        self.put_from(batch, from, source, digest, size)
    }

    /// Copies all that `from` has in, unless a blob of this digest and size is here already. `source` is its name in messages.
    /// Bytes of another digest are refused.
    pub fn put_from(
        &self,
        batch: &mut Batch<'_>,
        mut from: impl io::Read,
        source: &Path,
        digest: Sha256,
        size: u64,
    ) -> Result<(), DepotError> {
        if self.has_good(&digest, size)? || batch.holds(&digest) {
            return Ok(());
        }
        let scratch = self.root.join("partial").join("incoming");
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
}
