//! Caps on what comes out of an archive.

use std::io::{self, Read};

/// The most bytes that an archive may unpack to.
const MAX_UNPACKED_BYTES: u64 = 64 << 30;
/// The most bytes to which a byte may unpack, beyond the first [`FREE_BYTES`].
const MAX_RATIO: u64 = 1000;
/// The bytes to which any archive may unpack.
const FREE_BYTES: u64 = 64 << 20;
/// The most entries of an archive.
const MAX_ENTRIES: u64 = 1_000_000;

/// Caps on what comes out of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveCaps {
    /// The most entries.
    pub entries: u64,
    /// The most bytes, headers included.
    pub bytes: u64,
}

impl ArchiveCaps {
    /// Returns the caps of an archive that is stored in so many bytes.
    pub fn of_stored(bytes: u64) -> Self {
        let bytes = bytes.saturating_mul(MAX_RATIO).saturating_add(FREE_BYTES).min(MAX_UNPACKED_BYTES);
        Self { entries: MAX_ENTRIES, bytes }
    }
}

/// A reader that fails behind a number of bytes, so that no bomb is read to its end.
pub struct CappedReader<R> {
    inner: R,
    left: u64,
    cap: u64,
}

impl<R: Read> CappedReader<R> {
    /// Reads at most `cap` bytes of `inner`.
    pub fn new(inner: R, cap: u64) -> Self {
        Self { inner, left: cap, cap }
    }
}

impl<R: Read> Read for CappedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!("it unpacks to more than the {} bytes that gapferry looks at", self.cap))
        })?;
        Ok(read)
    }
}
