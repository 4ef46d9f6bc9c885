//! Reads from the device itself, past the page cache.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{Advice, OFlags};

const BUFFER_BYTES: usize = 1 << 20;
/// Alignment of addresses in memory and in the file for direct reads, in bytes. No device needs more.
const ALIGNMENT: usize = 4096;

/// A file that is read from the device, not from the page cache.
///
/// Clean pages are dropped first (posix_fadvise(2), `POSIX_FADV_DONTNEED`). If the file system can, the reads bypass the cache
/// too (open(2), `O_DIRECT`).
pub struct DirectReader {
    cached: File,
    direct: Option<File>,
    memory: Vec<u8>,
    /// The part of `memory` that holds unread bytes.
    filled: std::ops::Range<usize>,
    position: u64,
}

impl DirectReader {
    /// Opens the regular file at `path`, with `flags` besides those for direct reads.
    pub fn open(path: &Path, flags: OFlags) -> io::Result<Self> {
        Self::with_buffer(path, flags, BUFFER_BYTES)
    }

    fn with_buffer(path: &Path, flags: OFlags, bytes: usize) -> io::Result<Self> {
        let open = |more: OFlags| {
            let flags = (flags | more | OFlags::NONBLOCK).bits() as i32;
            OpenOptions::new().read(true).custom_flags(flags).open(path)
        };
        let cached = open(OFlags::empty())?;
        if !cached.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let _ = cached.sync_all(); // of a file that was opened for reading; dirty pages cannot be dropped
        rustix::fs::fadvise(&cached, 0, None, Advice::DontNeed)?;
        let direct = open(OFlags::DIRECT).ok();
        Ok(Self { cached, direct, memory: vec![0; bytes + ALIGNMENT], filled: 0..0, position: 0 })
    }

    fn fill(&mut self) -> io::Result<()> {
        let start = self.memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        let end = start + self.memory.len() - ALIGNMENT;
        let buffer = self.memory.get_mut(start..end).unwrap_or_default();
        let read = loop {
            let result = match &self.direct {
                // After a read that is no whole number of sectors comes nothing but the end.
                Some(file) if self.position.is_multiple_of(ALIGNMENT as u64) => file.read_at(buffer, self.position),
                _ => self.cached.read_at(buffer, self.position),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The file system opens files for direct reads, but cannot read them so.
                Err(error) if self.direct.is_some() && error.kind() == io::ErrorKind::InvalidInput => {
                    self.direct = None;
                }
                other => break other?,
            }
        };
        self.position += read as u64;
        self.filled = start..start + read;
        Ok(())
    }
}

impl Read for DirectReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.filled.is_empty() {
            self.fill()?;
        }
        let mut from = self.memory.get(self.filled.clone()).unwrap_or_default();
        let count = from.read(to)?;
        self.filled.start += count;
        Ok(count)
    }
}

/// Reads the first block of a file from the device.
pub fn read_first_block(path: &Path) -> io::Result<()> {
    DirectReader::with_buffer(path, OFlags::empty(), ALIGNMENT)?.fill()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_there_and_refuses_what_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for length in [0, 1, ALIGNMENT, BUFFER_BYTES - 1, BUFFER_BYTES + ALIGNMENT, 2 * BUFFER_BYTES + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            let mut read = Vec::new();
            DirectReader::open(&path, OFlags::empty()).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{length} bytes");
            read_first_block(&path).unwrap();
        }
        assert!(read_first_block(dir.path()).is_err());
        assert!(read_first_block(&dir.path().join("gone")).is_err());
        std::os::unix::fs::symlink(&path, dir.path().join("link")).unwrap();
        assert!(DirectReader::open(&dir.path().join("link"), OFlags::NOFOLLOW).is_err());
    }
}
