//! Text with its signature around it, such as InRelease (RFC 4880, section 7).
//!
//! The text that a caller gets is made from the bytes that were hashed, never cut out of the message a second time:
//! CVE-2016-1252 was two readers of one file that disagreed on where the text ends.

use std::io::Cursor;

use crate::formats::Invalid;
use pgp::crypto::hash::HashAlgorithm;

use super::armor;
use super::armor::CLEAR_SIGNED_BEGIN as BEGIN;
use super::armor::{ArmorLines, trim_end};
use super::detached::bad_armor;
use super::keyring::Keyring;
use super::verify::{Signer, parse_signatures, verify_signatures};

/// A verified text and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearText {
    /// The text. Lines end in `\n`, the last one too, and have no spaces, tabs or carriage returns before it, since no
    /// signature covers those.
    pub text: Vec<u8>,
    /// The good signatures, at least one.
    pub signers: Vec<Signer>,
}

/// Verifies a clear-signed `message`; `now` is in Unix seconds.
///
/// Returns the text and the good signatures, under the rules of [`super::verify_detached`]. The message must be one
/// signed block and nothing else; only white space may follow it. The text need not be UTF-8.
pub fn verify_clear_signed(message: &[u8], keyring: &Keyring, now: i64) -> Result<ClearText, Invalid> {
    let parts = Parts::of(message)?;
    let signatures = parse_signatures(&parts.signatures)?;
    let signers = verify_signatures(&signatures, &mut Cursor::new(&parts.hashed), keyring, now, |signature| {
        let announced = signature.hash_alg().is_some_and(|hash| parts.hashes.contains(&hash));
        if announced { Ok(()) } else { Err("hash algorithm not in the Hash header") }
    })?;
    Ok(ClearText { text: text_of(&parts.hashed), signers })
}

/// Returns the text of a clear-signed `message` without looking at who signed it.
///
/// It is for upstreams that the user takes without proof, and that publish nothing but a signed form.
pub fn unverified_clear_text(message: &[u8]) -> Result<Vec<u8>, Invalid> {
    Ok(text_of(&Parts::of(message)?.hashed))
}

/// A clear-signed message, taken apart.
struct Parts {
    /// What the Hash headers announce.
    hashes: Vec<HashAlgorithm>,
    /// What is hashed: lines joined by CR LF, without escapes and trailing white space.
    hashed: Vec<u8>,
    /// Signature packets.
    signatures: Vec<u8>,
}

fn no_signature() -> Invalid {
    Invalid::new("clear-signed text has no signature")
}

impl Parts {
    fn of(message: &[u8]) -> Result<Self, Invalid> {
        let mut lines = ArmorLines::new(message);
        if lines.next().map(trim_end) != Some(BEGIN.as_bytes()) {
            return Err(Invalid::new(format!("not clear-signed: the first line is not {BEGIN:?}")));
        }
        let hashes = read_headers(&mut lines)?;
        let hashed = read_text(&mut lines)?;
        let signatures = armor::decode_block(&mut lines, armor::SIGNATURE).map_err(bad_armor)?;
        if lines.any(|line| !trim_end(line).is_empty()) {
            return Err(bad_armor(armor::text_outside()));
        }
        Ok(Self { hashes, hashed, signatures })
    }
}

/// Reads up to the blank line. Any other header than Hash could be mistaken for signed text (section 7 allows none).
fn read_headers(lines: &mut ArmorLines<'_>) -> Result<Vec<HashAlgorithm>, Invalid> {
    let mut hashes = Vec::new();
    for line in lines {
        let line = trim_end(line);
        if line.is_empty() {
            return Ok(hashes);
        }
        let unexpected = || {
            let line = String::from_utf8_lossy(line.get(..80).unwrap_or(line));
            Invalid::new(format!("header {line} of the clear-signed text is not a Hash header"))
        };
        let names = line.strip_prefix(b"Hash: ").and_then(|names| std::str::from_utf8(names).ok());
        for name in names.ok_or_else(unexpected)?.split(',') {
            hashes.push(name.trim().parse().map_err(|()| unexpected())?);
        }
    }
    Err(no_signature())
}

/// Reads up to the first line of the signature and returns what is hashed.
fn read_text(lines: &mut ArmorLines<'_>) -> Result<Vec<u8>, Invalid> {
    let mut hashed = Vec::new();
    for (index, line) in lines.enumerate() {
        if trim_end(line) == armor::SIGNATURE.begin.as_bytes() {
            return Ok(hashed);
        }
        let line = match line.strip_prefix(b"- ") {
            Some(escaped) => escaped,
            None if line.starts_with(b"-") => {
                return Err(Invalid::at(format!("line {}", index + 1), "it begins with an unescaped dash"));
            }
            None => line,
        };
        if index > 0 {
            hashed.extend_from_slice(b"\r\n");
        }
        hashed.extend_from_slice(trim_end(line));
    }
    Err(no_signature())
}

/// The hashed bytes as a text file. No line ends in CR, so each CR LF is a line's end and nothing is lost.
fn text_of(hashed: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(hashed.len() + 1);
    for line in ArmorLines::new(hashed) {
        text.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        text.push(b'\n');
    }
    // A last line that is empty is one for the signature, but none for `ArmorLines`.
    if hashed.is_empty() || hashed.ends_with(b"\n") {
        text.push(b'\n');
    }
    text
}
