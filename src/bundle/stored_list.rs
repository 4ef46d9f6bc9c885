//! Stored lists: JSON Lines in one Zstandard frame, written and read as streams.
//!
//! The stored bytes are checked before a decoder sees them, in a private copy that nobody can change between the two.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, Write};
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zstd::stream::{read, write};

use super::canonical::push_line;
use super::format_error::FormatError;
use crate::depot::BlobReader;
use crate::digest::{Hashing, Sha256};

/// zstd's level for lists. Most of their bytes are digests, which do not shrink at any level.
const LEVEL: i32 = 3;
/// The binary logarithm of the largest window: 8 MiB.
const MAX_WINDOW_LOG: u32 = 23;
/// The first bytes of a frame (RFC 8878, section 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The bits of the Frame_Header_Descriptor for a checksum and for the length of a dictionary's id.
const CHECKSUM_OR_DICTIONARY: u8 = 0b111;

/// The digest and the size of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    /// Digest of the file.
    pub sha256: Sha256,
    /// Size of the file, in bytes.
    pub size: u64,
}

/// A list as a signed file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredList {
    /// Digest of the plain text.
    pub sha256: Sha256,
    /// Size of the plain text, in bytes.
    pub size: u64,
    /// The file.
    pub stored: StoredFile,
}

/// The caps of a kind of list, for its writer and its reader.
#[derive(Clone, Copy, Debug)]
pub struct ListCaps {
    /// Bytes of a line, with its LF.
    pub line: u64,
    /// Number of lines.
    pub lines: u64,
    /// Bytes of the plain text.
    pub plain: u64,
    /// Bytes of the file.
    pub stored: u64,
}

impl ListCaps {
    /// Refuses a list that a signed file gives a size above the caps.
    pub(super) fn check(&self, list: &StoredList) -> Result<(), FormatError> {
        for (size, cap, what) in [
            (list.size, self.plain, "bytes of text in a list"),
            (list.stored.size, self.stored, "bytes in a stored list"),
        ] {
            if size > cap {
                return Err(FormatError::TooMany { cap, what });
            }
        }
        Ok(())
    }
}

/// Writes a list.
pub(crate) struct ListWriter<W: Write> {
    frame: write::Encoder<'static, Hashing<W>>,
    plain: Hashing<()>,
    caps: ListCaps,
    lines: u64,
    line: Vec<u8>,
}

impl<W: Write> ListWriter<W> {
    pub(crate) fn new(to: W, caps: ListCaps) -> Result<Self, FormatError> {
        let frame = write::Encoder::new(Hashing::new(to), LEVEL)?;
        Ok(Self { frame, plain: Hashing::new(()), caps, lines: 0, line: Vec::new() })
    }

    /// Adds a line.
    pub(crate) fn push(&mut self, value: &impl Serialize) -> Result<(), FormatError> {
        self.line.clear();
        push_line(value, &mut self.line)?;
        self.lines += 1;
        let length = self.line.len() as u64;
        for (count, cap, what) in [
            (length, self.caps.line, "bytes in a line"),
            (self.lines, self.caps.lines, "lines"),
            (self.plain.length() + length, self.caps.plain, "bytes of text in a list"),
        ] {
            if count > cap {
                return Err(FormatError::TooMany { cap, what }.at_line(self.lines));
            }
        }
        self.plain.absorb(&self.line);
        self.frame.write_all(&self.line)?;
        Ok(())
    }

    /// Ends the list. Returns what it was written to, and what a signed file has to name.
    pub(crate) fn finish(self) -> Result<(W, StoredList), FormatError> {
        let (to, stored, stored_size) = self.frame.finish()?.finish();
        let ((), sha256, size) = self.plain.finish();
        let list = StoredList { sha256, size, stored: StoredFile { sha256: stored, size: stored_size } };
        self.caps.check(&list)?;
        Ok((to, list))
    }
}

/// Copies a stored file into a nameless one in the folder `scratch`, where nobody can change it, and checks it there.
pub(crate) fn private_copy(from: impl Read, file: &StoredFile, scratch: &Path) -> Result<File, FormatError> {
    let mut copy = Hashing::new(tempfile::tempfile_in(scratch)?);
    // One byte more, so that a file that is too long is found without being read to its end.
    io::copy(&mut from.take(file.size.saturating_add(1)), &mut copy)?;
    let (mut copy, sha256, size) = copy.finish();
    if (StoredFile { sha256, size }) != *file {
        return Err(FormatError::WrongDigest);
    }
    copy.rewind()?;
    Ok(copy)
}

/// Reads a file from its beginning without its cursor, so that several readers can share it.
#[derive(Clone, Debug)]
pub(crate) struct SharedFile {
    file: Arc<BlobReader>,
    size: u64,
    position: u64,
}

impl SharedFile {
    /// Shares a file of this size, in bytes.
    pub(crate) fn new(file: BlobReader, size: u64) -> Self {
        Self { file: Arc::new(file), size, position: 0 }
    }
}

impl Read for SharedFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = (bytes.len() as u64).min(self.size.saturating_sub(self.position)) as usize;
        self.file.read_exact_at(bytes.get_mut(..length).unwrap_or_default(), self.position)?;
        self.position += length as u64;
        Ok(length)
    }
}

/// Reads a list, of which the caller has checked the stored bytes.
pub(crate) struct ListReader<R: Read> {
    text: BufReader<read::Decoder<'static, BufReader<R>>>,
    plain: Hashing<()>,
    list: StoredList,
    caps: ListCaps,
    lines: u64,
    line: Vec<u8>,
}

impl<R: Read> ListReader<R> {
    pub(crate) fn new(from: R, list: StoredList, caps: ListCaps) -> Result<Self, FormatError> {
        caps.check(&list)?;
        let mut from = BufReader::new(from);
        if !is_allowed(from.fill_buf()?) {
            return Err(FormatError::NotOneFrame);
        }
        let mut frame = read::Decoder::with_buffer(from)?.single_frame();
        frame.window_log_max(MAX_WINDOW_LOG)?;
        let text = BufReader::with_capacity(64 << 10, frame);
        Ok(Self { text, plain: Hashing::new(()), list, caps, lines: 0, line: Vec::new() })
    }

    /// The number of lines that were read.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Returns the next line with its LF, or `None` behind the last one of a list that is all that the signed file says.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, FormatError> {
        self.line.clear();
        let left = self.list.size - self.plain.length();
        // One byte more than allowed, so that a text that goes on is found.
        let most = self.caps.line.min(left) + 1;
        let read = (&mut self.text).take(most).read_until(b'\n', &mut self.line);
        let length = read.map_err(of_decoder)? as u64;
        if length == 0 {
            return self.end().map(|()| None);
        }
        self.lines += 1;
        if length > left {
            return Err(FormatError::WrongDigest);
        }
        for (count, cap, what) in [(length, self.caps.line, "bytes in a line"), (self.lines, self.caps.lines, "lines")]
        {
            if count > cap {
                return Err(FormatError::TooMany { cap, what }.at_line(self.lines));
            }
        }
        if self.line.last() != Some(&b'\n') {
            return Err(FormatError::NotCanonical.at_line(self.lines));
        }
        self.plain.absorb(&self.line);
        Ok(Some(&self.line))
    }

    fn end(&mut self) -> Result<(), FormatError> {
        let ((), sha256, size) = std::mem::replace(&mut self.plain, Hashing::new(())).finish();
        // A second call finds nothing to read either, and must not compare the digest of nothing.
        let list = self.list;
        self.list = StoredList { sha256: Sha256::of(b""), size: 0, ..list };
        if (sha256, size) != (list.sha256, list.size) {
            return Err(FormatError::WrongDigest);
        }
        let behind = self.text.get_mut().get_mut().fill_buf()?;
        if behind.is_empty() { Ok(()) } else { Err(FormatError::NotOneFrame) }
    }
}

/// Returns `true` if a file that begins so may be the frame of a list.
fn is_allowed(start: &[u8]) -> bool {
    start.starts_with(&MAGIC) && start.get(4).is_some_and(|descriptor| descriptor & CHECKSUM_OR_DICTIONARY == 0)
}

/// Tells a frame that cannot be decoded from a disk that cannot be read.
fn of_decoder(error: io::Error) -> FormatError {
    match error.raw_os_error() {
        Some(_) => FormatError::Io(error),
        None => FormatError::NotOneFrame,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAPS: ListCaps = ListCaps { line: 100, lines: 1000, plain: 10_000, stored: 10_000 };

    fn write(values: &[String], caps: ListCaps) -> Result<(Vec<u8>, StoredList), FormatError> {
        let mut list = ListWriter::new(Vec::new(), caps)?;
        values.iter().try_for_each(|value| list.push(value))?;
        list.finish()
    }

    fn read(bytes: &[u8], list: StoredList, caps: ListCaps) -> Result<Vec<String>, FormatError> {
        let mut reader = ListReader::new(bytes, list, caps)?;
        let mut values = Vec::new();
        while let Some(line) = reader.next_line()? {
            values.push(serde_json::from_slice(line).map_err(FormatError::Syntax)?);
        }
        assert!(reader.next_line()?.is_none());
        Ok(values)
    }

    /// Names stored bytes as they are.
    fn renamed(bytes: &[u8], list: StoredList) -> StoredList {
        StoredList { stored: StoredFile { sha256: Sha256::of(bytes), size: bytes.len() as u64 }, ..list }
    }

    #[test]
    fn an_empty_list_is_a_frame_without_content() {
        let (bytes, list) = write(&[], CAPS).unwrap();
        assert_eq!((list.size, list.sha256), (0, Sha256::of(b"")));
        assert_eq!(read(&bytes, list, CAPS).unwrap(), [""; 0]);
    }

    #[test]
    fn writer_and_reader_have_the_same_caps() {
        let values: Vec<String> = (0..9).map(|number| format!("value {number}")).collect();
        let (bytes, list) = write(&values, CAPS).unwrap();
        let (line, lines, plain, stored) = (10, 9, list.size, list.stored.size);
        let exact = ListCaps { line, lines, plain, stored };
        assert_eq!(read(&bytes, list, exact).unwrap(), values);
        assert_eq!(write(&values, exact).unwrap(), (bytes.clone(), list));
        for less in [
            ListCaps { line: line - 1, ..exact },
            ListCaps { lines: lines - 1, ..exact },
            ListCaps { plain: plain - 1, ..exact },
            ListCaps { stored: stored - 1, ..exact },
        ] {
            assert!(write(&values, less).is_err(), "{less:?}");
            assert!(read(&bytes, list, less).is_err(), "{less:?}");
        }
    }

    #[test]
    fn only_one_frame_without_extras_is_a_list() {
        let text = b"\"a\"\n\"b\"\n";
        let list = StoredList {
            sha256: Sha256::of(text),
            size: text.len() as u64,
            stored: StoredFile { sha256: Sha256::of(b""), size: 1 },
        };
        let frame = |set: fn(&mut zstd::bulk::Compressor<'_>)| {
            let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
            set(&mut compressor);
            compressor.compress(text).unwrap()
        };
        let plain = frame(|_| {});
        assert_eq!(read(&plain, list, CAPS).unwrap(), ["a", "b"]);
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
        let empty = zstd::bulk::compress(b"", 3).unwrap();
        for bytes in [
            frame(|compressor| compressor.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true)).unwrap()),
            [&skippable[..], &plain].concat(),
            [&plain[..], &skippable].concat(),
            [&plain[..], &empty].concat(),
            [&plain[..], &[0]].concat(),
            plain[..plain.len() - 1].to_vec(),
            text.to_vec(),
            vec![],
        ] {
            let error = read(&bytes, list, CAPS).unwrap_err();
            assert!(matches!(error, FormatError::NotOneFrame | FormatError::WrongDigest), "{error}");
        }
    }

    #[test]
    fn a_window_above_8_mib_is_refused() {
        let text = b"\"a\"\n";
        for (log, is_allowed) in [(23, true), (24, false)] {
            let mut encoder = write::Encoder::new(Vec::new(), 3).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(text).unwrap();
            let bytes = encoder.finish().unwrap();
            let list = StoredList {
                sha256: Sha256::of(text),
                size: 4,
                stored: StoredFile { sha256: Sha256::of(b""), size: 1 },
            };
            assert_eq!(read(&bytes, list, CAPS).is_ok(), is_allowed, "{log}");
        }
    }

    #[test]
    fn a_text_of_another_size_or_digest_is_refused() {
        let (bytes, list) = write(&["a".into(), "b".into()], CAPS).unwrap();
        for size in [0, 1, 4, 7, 9, 100] {
            assert!(read(&bytes, StoredList { size, ..list }, CAPS).is_err(), "{size}");
        }
        assert!(read(&bytes, StoredList { sha256: Sha256::of(b"x"), ..list }, CAPS).is_err());
    }

    #[test]
    fn a_bomb_ends_at_the_size_that_is_named() {
        let bomb = zstd::bulk::compress(&vec![b' '; 50 << 20], 19).unwrap();
        let list =
            StoredList { sha256: Sha256::of(b""), size: 5000, stored: StoredFile { sha256: Sha256::of(b""), size: 9 } };
        let mut reader = ListReader::new(&bomb[..], list, CAPS).unwrap();
        assert!(reader.next_line().is_err());
        assert!(reader.line.capacity() < 10_000);
    }

    #[test]
    fn a_private_copy_is_what_was_named() {
        let scratch = tempfile::tempdir().unwrap();
        let (bytes, list) = write(&["a".into()], CAPS).unwrap();
        let copy = private_copy(&bytes[..], &list.stored, scratch.path()).unwrap();
        let shared = SharedFile::new(BlobReader::of_file(copy), list.stored.size);
        for _ in 0..2 {
            let mut reader = ListReader::new(shared.clone(), list, CAPS).unwrap();
            assert_eq!(reader.next_line().unwrap(), Some(&b"\"a\"\n"[..]));
        }
        let longer = [&bytes[..], b"x"].concat();
        for bytes in [&bytes[1..], &bytes[..bytes.len() - 1], &longer[..]] {
            let error = private_copy(bytes, &list.stored, scratch.path()).unwrap_err();
            assert!(matches!(error, FormatError::WrongDigest));
        }
        assert!(std::fs::read_dir(scratch.path()).unwrap().next().is_none());
    }

    proptest! {
        #[test]
        fn lists_are_read_back(values in prop::collection::vec("[ -~]{0,20}", 0..50)) {
            let (bytes, list) = write(&values, CAPS).unwrap();
            prop_assert_eq!(renamed(&bytes, list), list);
            prop_assert_eq!(read(&bytes, list, CAPS).unwrap(), values);
        }

        #[test]
        fn changed_bytes_never_yield_another_text(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let values: Vec<String> = (0..20).map(|number| format!("value {}", number * number)).collect();
            let (mut bytes, list) = write(&values, CAPS).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(found) = read(&bytes, renamed(&bytes, list), CAPS) {
                prop_assert_eq!(found, values);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), size in 0..200u64) {
            let bytes = [&MAGIC[..], &bytes].concat();
            let list = StoredList { sha256: Sha256::of(b""), size, stored: StoredFile { sha256: Sha256::of(b""), size: 1 } };
            prop_assert!(size == 0 || read(&bytes, list, CAPS).is_err());
        }
    }
}
