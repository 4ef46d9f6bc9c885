//! What tells one state of a file from another: its strong entity tag and its date (RFC 9110, section 8.8).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, UNIX_EPOCH};

/// Which bytes a file has, told by facts that cost nothing to find.
///
/// The depot never writes to a blob that bears its name, so an inode stands for its bytes as long as it lives. One that is
/// used again after `gc` differs in time: payload bears the nanosecond of its arrival, metadata the date of its generation,
/// which rises by a second at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) struct FileVersion {
    inode: u64,
    /// In bytes.
    pub(super) length: u64,
    /// Unix time, in seconds.
    pub(super) modified: u64,
    nanoseconds: u64,
}

impl FileVersion {
    pub(super) fn of(file: &Metadata) -> Self {
        Self {
            inode: file.ino(),
            length: file.len(),
            modified: file.mtime().max(0).unsigned_abs(),
            nanoseconds: file.mtime_nsec().max(0).unsigned_abs(),
        }
    }

    /// The strong tag, in its quotation marks.
    pub(super) fn etag(&self) -> String {
        format!("\"{:x}-{:x}-{:x}.{:x}\"", self.inode, self.length, self.modified, self.nanoseconds)
    }

    /// The date in the form of RFC 9110, section 5.6.7.
    pub(super) fn last_modified(&self) -> String {
        // The library's dates end with the year 9999.
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.modified.min(253_402_300_799)))
    }

    #[cfg(test)]
    pub(super) fn new(inode: u64, length: u64, modified: u64) -> Self {
        Self { inode, length, modified, nanoseconds: 0 }
    }
}
