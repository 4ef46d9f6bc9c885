//! What tells one state of a file from another: its strong entity tag and its date (RFC 9110, section 8.8).

use std::time::{Duration, UNIX_EPOCH};

/// The identity of a file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) struct FileVersion {
    /// The strong tag, in its quotation marks: the digest of the bytes. So it is the same on every server of a site, and stays
    /// what it was when the site is copied or restored.
    pub(super) etag: String,
    /// In bytes.
    pub(super) length: u64,
    /// Unix time, in seconds.
    pub(super) modified: u64,
}

impl FileVersion {
    /// Returns the state of a file with these facts.
    pub(super) fn new(digest: &str, length: u64, modified: i64) -> Self {
        Self { etag: format!("\"{digest}\""), length, modified: modified.max(0).unsigned_abs() }
    }

    /// The date in the form of RFC 9110, section 5.6.7.
    pub(super) fn last_modified(&self) -> String {
        // The library's dates end with the year 9999.
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.modified.min(253_402_300_799)))
    }
}
