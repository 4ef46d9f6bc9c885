//! Waiting with an end: pauses that grow, until a limit.

use std::time::{Duration, Instant};

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For MAAS to read a boot source.
    pub cache: Duration,
    /// For all images to be imported.
    pub import: Duration,
    /// For an import that was asked for to begin, and for what it leaves behind to be seen.
    pub settle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cache: Duration::from_secs(300), import: Duration::from_secs(3600), settle: Duration::from_secs(15) }
    }
}

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A wait that is under way.
pub(super) struct Wait {
    end: Instant,
    pause: Duration,
}

impl Wait {
    /// Begins to wait for at most `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        let now = Instant::now();
        Self { end: now.checked_add(limit).unwrap_or(now), pause: FIRST_PAUSE }
    }

    /// Pauses; false if the time is over already.
    pub(super) fn again(&mut self) -> bool {
        let left = self.end.saturating_duration_since(Instant::now());
        std::thread::sleep(self.pause.min(left));
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        !left.is_zero()
    }
}
