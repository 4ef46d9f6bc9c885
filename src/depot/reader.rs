//! A blob that is open for reading.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::{Advice, fadvise};

use crate::digest::{Hashing, Sha256};
use crate::storage::Store;

/// The least number of bytes that are asked of a store at once.
const READ_AHEAD_BYTES: u64 = 256 << 10;

/// A blob that is open for reading: a file, or an object of which a range is fetched at a time.
#[derive(Debug)]
pub struct BlobReader(BlobBytes);

#[derive(Debug)]
enum BlobBytes {
    File(File),
    Object(ObjectReader),
}

impl BlobReader {
    /// Reads from an open file.
    pub fn of_file(file: File) -> Self {
        Self(BlobBytes::File(file))
    }

    pub(super) fn of_object(store: Arc<dyn Store>, key: String, size: u64) -> Self {
        Self(BlobBytes::Object(ObjectReader { store, key, size, position: 0, ahead: Cursor::default() }))
    }

    /// Fills `buffer` with the bytes from `start` on. Fails with `UnexpectedEof` where the blob ends before.
    pub fn read_exact_at(&self, buffer: &mut [u8], start: u64) -> io::Result<()> {
        match &self.0 {
            BlobBytes::File(file) => file.read_exact_at(buffer, start),
            BlobBytes::Object(object) => {
                let bytes = object.fetch(start, buffer.len() as u64)?;
                let is_whole = bytes.len() == buffer.len();
                is_whole.then(|| buffer.copy_from_slice(&bytes)).ok_or(io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    /// Lets the kernel forget what it holds of the blob, so that the disk is read.
    pub fn leave_page_cache(&self) {
        if let BlobBytes::File(file) = &self.0 {
            let _ = fadvise(file, 0, None, Advice::DontNeed); // without it, the cache is what is read
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            BlobBytes::File(file) => file.read(buffer),
            BlobBytes::Object(object) => object.read(buffer),
        }
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.0 {
            BlobBytes::File(file) => file.seek(to),
            BlobBytes::Object(object) => object.seek(to),
        }
    }
}

/// Hashes a blob while it is read, and remembers why it could not be.
pub(super) struct CheckedReader {
    blob: BlobReader,
    hashing: Hashing<()>,
    failed: Option<io::Error>,
}

impl CheckedReader {
    pub(super) fn new(blob: BlobReader) -> Self {
        Self { blob, hashing: Hashing::new(()), failed: None }
    }

    /// Reads the rest, and returns the digest of all of it, or the first failure.
    pub(super) fn finish(mut self) -> io::Result<Sha256> {
        let rest = if self.failed.is_none() { io::copy(&mut self, &mut io::sink()).map(drop) } else { Ok(()) };
        match self.failed {
            Some(error) => Err(error),
            None => rest.map(|()| self.hashing.finish().1),
        }
    }
}

impl Read for CheckedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.blob.read(buffer) {
            Ok(count) => {
                self.hashing.absorb(buffer.get(..count).unwrap_or_default());
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}

#[derive(Debug)]
struct ObjectReader {
    store: Arc<dyn Store>,
    key: String,
    size: u64,
    position: u64,
    /// Bytes from `position` on that were fetched already.
    ahead: Cursor<Vec<u8>>,
}

impl ObjectReader {
    fn fetch(&self, start: u64, length: u64) -> io::Result<Vec<u8>> {
        let range = self.store.get_range(&self.key, start, length);
        let bytes = range.map_err(|error| io::Error::new(error.source.kind(), error.source))?;
        // A store that answers with more would be copied beyond what was asked for.
        if bytes.len() as u64 > length { Err(io::ErrorKind::InvalidData.into()) } else { Ok(bytes) }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(self.position);
        let count = match self.ahead.read(buffer)? {
            0 if left > 0 && !buffer.is_empty() => {
                let wanted = left.min(READ_AHEAD_BYTES.max(buffer.len() as u64));
                self.ahead = Cursor::new(self.fetch(self.position, wanted)?);
                match self.ahead.read(buffer)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => count,
                }
            }
            count => count,
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => self.size.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        self.ahead = Cursor::default();
        Ok(self.position)
    }
}
