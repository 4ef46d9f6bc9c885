//! Other digests than SHA-256, computed while blobs are unpacked: on a thread of its own, beside the writing.

use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::digest::Sha256;
use crate::formats::signed_digest::{DigestKind, SignedDigest};

/// Other digests of blobs than SHA-256, by which upstreams sign them.
pub(super) type SecondDigests = BTreeMap<Sha256, SignedDigest>;

/// Pieces that may wait for the thread, each as large as what is read at once.
const WAITING: usize = 4;

/// Computes one digest on a thread of its own, which ends with this value.
pub(super) struct SecondDigest {
    sender: SyncSender<Vec<u8>>,
    thread: JoinHandle<SignedDigest>,
}

impl SecondDigest {
    /// Starts the thread. Returns `None` for SHA-256, which is computed anyway.
    pub(super) fn start(kind: DigestKind) -> Option<Self> {
        let mut hashing = kind.hashing()?;
        let (sender, receiver) = sync_channel::<Vec<u8>>(WAITING);
        let thread = thread::spawn(move || {
            receiver.iter().for_each(|bytes| hashing.update(&bytes));
            hashing.finish()
        });
        Some(Self { sender, thread })
    }

    /// Hands `bytes` over; waits while too many wait.
    pub(super) fn update(&self, bytes: &[u8]) {
        let _ = self.sender.send(bytes.to_vec()); // fails only if the thread died, of which `finish` tells
    }

    /// The digest. Returns `None` if the thread died.
    pub(super) fn finish(self) -> Option<SignedDigest> {
        drop(self.sender);
        self.thread.join().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::assertions::Sha3;
    use crate::formats::signed_digest::Sha512;

    #[test]
    fn it_is_the_digest_of_all_pieces() {
        let whole: Vec<u8> = (0..100_u8).flat_map(|byte| [byte; 1000]).collect();
        for expected in [SignedDigest::from(Sha3::of(&whole)), Sha512::of(&whole).into()] {
            let digest = SecondDigest::start(expected.kind()).unwrap();
            (0..100_u8).for_each(|byte| digest.update(&[byte; 1000]));
            assert_eq!(digest.finish(), Some(expected));
        }
        assert!(SecondDigest::start(DigestKind::Sha256).is_none());
    }
}
