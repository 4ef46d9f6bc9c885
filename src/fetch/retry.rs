//! Which faults are worth another attempt, how often, and after what wait.

use std::time::Duration;

use super::error::FetchError;
use super::options::FetchOptions;

/// Longest wait that back-off comes to by itself.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// New bytes that make a further attempt count as a first one, so that a large file survives many cuts.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Counts the attempts at one address.
pub(super) struct Retry<'a> {
    options: &'a FetchOptions,
    used: u32,
    best: u64,
}

impl<'a> Retry<'a> {
    pub(super) fn new(options: &'a FetchOptions) -> Self {
        Self { options, used: 0, best: 0 }
    }

    /// How long to wait before the next attempt after `error` with `length` bytes on disk; `None` to give up.
    pub(super) fn wait_after(&mut self, error: &FetchError, length: u64) -> Option<Duration> {
        // Measured against the most that ever was there: a server that always cuts at the same byte comes to an end.
        if length >= self.best.saturating_add(PROGRESS_BYTES) {
            (self.best, self.used) = (length, 0);
        }
        if self.used >= most_retries(error, self.options.retries) {
            return None;
        }
        let backoff = self.options.backoff.saturating_mul(1 << self.used.min(16)).min(LONGEST_BACKOFF);
        self.used += 1;
        let jittered = backoff.mul_f64(0.5 + rand::random::<f64>());
        let asked = match error {
            FetchError::Status { retry_after: Some(wait), .. } => (*wait).min(self.options.longest_wait),
            _ => Duration::ZERO,
        };
        Some(jittered.max(asked))
    }
}

fn most_retries(error: &FetchError, retries: u32) -> u32 {
    match error {
        FetchError::Unreachable { .. }
        | FetchError::Broken { .. }
        | FetchError::Stalled { .. }
        | FetchError::TooSlow { .. } => retries,
        FetchError::Status { status: 408 | 429 | 500..=599, .. } => retries,
        // Once may be a proxy's hiccup; twice is what the server has.
        FetchError::TooShort { .. } => retries.min(1),
        FetchError::Status { .. }
        | FetchError::Denied { .. }
        | FetchError::Certificates { .. }
        | FetchError::ClientCertificate { .. }
        | FetchError::CertificateRefused { .. }
        | FetchError::Setup(_)
        | FetchError::Address { .. }
        | FetchError::NoAddress { .. }
        | FetchError::Untrusted { .. }
        | FetchError::Missing { .. }
        | FetchError::Redirect { .. }
        | FetchError::WrongRange { .. }
        | FetchError::NoLength { .. }
        | FetchError::TooLarge { .. }
        | FetchError::WrongDigest { .. }
        | FetchError::NoSpace { .. }
        | FetchError::Disk { .. }
        | FetchError::GaveUp { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after: Option<u64>) -> FetchError {
        FetchError::Status { url: String::new(), status, retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn waits_grow_and_end() {
        let options = FetchOptions { retries: 3, backoff: Duration::from_secs(1), ..FetchOptions::default() };
        let mut retry = Retry::new(&options);
        for least in [0.5, 1.0, 2.0] {
            let wait = retry.wait_after(&status(503, None), 0).unwrap().as_secs_f64();
            assert!((least..=3.0 * least).contains(&wait), "{wait} for {least}");
        }
        assert_eq!(retry.wait_after(&status(503, None), 0), None);
    }

    #[test]
    fn the_server_can_ask_for_a_wait_but_not_for_ever() {
        let options = FetchOptions { longest_wait: Duration::from_secs(9), ..FetchOptions::default() };
        let wait = |seconds| Retry::new(&options).wait_after(&status(429, Some(seconds)), 0).unwrap();
        assert_eq!(wait(4), Duration::from_secs(4));
        assert_eq!(wait(u64::MAX), Duration::from_secs(9));
    }

    #[test]
    fn progress_starts_the_count_anew_but_only_new_progress() {
        let options = FetchOptions { retries: 1, ..FetchOptions::default() };
        let mut retry = Retry::new(&options);
        let cut = status(500, None);
        assert!(retry.wait_after(&cut, 0).is_some());
        assert!(retry.wait_after(&cut, PROGRESS_BYTES).is_some());
        assert!(retry.wait_after(&cut, PROGRESS_BYTES).is_none());
        assert!(retry.wait_after(&cut, 2 * PROGRESS_BYTES).is_some());
    }

    #[test]
    fn what_will_not_change_is_not_tried_again() {
        let options = FetchOptions::default();
        for error in [status(403, Some(1)), FetchError::Missing { url: String::new() }] {
            assert_eq!(Retry::new(&options).wait_after(&error, 0), None);
        }
    }
}
