//! SHA-256 digests, which name blobs, with a writer that computes them, and SHA3-384 digests, which name snaps.

use std::cmp::Ordering;
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

mod hex;
pub mod search;
mod sha3;

pub(crate) use self::hex::from_lower_hex;
pub use self::sha3::{MalformedSha3, Sha3, Sha3State};

/// Up to so many bytes a text is short: see [`Hashing`].
const SHORT_BYTES: usize = 4096;

/// A SHA-256 digest (FIPS 180-4), written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a SHA-256 digest of 64 lower-case hexadecimal digits")]
pub struct MalformedDigest;

impl Sha256 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.len() > SHORT_BYTES {
            let mut long = Hashing::new(());
            long.absorb(bytes);
            return long.finish().1;
        }
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of all that `reader` yields, and how many bytes that was.
    pub fn of_reader(reader: &mut impl Read) -> io::Result<(Self, u64)> {
        let mut sink = Hashing::new(io::sink());
        io::copy(reader, &mut sink)?;
        let (_, digest, length) = sink.finish();
        Ok((digest, length))
    }

    /// Returns the first 12 hexadecimal digits: enough to see that two digests differ.
    pub fn abbreviated(self) -> String {
        let mut digits = self.to_hex();
        digits.truncate(12);
        digits
    }

    /// The digest as 64 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        const_hex::encode(self.0)
    }

    /// The 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Sha256 {
    type Err = MalformedDigest;

    fn from_str(text: &str) -> Result<Self, MalformedDigest> {
        from_lower_hex(text).map(Self).ok_or(MalformedDigest)
    }
}

impl Ord for Sha256 {
    /// Compares digests byte by byte, of which the first eight nearly always decide.
    fn cmp(&self, other: &Self) -> Ordering {
        search::first_bytes(&self.0).cmp(&search::first_bytes(&other.0)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Sha256 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Sha256 {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "SHA-256 as 64 lower-case hexadecimal digits"
        })
    }
}

/// Passes bytes on to `inner` while computing their SHA-256 and length.
///
/// This is the one pass over payload that everything else is measured by. `ring` computes it here, and not `sha2` as for
/// short texts: on processors without SHA extensions it is nearly twice as fast, and on others no slower.
pub struct Hashing<W> {
    inner: W,
    state: ring::digest::Context,
    length: u64,
}

impl<W> Hashing<W> {
    /// Starts with nothing written.
    pub fn new(inner: W) -> Self {
        Self { inner, state: ring::digest::Context::new(&ring::digest::SHA256), length: 0 }
    }

    /// Bytes passed on so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Takes bytes into the digest that `inner` already has.
    pub fn absorb(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// Returns `inner`, the digest, and the length in bytes.
    pub fn finish(self) -> (W, Sha256, u64) {
        let mut digest = [0; 32];
        digest.iter_mut().zip(self.state.finish().as_ref()).for_each(|(to, from)| *to = *from);
        (self.inner, Sha256(digest), self.length)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.absorb(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn known_answer_and_round_trip() {
        assert_eq!(Sha256::of(b"").to_hex(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(Sha256::of(b"")));
    }

    #[test]
    fn only_lower_case_hex_of_the_right_length_is_a_digest() {
        for text in ["", "e3", &EMPTY.to_uppercase(), &format!("{EMPTY}0"), &EMPTY.replace('e', "g")] {
            assert_eq!(text.parse::<Sha256>(), Err(MalformedDigest), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_writer_agrees_with_the_one_shot(pieces in proptest::collection::vec(".{0,300}", 0..5)) {
            let mut writer = Hashing::new(Vec::new());
            pieces.iter().for_each(|piece| writer.write_all(piece.as_bytes()).unwrap());
            let (bytes, digest, length) = writer.finish();
            assert_eq!((digest, length), (Sha256::of(&bytes), bytes.len() as u64));
            assert_eq!(bytes, pieces.concat().as_bytes());
        }
    }
}
