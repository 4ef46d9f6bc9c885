//! Indexes without the fields that nothing here reads, such as descriptions: a third of the text, from a stream.

use std::io::{BufRead, BufReader, Read};

use super::packages::is_read;
use crate::formats::Invalid;
use crate::formats::compression::Compression;

/// The longest line, in bytes. Real ones have some 100 KiB of `Provides`.
const MAX_LINE_BYTES: usize = 4 << 20;
/// The most that is kept of one index, in bytes. Of Debian's largest, 60 MB, some 25 MB are kept.
const MAX_KEPT_BYTES: usize = 96 << 20;

/// Reads the stanzas of an index, which was compressed so, with those fields that [`BinaryPackage`](super::packages::BinaryPackage) and
/// [`SourceStanza`](super::packages::SourceStanza) have and that decide what is installed. The entries are those of the whole text, down to
/// the errors of those that cannot be read. Fails for a text of more than `cap` bytes.
pub fn slim(text: impl Read, packed: Compression, cap: u64) -> Result<Vec<u8>, Invalid> {
    // One byte more than allowed is enough to know.
    let mut text = BufReader::with_capacity(1 << 18, text.take(cap.saturating_add(1)));
    let mut slim = SlimText::default();
    let (mut left, mut line) = (cap, Vec::new());
    loop {
        let bytes = text.fill_buf().map_err(|error| packed.corrupt(error))?;
        let Some(last) = memchr::memrchr(b'\n', bytes) else {
            let count = bytes.len();
            line.extend_from_slice(bytes);
            text.consume(count);
            left = within(left, count, cap)?;
            if count == 0 {
                if !line.is_empty() {
                    slim.add(&line)?;
                }
                return Ok(slim.finish());
            }
            if line.len() > MAX_LINE_BYTES {
                return Err(Invalid::new(format!("it has a line of more than {MAX_LINE_BYTES} bytes")));
            }
            continue;
        };
        let mut lines = bytes.get(..=last).unwrap_or_default();
        let count = lines.len();
        if !line.is_empty()
            && let Some(end) = memchr::memchr(b'\n', lines)
        {
            let (first, rest) = lines.split_at(end + 1);
            line.extend_from_slice(first);
            slim.add(&line)?;
            line.clear();
            lines = rest;
        }
        lines.split_inclusive(|byte| *byte == b'\n').try_for_each(|line| slim.add(line))?;
        text.consume(count);
        left = within(left, count, cap)?;
    }
}

fn within(left: u64, count: usize, cap: u64) -> Result<u64, Invalid> {
    left.checked_sub(count as u64).ok_or_else(|| Invalid::new(format!("it holds more than the {cap} bytes allowed")))
}

/// The text that is kept.
#[derive(Default)]
struct SlimText {
    kept: Vec<u8>,
    place: StanzaPlace,
    /// Set if the field at hand is kept.
    keeps: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum StanzaPlace {
    /// Between stanzas.
    #[default]
    Between,
    /// In a stanza.
    Within,
}

impl SlimText {
    /// Adds a line with the newline at its end, if it has one.
    fn add(&mut self, line: &[u8]) -> Result<(), Invalid> {
        if line.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            if self.place == StanzaPlace::Within {
                self.kept.push(b'\n');
                self.place = StanzaPlace::Between;
            }
            return Ok(());
        }
        // The first line is kept in any case, so that a stanza of nothing that is known is an entry too.
        let is_first = self.place == StanzaPlace::Between;
        self.place = StanzaPlace::Within;
        if is_first || !matches!(line.first(), Some(b' ' | b'\t')) {
            self.keeps = is_first || is_kept(line);
        }
        if self.keeps {
            self.kept.extend_from_slice(line);
            if self.kept.len() > MAX_KEPT_BYTES {
                return Err(Invalid::new(format!(
                    "it says more of its packages than the {MAX_KEPT_BYTES} bytes that gapferry keeps in memory"
                )));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        self.kept.shrink_to_fit();
        self.kept
    }
}

/// Returns whether the line begins a field that is read, or is none at all, which makes its stanza unusable.
fn is_kept(line: &[u8]) -> bool {
    match memchr::memchr(b':', line) {
        Some(colon) => is_read(line.get(..colon).unwrap_or_default().trim_ascii_end()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::super::archive::{IndexKind, entries};
    use super::*;
    use crate::formats::refusal;

    /// The entries of an index, as far as the collector looks at them.
    fn read(kind: IndexKind, text: &[u8]) -> Vec<String> {
        let shown = entries(kind, text).map(|entry| match entry {
            Ok(e) => {
                format!("{} {} {} {:?} {:?} {:?}", e.name, e.version, e.architecture, e.source, e.files, e.malformed)
            }
            Err(error) => error.to_string(),
        });
        shown.collect()
    }

    #[test]
    fn only_fields_that_are_read_are_kept() {
        let text =
            "\nPackage: a\nDescription: d\n long: 1\nDepends: b,\n c\nSHA1: 0\nnonsense\n more\n\n\r\nX: 1\nY: 2\n";
        let kept = String::from_utf8(slim(text.as_bytes(), Compression::Plain, 1000).unwrap()).unwrap();
        assert_eq!(kept, "Package: a\nDepends: b,\n c\nnonsense\n more\n\nX: 1\n");
    }

    #[test]
    fn texts_above_the_caps_are_refused() {
        assert!(refusal(slim(&b"Package: a\n"[..], Compression::Plain, 10)).contains("more than the 10 bytes allowed"));
        assert_eq!(slim(&b"Package: a\n"[..], Compression::Plain, 11).unwrap(), b"Package: a\n");
        let long = io::repeat(b'x').take(1 << 30);
        assert!(refusal(slim(long, Compression::Plain, 1 << 30)).contains("a line of more than"));
        let many = io::Cursor::new(b"Package: a\n\n".repeat(1 << 20))
            .chain(io::Cursor::new(b"Package: a\n\n".repeat(8 << 20)));
        assert!(refusal(slim(many, Compression::Plain, 1 << 30)).contains("keeps in memory"));
    }

    proptest! {
        #[test]
        fn the_entries_are_those_of_the_whole_text(
            stanzas in prop::collection::vec(
                "(Package: a\n)?((Version: 1|Architecture: all|Size: 1|Filename: (p|\\.\\.)/a\\.deb|SHA256: [0-9]{64}|\
                 Description: [a: ]{0,3}\n [a:]{0,3}|X-?[a-z]{0,2}:|Source: b \\(2\\)|Directory: p|\
                 Checksums-Sha256:\n [0-9]{64} 1 a|stray| lost: 1|:|\r)\n){0,9}", 0..5),
        ) {
            let text = stanzas.join("\n");
            let kept = slim(text.as_bytes(), Compression::Plain, 1 << 20).unwrap();
            for kind in [IndexKind::Packages, IndexKind::Sources] {
                prop_assert_eq!(read(kind, &kept), read(kind, text.as_bytes()), "{:?}", text);
            }
        }
    }
}
