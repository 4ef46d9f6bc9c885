//! A limit of the rate at which files are read, so that a check leaves the disk to clients.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::units::Bytes;

/// A number of bytes per second that readers keep to.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Bytes,
    started: Instant,
    taken: AtomicU64,
}

impl Pace {
    /// Starts at this rate.
    pub(super) fn new(rate: Bytes) -> Self {
        Self { rate, started: Instant::now(), taken: AtomicU64::new(0) }
    }

    /// Waits until `bytes` more may have been read.
    pub(super) fn take(&self, bytes: u64) {
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        thread::sleep(due(taken, self.rate).saturating_sub(self.started.elapsed()));
    }
}

/// The time that reading so much takes at this rate.
fn due(bytes: u64, rate: Bytes) -> Duration {
    let rate = u128::from(rate.0.max(1));
    let micros = u128::from(bytes).saturating_mul(1_000_000) / rate;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_as_long_as_the_rate_says() {
        assert_eq!(due(3_000_000, Bytes(2_000_000)), Duration::from_millis(1500));
        assert_eq!(due(u64::MAX, Bytes(0)), Duration::from_micros(u64::MAX));
        let pace = Pace::new(Bytes(1 << 20));
        (0..4).for_each(|_| pace.take(1 << 15));
        assert!(pace.started.elapsed() >= Duration::from_millis(125));
    }
}
