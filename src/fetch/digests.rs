//! The digests of what arrives.

use std::io;

use crate::digest::{Hashing, Sha256};
use crate::formats::signed_digest::{SecondHashing, SignedDigest};

/// The SHA-256 of the bytes that pass, and beside it the other digest that is expected, if it is another.
pub(super) struct Digests {
    sha256: Hashing<io::Sink>,
    second: Option<SecondHashing>,
}

impl Digests {
    /// Returns the digests of nothing.
    pub(super) fn new(expected: &SignedDigest) -> Self {
        Self { sha256: Hashing::new(io::sink()), second: expected.kind().hashing() }
    }

    /// Bytes taken so far.
    pub(super) fn length(&self) -> u64 {
        self.sha256.length()
    }

    /// Takes `bytes` once `write` has written them. After an error the digests are of no use any more.
    pub(super) fn absorb(&mut self, bytes: &[u8], write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let Self { sha256, second } = self;
        let both = || write().map(|()| sha256.absorb(bytes));
        match second {
            None => both(),
            Some(second) => second.beside(bytes, both),
        }
    }

    /// The SHA-256, and what is to be compared with the digest that is expected.
    pub(super) fn finish(self) -> (Sha256, SignedDigest) {
        let (_, sha256, _) = self.sha256.finish();
        (sha256, self.second.map_or(SignedDigest::Sha256(sha256), SecondHashing::finish))
    }
}
