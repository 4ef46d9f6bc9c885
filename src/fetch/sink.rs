//! The file being fetched: its bytes on disk and the state of their digest, always in step.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::depot::unseal;
use crate::digest::Sha256;
use crate::formats::signed_digest::SignedDigest;
use crate::storage::WriteBehind;

use super::digests::Digests;
use super::error::FetchError;

/// Bytes hashed and written at once; what a killed run loses at most per file.
pub(super) const BATCH_BYTES: usize = 256 << 10;

/// A file under construction. It is made with the first write.
pub(super) struct Sink {
    to: PathBuf,
    file: Option<File>,
    behind: WriteBehind,
    expected: SignedDigest,
    digests: Digests,
}

impl Sink {
    /// Nothing yet.
    pub(super) fn empty(to: &Path, expected: SignedDigest) -> Self {
        let (file, behind) = (None, WriteBehind::default());
        Self { to: to.to_owned(), file, behind, expected, digests: Digests::new(&expected) }
    }

    /// Takes up what an earlier run left at `to`: reads and hashes all of it again, unless it is larger than `size`.
    pub(super) fn resume(to: &Path, size: u64, expected: SignedDigest) -> Result<Self, FetchError> {
        let mut sink = Self::empty(to, expected);
        sink.load(size).map_err(|source| FetchError::disk(to, source))?;
        Ok(sink)
    }

    /// Whether something lies at `to`, so that [`Sink::resume`] has work to do.
    pub(super) fn is_there(to: &Path) -> bool {
        std::fs::symlink_metadata(to).is_ok()
    }

    fn load(&mut self, size: u64) -> io::Result<()> {
        // Checked before opening, since opening a pipe or a device can block or act.
        if !std::fs::symlink_metadata(&self.to)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        unseal(&self.to)?;
        let file = OpenOptions::new().read(true).write(true).open(&self.to)?;
        let file = self.file.insert(file);
        if file.metadata()?.len() > size {
            return self.truncate();
        }
        // One byte more than the size, should the file grow under our hands.
        let mut there = BufReader::with_capacity(BATCH_BYTES, file.take(size.saturating_add(1)));
        loop {
            let bytes = there.fill_buf()?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.digests.absorb(bytes, || Ok(()))?;
            let length = bytes.len();
            there.consume(length);
        }
    }

    fn truncate(&mut self) -> io::Result<()> {
        self.digests = Digests::new(&self.expected);
        if let Some(file) = &mut self.file {
            file.set_len(0)?;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(OpenOptions::new().write(true).create_new(true).open(&self.to)?),
        };
        let before = self.digests.length();
        self.digests.absorb(bytes, || self.behind.write(file, bytes, before)).or_else(|error| {
            // Part of it may be on disk. Nobody has to know how much.
            file.set_len(before)?;
            Err(error)
        })
    }

    /// Bytes on disk and in the digest.
    pub(super) fn length(&self) -> u64 {
        self.digests.length()
    }

    /// Hashes and writes `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.append(bytes).map_err(|source| FetchError::disk(&self.to, source))
    }

    /// Drops all bytes, to start from zero.
    pub(super) fn restart(&mut self) -> Result<(), FetchError> {
        self.truncate().map_err(|source| FetchError::disk(&self.to, source))
    }

    /// The SHA-256 of all bytes, and what is to be compared with the digest that is expected. The sink is empty afterwards
    /// and must be dropped, removed or restarted.
    pub(super) fn take_digests(&mut self) -> Result<(Sha256, SignedDigest), FetchError> {
        if self.file.is_none() {
            self.write(&[])?;
        }
        self.behind.finish().map_err(|source| FetchError::disk(&self.to, source))?;
        Ok(std::mem::replace(&mut self.digests, Digests::new(&self.expected)).finish())
    }

    /// Removes the file, so that nothing of it can come into a later run.
    pub(super) fn remove(&mut self) -> Result<(), FetchError> {
        self.digests = Digests::new(&self.expected);
        if self.file.take().is_some() {
            std::fs::remove_file(&self.to).map_err(|source| FetchError::disk(&self.to, source))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::assertions::Sha3;

    fn some() -> SignedDigest {
        Sha256::of(b"some").into()
    }

    #[test]
    fn both_digests_are_of_all_bytes_however_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let to = folder.path().join("x");
        let mut sink = Sink::empty(&to, Sha3::of(b"").into());
        sink.write(&bytes[..700_000]).unwrap();
        sink.write(&bytes[700_000..700_010]).unwrap();
        drop(sink);
        let mut sink = Sink::resume(&to, bytes.len() as u64, Sha3::of(b"").into()).unwrap();
        sink.write(&bytes[700_010..]).unwrap();
        assert_eq!(sink.take_digests().unwrap(), (Sha256::of(&bytes), SignedDigest::Sha3(Sha3::of(&bytes))));
    }

    #[test]
    fn a_file_is_taken_up_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("x");
        let mut sink = Sink::empty(&to, some());
        sink.write(b"gap").unwrap();
        drop(sink);
        let mut sink = Sink::resume(&to, 8, some()).unwrap();
        assert_eq!(sink.length(), 3);
        sink.write(b"ferry").unwrap();
        assert_eq!(sink.take_digests().unwrap().0, Sha256::of(b"gapferry"));
        assert_eq!(std::fs::read(&to).unwrap(), b"gapferry");
    }

    #[test]
    fn a_file_that_is_too_long_is_started_from_zero() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("x");
        std::fs::write(&to, b"gapferry!").unwrap();
        let mut sink = Sink::resume(&to, 8, some()).unwrap();
        assert_eq!(sink.length(), 0);
        sink.write(b"new").unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"new");
        sink.remove().unwrap();
        assert!(!Sink::is_there(&to));
    }

    #[test]
    fn links_and_devices_are_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, b"mine").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(Sink::resume(&link, 8, some()), Err(FetchError::Disk { .. })));
        assert!(matches!(Sink::empty(&link, some()).write(b"x"), Err(FetchError::Disk { .. })));
        assert_eq!(std::fs::read(&target).unwrap(), b"mine");
    }

    #[test]
    fn an_empty_file_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("x");
        assert_eq!(Sink::empty(&to, some()).take_digests().unwrap().0, Sha256::of(b""));
        assert_eq!(std::fs::read(&to).unwrap(), b"");
    }
}
