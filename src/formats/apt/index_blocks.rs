//! Indexes in parts of some stanzas each, from a stream: the whole text need never be in memory.

use std::io::{Read, Take};

use crate::formats::Invalid;
use crate::formats::compression::{Compression, parallel_reader};

/// The size of a part, in bytes, before it is cut at the end of an entry.
const BLOCK_BYTES: usize = 1 << 20;
/// The longest entry, in bytes. Real ones have some 100 KiB.
const MAX_ENTRY_BYTES: usize = 8 << 20;

/// The form of the entries of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryForm {
    /// Stanzas, with an empty line behind each.
    Stanzas,
    /// Documents of YAML, with a line of `---` before each.
    Documents,
}

/// The text of an index, in parts of whole entries.
pub struct IndexBlocks<'r> {
    text: Take<Box<dyn Read + Send + 'r>>,
    packed: Compression,
    form: EntryForm,
    /// The most that the text may have, in bytes.
    cap: u64,
    /// The bytes that it may have still.
    left: u64,
    block: Vec<u8>,
    /// The length of the part that was handed out.
    used: usize,
}

impl<'r> IndexBlocks<'r> {
    /// Reads entries of this form from `bytes`, which were compressed so and may hold `cap` bytes.
    pub fn new(bytes: impl Read + Send + 'r, packed: Compression, form: EntryForm, cap: u64) -> Result<Self, Invalid> {
        // One byte more than allowed is enough to know.
        let text = parallel_reader(bytes, packed)?.take(cap.saturating_add(1));
        Ok(Self { text, packed, form, cap, left: cap, block: Vec::with_capacity(2 * BLOCK_BYTES), used: 0 })
    }

    /// Returns the next part; `None` at the end. Fails for a text of too many bytes, and for an entry of more than 8 MiB.
    pub fn next_block(&mut self) -> Result<Option<&[u8]>, Invalid> {
        self.block.drain(..self.used);
        self.used = loop {
            let before = self.block.len();
            if self.fill()? == 0 {
                break before; // the rest
            }
            let end = match self.form {
                EntryForm::Stanzas => last_end_of_stanza(&self.block, before),
                EntryForm::Documents => last_start_of_document(&self.block, before),
            };
            if let Some(end) = end {
                break end;
            }
            if self.block.len() > MAX_ENTRY_BYTES {
                return Err(Invalid::new(format!("it has an entry of more than {MAX_ENTRY_BYTES} bytes")));
            }
        };
        Ok(self.block.get(..self.used).filter(|block| !block.is_empty()))
    }

    fn fill(&mut self) -> Result<usize, Invalid> {
        let read = self.text.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut self.block);
        let read = read.map_err(|error| self.packed.corrupt(error))?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(|| Invalid::new(format!("it holds more than the {} bytes allowed", self.cap)))?;
        Ok(read)
    }
}

/// Finds the end of the last empty line. None ends before `searched`.
fn last_end_of_stanza(block: &[u8], searched: usize) -> Option<usize> {
    // An end may begin in what was there before: `\n\r\n` is the longest.
    let from = searched.saturating_sub(2);
    let fresh = block.get(from..).unwrap_or_default();
    let ends = memchr::memrchr_iter(b'\n', fresh).filter(|at| {
        let before = fresh.get(..*at).unwrap_or_default();
        before.ends_with(b"\n") || before.ends_with(b"\n\r")
    });
    ends.map(|at| from + at + 1).next()
}

/// Finds the begin of the last document behind another. None begins before `searched`.
fn last_start_of_document(block: &[u8], searched: usize) -> Option<usize> {
    // A start may begin in what was there before: with a line end, three hyphens, and white space or the end of the line.
    let from = searched.saturating_sub(4);
    let fresh = block.get(from..).unwrap_or_default();
    let starts = memchr::memrchr_iter(b'\n', fresh).filter(|at| {
        let line = fresh.get(at + 1..).and_then(|line| line.strip_prefix(b"---"));
        line.and_then(<[u8]>::first).is_some_and(u8::is_ascii_whitespace)
    });
    starts.map(|at| from + at + 1).next()
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;
    use crate::formats::apt::deb822::Stanzas;
    use crate::formats::refusal;

    fn blocks(text: impl Read + Send, form: EntryForm, cap: u64) -> Result<Vec<Vec<u8>>, Invalid> {
        let (mut index, mut blocks) = (IndexBlocks::new(text, Compression::Plain, form, cap)?, Vec::new());
        while let Some(block) = index.next_block()? {
            blocks.push(block.to_vec());
        }
        Ok(blocks)
    }

    #[test]
    fn texts_above_the_caps_are_refused() {
        let stanzas = EntryForm::Stanzas;
        assert!(refusal(blocks(&b"Package: a\n"[..], stanzas, 10)).contains("more than the 10 bytes allowed"));
        assert_eq!(blocks(&b"Package: a\n"[..], stanzas, 11).unwrap(), [b"Package: a\n"]);
        for (form, byte) in [(stanzas, b'x'), (EntryForm::Documents, b'x'), (EntryForm::Documents, b'\n')] {
            let long = io::repeat(byte).take(1 << 30);
            assert!(refusal(blocks(long, form, 1 << 30)).contains("an entry of more than"), "{form:?}");
        }
    }

    proptest! {
        #[test]
        fn blocks_are_the_text_and_split_no_stanza(
            stanzas in prop::collection::vec(("[a-c]{1,3}", 1..300_000_usize, "\n\n|\n\r\n|\n\n\n"), 0..12),
        ) {
            let stanza = |(name, size, end): &(String, usize, String)| format!("Package: {}{end}", name.repeat(*size));
            let text: String = stanzas.iter().map(stanza).collect();
            let blocks = blocks(text.as_bytes(), EntryForm::Stanzas, 1 << 30).unwrap();
            prop_assert_eq!(blocks.concat(), text.as_bytes());
            let of_blocks: Vec<&[u8]> = blocks.iter().flat_map(|block| Stanzas::new(block)).map(|s| s.bytes()).collect();
            let of_text: Vec<&[u8]> = Stanzas::new(text.as_bytes()).map(|s| s.bytes()).collect();
            prop_assert_eq!(of_blocks, of_text);
        }

        #[test]
        fn blocks_split_no_document(
            documents in prop::collection::vec(("[a-c]{1,3}", 1..300_000_usize, "\n--- \n|\n---\n|\n---"), 0..12),
        ) {
            let document = |(name, size, end): &(String, usize, String)| format!("Package: {}{end}", name.repeat(*size));
            let text: String = documents.iter().map(document).collect();
            let blocks = blocks(text.as_bytes(), EntryForm::Documents, 1 << 30).unwrap();
            prop_assert_eq!(blocks.concat(), text.as_bytes());
            let starts = |block: &&Vec<u8>| block.starts_with(b"---\n") || block.starts_with(b"--- \n");
            prop_assert_eq!(blocks.iter().skip(1).filter(starts).count(), blocks.len().saturating_sub(1));
        }
    }
}
