//! Digests by which upstreams sign files: SHA-256, and others that are as strong.
//!
//! The depot names blobs by SHA-256. So of each other digest the SHA-256 is computed beside it, in one pass.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA384, SHA512};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::assertions::{Sha3, Sha3State};
use crate::digest::{Sha256, from_lower_hex};

/// A digest of `N` bytes, written as twice as many lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LongDigest<const N: usize>([u8; N]);

/// A SHA-384 digest (FIPS 180-4).
pub type Sha384 = LongDigest<48>;
/// A SHA-512 digest (FIPS 180-4).
pub type Sha512 = LongDigest<64>;

/// The text is not a digest of a known kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a digest of SHA-256, SHA-384, SHA-512 or SHA3-384")]
pub struct MalformedSignedDigest;

/// Kinds of strong digests. SHA-1 and MD5 are broken, and none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DigestKind {
    /// SHA-256, as almost all upstreams sign.
    #[serde(rename = "sha256")]
    Sha256,
    /// SHA-384, by which some RPM repositories sign.
    #[serde(rename = "sha384")]
    Sha384,
    /// SHA-512, by which some archives of packages sign.
    #[serde(rename = "sha512")]
    Sha512,
    /// SHA3-384, by which snap stores sign.
    #[serde(rename = "sha3-384")]
    Sha3,
}

/// The digest that an upstream signs of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignedDigest {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
    /// SHA3-384.
    Sha3(Sha3),
}

/// Computes a digest of another kind than SHA-256, piece by piece.
pub enum SecondHashing {
    /// SHA-384.
    Sha384(Box<Context>),
    /// SHA-512.
    Sha512(Box<Context>),
    /// SHA3-384.
    Sha3(Box<Sha3State>),
}

/// Fewer bytes are hashed sooner than a thread is started.
const WORTH_A_THREAD_BYTES: usize = 64 << 10;

impl DigestKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Sha256, Self::Sha384, Self::Sha512, Self::Sha3];

    /// The name in manifests and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3 => "sha3-384",
        }
    }

    /// Parses a digest of this kind. Capitals count as lower case.
    pub fn parse(self, hex: &str) -> Result<SignedDigest, MalformedSignedDigest> {
        let parse = |hex: &str| match self {
            Self::Sha256 => hex.parse().ok().map(SignedDigest::Sha256),
            Self::Sha384 => Sha384::from_hex(hex).map(SignedDigest::Sha384),
            Self::Sha512 => Sha512::from_hex(hex).map(SignedDigest::Sha512),
            Self::Sha3 => Sha3::from_hex(hex).ok().map(SignedDigest::Sha3),
        };
        parse(hex).or_else(|| parse(&hex.to_ascii_lowercase())).ok_or(MalformedSignedDigest)
    }

    /// Starts to compute a digest of this kind. Returns `None` for SHA-256, which is computed of every file.
    pub fn hashing(self) -> Option<SecondHashing> {
        match self {
            Self::Sha256 => None,
            Self::Sha384 => Some(SecondHashing::Sha384(Box::new(Context::new(&SHA384)))),
            Self::Sha512 => Some(SecondHashing::Sha512(Box::new(Context::new(&SHA512)))),
            Self::Sha3 => Some(SecondHashing::Sha3(Box::default())),
        }
    }
}

impl Sha512 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut context = Context::new(&SHA512);
        context.update(bytes);
        Self::finished(context)
    }
}

impl<const N: usize> LongDigest<N> {
    /// The digest as lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        const_hex::encode(self.0)
    }

    /// Reads lower-case hexadecimal digits.
    fn from_hex(text: &str) -> Option<Self> {
        from_lower_hex(text).map(Self)
    }

    fn finished(context: Context) -> Self {
        let mut digest = [0; N];
        digest.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(digest)
    }
}

impl SignedDigest {
    /// The kind of the digest.
    pub fn kind(&self) -> DigestKind {
        match self {
            Self::Sha256(_) => DigestKind::Sha256,
            Self::Sha384(_) => DigestKind::Sha384,
            Self::Sha512(_) => DigestKind::Sha512,
            Self::Sha3(_) => DigestKind::Sha3,
        }
    }

    /// The kind of the first of them that is not SHA-256.
    pub fn second_kind(digests: impl IntoIterator<Item = Self>) -> Option<DigestKind> {
        digests.into_iter().map(|digest| digest.kind()).find(|kind| *kind != DigestKind::Sha256)
    }

    /// The digest, if it is one of SHA-256.
    pub fn sha256(&self) -> Option<Sha256> {
        if let Self::Sha256(digest) = self { Some(*digest) } else { None }
    }

    /// The digest in lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        match self {
            Self::Sha256(digest) => digest.to_hex(),
            Self::Sha384(digest) => digest.to_hex(),
            Self::Sha512(digest) => digest.to_hex(),
            Self::Sha3(digest) => digest.to_hex(),
        }
    }
}

impl SecondHashing {
    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha384(context) | Self::Sha512(context) => context.update(bytes),
            Self::Sha3(state) => state.update(bytes),
        }
    }

    /// Adds `bytes` on a thread of its own while `work` runs on this one.
    pub fn beside<T>(&mut self, bytes: &[u8], work: impl FnOnce() -> T) -> T {
        beside(bytes.len(), || self.update(bytes), work)
    }

    /// The digest of all that was added.
    pub fn finish(self) -> SignedDigest {
        match self {
            Self::Sha384(context) => SignedDigest::Sha384(Sha384::finished(*context)),
            Self::Sha512(context) => SignedDigest::Sha512(Sha512::finished(*context)),
            Self::Sha3(state) => SignedDigest::Sha3(state.finish()),
        }
    }
}

/// Hashes so many bytes with `hash` on a thread of its own while `work` runs on this one.
pub fn beside<T>(length: usize, hash: impl FnOnce() + Send, work: impl FnOnce() -> T) -> T {
    if length < WORTH_A_THREAD_BYTES {
        hash();
        return work();
    }
    std::thread::scope(|scope| {
        scope.spawn(hash);
        work()
    })
}

impl From<Sha256> for SignedDigest {
    fn from(digest: Sha256) -> Self {
        Self::Sha256(digest)
    }
}

impl From<Sha512> for SignedDigest {
    fn from(digest: Sha512) -> Self {
        Self::Sha512(digest)
    }
}

impl From<Sha3> for SignedDigest {
    fn from(digest: Sha3) -> Self {
        Self::Sha3(digest)
    }
}

impl<const N: usize> FromStr for LongDigest<N> {
    type Err = MalformedSignedDigest;

    fn from_str(text: &str) -> Result<Self, MalformedSignedDigest> {
        Self::from_hex(text).ok_or(MalformedSignedDigest)
    }
}

impl<const N: usize> fmt::Display for LongDigest<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl<const N: usize> fmt::Debug for LongDigest<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongDigest({self})")
    }
}

/// Kind and digest, such as `sha256 e3b0…`, as in [`fmt::Display`].
impl FromStr for SignedDigest {
    type Err = MalformedSignedDigest;

    fn from_str(text: &str) -> Result<Self, MalformedSignedDigest> {
        let (name, hex) = text.split_once(' ').ok_or(MalformedSignedDigest)?;
        DigestKind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(MalformedSignedDigest)?.parse(hex)
    }
}

impl fmt::Display for SignedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "sha256 {digest}"),
            Self::Sha384(digest) => write!(f, "sha384 {digest}"),
            Self::Sha512(digest) => write!(f, "sha512 {digest}"),
            Self::Sha3(digest) => write!(f, "sha3-384 {}", digest.to_hex()),
        }
    }
}

impl Serialize for SignedDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for SignedDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-512 of `abc`, from FIPS 180-2, appendix C.1.
    const ABC: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                       2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    #[test]
    fn known_answer_and_round_trip() {
        assert_eq!(Sha512::of(b"abc").to_hex(), ABC);
        assert_eq!(DigestKind::Sha512.parse(&ABC.to_uppercase()), Ok(Sha512::of(b"abc").into()));
        for digest in [Sha256::of(b"x").into(), Sha512::of(b"x").into(), SignedDigest::from(Sha3::of(b"x"))] {
            assert_eq!(digest.to_string().parse(), Ok(digest));
        }
    }

    /// SHA-384 of `abc`, from FIPS 180-2, appendix D.1.
    const ABC_384: &str = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163\
                           1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7";

    #[test]
    fn computes_sha384() {
        let mut hashing = DigestKind::Sha384.hashing().unwrap();
        hashing.update(b"abc");
        let digest = hashing.finish();
        assert_eq!(DigestKind::Sha384.parse(ABC_384), Ok(digest));
        assert_eq!(digest.to_string(), format!("sha384 {ABC_384}"));
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn refuses_digests_of_another_length() {
        for text in [
            "",
            "sha512",
            "sha512 00",
            &format!("sha384 {ABC}"),
            &format!("sha512 {ABC_384}"),
            &format!("sha256 {ABC}"),
            &format!("sha1 {ABC}"),
            ABC,
        ] {
            assert_eq!(text.parse::<SignedDigest>(), Err(MalformedSignedDigest), "{text}");
        }
    }

    #[test]
    fn hashes_pieces_beside_other_work() {
        let bytes = vec![7; 3 * WORTH_A_THREAD_BYTES];
        for kind in [DigestKind::Sha512, DigestKind::Sha3] {
            let mut hashing = kind.hashing().unwrap();
            hashing.update(&bytes[..10]);
            assert_eq!(hashing.beside(&bytes[10..], || 5), 5);
            let expected: SignedDigest =
                if kind == DigestKind::Sha512 { Sha512::of(&bytes).into() } else { Sha3::of(&bytes).into() };
            assert_eq!(hashing.finish(), expected);
        }
        assert!(DigestKind::Sha256.hashing().is_none());
    }
}
