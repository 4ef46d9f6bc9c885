//! ASCII armor (RFC 9580, section 6.2), read strictly from memory.
//!
//! Not the `pgp` crate's reader: that one ignores text around a block and panics in states that broken input reaches.
//! The CRC-24 line is skipped unread, as section 6.1 of RFC 9580 asks.

use crate::formats::Invalid;

/// Armor of one or more certificates.
pub(super) const PUBLIC_KEY: ArmorKind =
    ArmorKind { begin: "-----BEGIN PGP PUBLIC KEY BLOCK-----", end: "-----END PGP PUBLIC KEY BLOCK-----" };
/// Armor of signatures.
pub(super) const SIGNATURE: ArmorKind =
    ArmorKind { begin: "-----BEGIN PGP SIGNATURE-----", end: "-----END PGP SIGNATURE-----" };

/// The lines that open and close a block.
#[derive(Clone, Copy)]
pub(super) struct ArmorKind {
    pub(super) begin: &'static str,
    pub(super) end: &'static str,
}

/// What to do with lines outside of the blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// Skip them: keyrings that people hand out often begin with a description.
    Skipped,
    /// Refuse them.
    Refused,
}

/// Lines without their `\n`; the last one may be unterminated.
pub(super) struct ArmorLines<'a> {
    rest: &'a [u8],
}

impl<'a> ArmorLines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for ArmorLines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut parts = self.rest.splitn(2, |byte| *byte == b'\n');
        let line = parts.next().unwrap_or_default();
        self.rest = parts.next().unwrap_or_default();
        Some(line)
    }
}

/// The line without the white space at its end that neither armor nor clear-signing counts.
pub(super) fn trim_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r')).map_or(0, |last| last + 1);
    line.get(..end).unwrap_or_default()
}

/// Binary data is told from armor by its first bit, which every packet header has set.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| byte & 0x80 != 0)
}

/// The first line of clear-signed text.
pub(super) const CLEAR_SIGNED_BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";

fn no_block(kind: ArmorKind) -> Invalid {
    Invalid::new(format!("no {:?} line", kind.begin))
}

/// The error for text around the block, which nothing vouches for.
pub(super) fn text_outside() -> Invalid {
    Invalid::new("text outside of the armored block")
}

pub(super) fn bad_keyring(cause: Invalid) -> Invalid {
    Invalid::new("read the keyring's armor").because(cause)
}

/// The contents of all blocks of `kind`, one after the other.
pub(super) fn decode(text: &[u8], kind: ArmorKind, outside: Outside) -> Result<Vec<u8>, Invalid> {
    let mut lines = ArmorLines::new(text);
    let mut bytes = Vec::new();
    let mut found = false;
    while let Some(line) = lines.next() {
        let line = trim_end(line);
        if line == kind.begin.as_bytes() {
            found = true;
            bytes.append(&mut decode_block(&mut lines, kind)?);
        } else if outside == Outside::Refused && !line.is_empty() {
            return Err(if found { text_outside() } else { no_block(kind) });
        }
    }
    if found { Ok(bytes) } else { Err(no_block(kind)) }
}

/// The content of the block whose first line was just read; consumes its last line too.
pub(super) fn decode_block(lines: &mut ArmorLines<'_>, kind: ArmorKind) -> Result<Vec<u8>, Invalid> {
    let mut base64 = Vec::new();
    let mut in_headers = true;
    for line in lines {
        let line = trim_end(line);
        if line == kind.end.as_bytes() {
            return decode_base64(&base64).ok_or_else(|| Invalid::new("not base64"));
        }
        // A header has a colon, which base64 never has; the blank line after the headers may be missing.
        let is_header = in_headers && line.contains(&b':');
        in_headers = is_header;
        if !is_header && !is_checksum(line) {
            base64.extend_from_slice(line);
        }
    }
    Err(Invalid::new(format!("no {:?} line ends the block", kind.end)))
}

fn is_checksum(line: &[u8]) -> bool {
    line.len() == 5 && line.starts_with(b"=")
}

fn decode_base64(digits: &[u8]) -> Option<Vec<u8>> {
    let padding = digits.iter().rev().take_while(|digit| **digit == b'=').count();
    if padding > 2 || !digits.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for quad in digits.get(..digits.len() - padding)?.chunks(4) {
        let mut value = 0_u32;
        for digit in quad {
            value = value << 6 | sextet(*digit)?;
        }
        value <<= 6 * (4 - quad.len());
        bytes.extend(value.to_be_bytes().iter().skip(1).take(quad.len() - 1));
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_length() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")] {
            assert_eq!(decode_base64(text.as_bytes()).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["Z", "Zg=", "Zg", "Zm9v====", "Z===", "Zm9*", "=Zm9"] {
            assert_eq!(decode_base64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn blocks_are_joined_and_headers_and_checksum_skipped() {
        let block =
            "-----BEGIN PGP SIGNATURE-----\r\nVersion: 1\r\n\r\nZm9v\r\n=abcd\r\n-----END PGP SIGNATURE-----\r\n";
        assert_eq!(decode(block.repeat(2).as_bytes(), SIGNATURE, Outside::Refused), Ok(b"foofoo".to_vec()));
        let around = format!("hello\n{block}");
        assert_eq!(decode(around.as_bytes(), SIGNATURE, Outside::Skipped), Ok(b"foo".to_vec()));
        assert_eq!(decode(around.as_bytes(), SIGNATURE, Outside::Refused), Err(no_block(SIGNATURE)));
        let after = format!("{block}hello");
        assert_eq!(decode(after.as_bytes(), SIGNATURE, Outside::Refused), Err(text_outside()));
    }
}
