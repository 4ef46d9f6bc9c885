//! The digest that somebody signed, and the digests of what arrives.

use std::fmt;
use std::io;

use crate::digest::{Hashing, Sha256};
use crate::formats::assertions::{Sha3, Sha3State};

/// The digest that a file has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// As almost all upstreams sign.
    Sha256(Sha256),
    /// As snap stores sign.
    Sha3(Sha3),
}

impl Expected {
    /// The digest, if it is one of SHA-256.
    pub fn sha256(&self) -> Option<Sha256> {
        if let Self::Sha256(digest) = self { Some(*digest) } else { None }
    }
}

impl From<Sha256> for Expected {
    fn from(digest: Sha256) -> Self {
        Self::Sha256(digest)
    }
}

impl From<Sha3> for Expected {
    fn from(digest: Sha3) -> Self {
        Self::Sha3(digest)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "sha256 {digest}"),
            Self::Sha3(digest) => write!(f, "sha3-384 {digest}"),
        }
    }
}

/// The SHA-256 of the bytes that pass, and beside it the other digest that is expected, if it is another.
pub(super) struct Digests {
    sha256: Hashing<io::Sink>,
    sha3: Option<Sha3State>,
}

impl Digests {
    /// Of nothing yet.
    pub(super) fn new(expected: &Expected) -> Self {
        let sha3 = matches!(expected, Expected::Sha3(_)).then(Sha3State::default);
        Self { sha256: Hashing::new(io::sink()), sha3 }
    }

    /// Bytes taken so far.
    pub(super) fn length(&self) -> u64 {
        self.sha256.length()
    }

    /// Takes `bytes` once `write` has written them. After an error the digests are of no use any more.
    pub(super) fn absorb(&mut self, bytes: &[u8], write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let Self { sha256, sha3 } = self;
        let both = || write().map(|()| sha256.absorb(bytes));
        match sha3 {
            None => both(),
            Some(sha3) => sha3.beside(bytes, both),
        }
    }

    /// The SHA-256, and what is to be compared with the digest that is expected.
    pub(super) fn finish(self) -> (Sha256, Expected) {
        let (_, sha256, _) = self.sha256.finish();
        (sha256, self.sha3.map_or(Expected::Sha256(sha256), |sha3| Expected::Sha3(sha3.finish())))
    }
}
