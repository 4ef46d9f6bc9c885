//! SHA3-384 of snaps while they are unpacked: on a thread of its own, beside the writing and the SHA-256.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::formats::assertions::{Sha3, Sha3State};

/// Pieces that may wait for the thread, each as large as what is read at once.
const WAITING: usize = 4;

/// Computes one digest on a thread of its own, which ends with this value.
pub(super) struct SecondDigest {
    sender: SyncSender<Vec<u8>>,
    thread: JoinHandle<Sha3>,
}

impl SecondDigest {
    /// Starts the thread.
    pub(super) fn start() -> Self {
        let (sender, receiver) = sync_channel::<Vec<u8>>(WAITING);
        let thread = thread::spawn(move || {
            let mut state = Sha3State::default();
            receiver.iter().for_each(|bytes| state.update(&bytes));
            state.finish()
        });
        Self { sender, thread }
    }

    /// Hands `bytes` over; waits while too many wait.
    pub(super) fn update(&self, bytes: &[u8]) {
        let _ = self.sender.send(bytes.to_vec()); // fails only if the thread died, of which `finish` tells
    }

    /// The digest; none if the thread died.
    pub(super) fn finish(self) -> Option<Sha3> {
        drop(self.sender);
        self.thread.join().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_digest_of_all_pieces() {
        let digest = SecondDigest::start();
        (0..100_u8).for_each(|byte| digest.update(&[byte; 1000]));
        let whole: Vec<u8> = (0..100_u8).flat_map(|byte| [byte; 1000]).collect();
        assert_eq!(digest.finish(), Some(Sha3::of(&whole)));
    }
}
