//! Tells formats apart by the names and the first bytes of files.

use std::io::Read as _;

use super::FeedFormat;
use crate::formats::compression::{self, Compression};

/// The length of a header of tar, and the place of its magic in it.
const TAR_HEADER_BYTES: usize = 512;
const TAR_MAGIC: std::ops::Range<usize> = 257..262;
/// Bytes of text that are looked at.
const TEXT_BYTES: u64 = 64 << 10;

/// Returns the format that a file most likely has, by its name and its first bytes.
pub fn likely_format(path: &str, start: &[u8]) -> Option<FeedFormat> {
    if is_zlib(start) {
        return Some(FeedFormat::Debsecan);
    }
    let text = plain(path, start);
    let is_tar = text.get(TAR_MAGIC).is_some_and(|magic| magic == b"ustar");
    let text = if is_tar { text.get(TAR_HEADER_BYTES..).unwrap_or_default() } else { text.as_slice() };
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match text.chars().next()? {
        '<' if has(&["oval_definitions"]) => Some(FeedFormat::Oval),
        '{' if has(&["\"csaf_version\"", "\"csaf_vex\""]) => Some(FeedFormat::CsafVex),
        '{' if has(&["\"schema_version\"", "\"affected\""]) => Some(FeedFormat::Osv),
        '{' if has(&["\"releases\""]) => Some(FeedFormat::DebianTracker),
        _ => None,
    }
}

/// Returns `true` if the bytes begin as a zlib stream (RFC 1950, section 2.2).
fn is_zlib(start: &[u8]) -> bool {
    matches!(start, [method @ 0x78, flags, ..] if (u16::from(*method) * 256 + u16::from(*flags)) % 31 == 0)
}

/// Unpacks as much as there is.
fn plain(path: &str, start: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(reader) = compression::reader(start, Compression::of_name(path)) {
        // The stream goes on behind the bytes that are here.
        let _ = reader.take(TEXT_BYTES).read_to_end(&mut text);
    }
    text
}
