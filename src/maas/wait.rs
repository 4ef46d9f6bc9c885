//! Waiting with an end: pauses that grow, until a limit.

use std::time::{Duration, Instant};

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct WaitLimits {
    /// For MAAS to read a boot source.
    pub cache: Duration,
    /// For all images to be imported.
    pub import: Duration,
    /// For an import that was asked for to begin, and for what it leaves behind to be seen.
    pub settle: Duration,
}

impl Default for WaitLimits {
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

/// The wait until MAAS has read a boot source, with one import asked for on the way.
pub(super) struct Reading {
    limits: WaitLimits,
    wait: Wait,
    /// The longest that an import which began before is waited for.
    other_import: Wait,
    is_new: bool,
    is_asked: bool,
}

impl Reading {
    /// Begins to wait.
    pub(super) fn new(limits: WaitLimits) -> Self {
        let (wait, other_import) = (Wait::new(limits.cache), Wait::new(limits.import));
        Self { limits, wait, other_import, is_new: true, is_asked: false }
    }

    /// Returns true before the first pause.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Pauses; returns false if the time is over already. An import that is under way at first may have read the sources before,
    /// so one is asked for when that has ended, and the time counts from there.
    pub(super) fn again<E>(
        &mut self,
        importing: impl Fn() -> Result<bool, E>,
        ask_for_import: impl Fn() -> Result<(), E>,
    ) -> Result<bool, E> {
        self.is_new = false;
        if self.is_asked {
            return Ok(self.wait.again());
        }
        if importing()? {
            return Ok(self.other_import.again());
        }
        ask_for_import()?;
        self.is_asked = true;
        self.wait = Wait::new(self.limits.cache);
        Ok(self.wait.again())
    }
}
