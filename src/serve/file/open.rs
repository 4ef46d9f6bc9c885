//! Opens published files, without waiting for a disk where that is possible.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use axum::http::HeaderValue;
use bytes::Bytes;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::text;
use crate::time::Time;

/// The identity of a file's bytes: its strong entity tag and its date (RFC 9110, section 8.8).
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

/// Whether one may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Delivery {
    /// Only what the kernel remembers is looked at; on one of the runtime's own threads.
    Cached,
    /// On a thread that may wait for a disk.
    Blocking,
}

/// One would have to wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Blocked;

/// A regular file, open for reading, and what is said of it in every answer.
#[derive(Clone, Debug)]
pub(in crate::serve) struct OpenedFile {
    pub(super) file: Arc<File>,
    /// Which state of the file it is.
    pub(super) version: FileVersion,
    pub(super) etag: HeaderValue,
    pub(super) last_modified: HeaderValue,
    /// The whole content, once it was read, of a file of at most [`super::KEPT_BYTES`].
    pub(super) content: OnceLock<Bytes>,
}

impl OpenedFile {
    /// Takes an open blob of this digest. Its date is `changed`, or else that of the blob.
    pub(in crate::serve) fn new(file: File, facts: &Metadata, digest: &str, changed: Option<Time>) -> Self {
        let version = FileVersion::new(digest, facts.len(), changed.map_or(facts.mtime(), Time::unix));
        let (etag, last_modified) = (text(version.etag.clone()), text(version.last_modified()));
        Self { file: Arc::new(file), version, etag, last_modified, content: OnceLock::new() }
    }
}

/// Opens the regular file at `path`. Returns `None` if nothing is there, or a folder, or a link.
pub(in crate::serve) fn open(path: &Path, how: Delivery) -> Result<io::Result<Option<(File, Metadata)>>, Blocked> {
    // Without NONBLOCK, a named pipe that somebody left in a site would hold the thread.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match how {
        Delivery::Cached => openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED),
        Delivery::Blocking => rustix::fs::open(path, flags, Mode::empty()),
    };
    match file {
        Ok(file) => Ok(regular(File::from(file))),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(Ok(None)),
        // Not remembered; or a kernel before 5.12, which cannot be asked so.
        Err(_) if how == Delivery::Cached => Err(Blocked),
        Err(error) => Ok(Err(error.into())),
    }
}

fn regular(file: File) -> io::Result<Option<(File, Metadata)>> {
    let facts = file.metadata()?;
    Ok(facts.is_file().then_some((file, facts)))
}
