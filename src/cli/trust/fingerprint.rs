//! Fingerprints of trust files, as two persons read them to each other.

use crate::digest::Sha256;

/// Returns a digest as two persons read it to each other: in groups of four digits.
pub(in crate::cli) fn spoken(digest: &Sha256) -> String {
    let digits: Vec<char> = digest.to_hex().chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// Parses a digest with or without spaces between its digits.
pub(super) fn spoken_digest(text: &str) -> Result<Sha256, String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.parse().map_err(|e: crate::digest::MalformedDigest| e.to_string())
}
