//! Buffers that are used again: the kernel hands out large ones page by page, which costs as much as filling them.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Size of each buffer, in bytes: small enough to be still in the processor's cache when it is sent, large enough that calls
/// do not count.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// How many buffers are kept while nobody needs them; 8 MiB in all.
const KEPT: usize = 64;

static FREE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A buffer of [`BUFFER_BYTES`] that goes back when it is dropped.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    pub(super) fn take() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { bytes: free.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice()), filled: 0 }
    }

    /// Room for `length` bytes, or as many as there is room for.
    pub(super) fn room(&mut self, length: u64) -> &mut [u8] {
        let length = usize::try_from(length).unwrap_or(BUFFER_BYTES).min(self.bytes.len());
        self.bytes.get_mut(..length).unwrap_or_default()
    }

    /// The first `filled` bytes, without a copy.
    pub(super) fn freeze(mut self, filled: usize) -> Bytes {
        self.filled = filled;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}
