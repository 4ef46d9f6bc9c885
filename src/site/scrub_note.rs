//! The notes of a check that is under way, with which the next one goes on after a kill.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Site, SiteError};
use crate::digest::Sha256;
use crate::path::PublishPath;
use crate::storage::{StorageError, read_capped, remove_file_if_there, write_atomically};

/// The file's name below the site's folder.
const SCRUB_FILE: &str = "check.json";

/// The largest file of notes that is read, in bytes.
const MAX_NOTE_BYTES: u64 = 64 << 20;

/// The time between two notes: so much is read again after a kill.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// The blobs that a check begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckStart {
    /// Those that a check which was interrupted did not reach.
    #[default]
    GoOn,
    /// All.
    Anew,
}

/// The files that a check reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckScope {
    /// Every blob, and every published file with bytes of its own.
    #[default]
    Everything,
    /// Blobs that are noted as bad, and published files that are to have their bytes. Missing blobs are found without reading.
    Known,
}

/// The progress of a check.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScrubNote {
    /// Number of blobs that were read.
    pub(super) blobs: u64,
    /// Number of published files with bytes of their own that were read.
    pub(super) tree_files: u64,
    /// Number of bytes that were read.
    pub(super) bytes: u64,
    /// The last blob that was read, in the order of digests.
    pub(super) last_blob: Option<Sha256>,
    /// By folder of published files and generation, the last path that was read there.
    pub(super) places: BTreeMap<PathBuf, PublishPath>,
    /// Blobs and published files that were not what they must be: they are read again.
    pub(super) flawed_blobs: BTreeSet<Sha256>,
    pub(super) flawed_files: BTreeSet<PathBuf>,
    /// The time of the last note; `None` if this user may not write there.
    #[serde(skip)]
    written: Option<Instant>,
}

impl ScrubNote {
    /// Reads the notes of a check that was interrupted, or begins new ones. Only the site's owner can write them down.
    pub(super) fn begin(site: &Site, start: CheckStart) -> Result<Self, SiteError> {
        let (path, is_owner) = (site.root().join(SCRUB_FILE), site.belongs_to_user());
        let mut note = match (start, read_capped(&path, MAX_NOTE_BYTES)) {
            (CheckStart::Anew, _) => Self::default(),
            (_, Err(error)) if error.is_not_found() || !is_owner => Self::default(),
            (_, bytes) => serde_json::from_slice(&bytes?).map_err(|error| {
                let reason = format!("{error}: remove it, then a check reads everything");
                SiteError::from(StorageError::Damaged { path, reason })
            })?,
        };
        note.written = is_owner.then(Instant::now);
        if is_owner {
            note.write(site);
        }
        Ok(note)
    }

    /// Writes the notes down, if some time has passed.
    pub(super) fn note(&mut self, site: &Site) {
        if self.written.is_some_and(|written| written.elapsed() >= NOTE_EVERY) {
            self.write(site);
        }
    }

    /// A disk that is full, or read-only since it failed, must not end the check: then it goes on without notes.
    fn write(&mut self, site: &Site) {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let written = write_atomically(&site.root().join(SCRUB_FILE), &text, 0o644);
        self.written = written.is_ok().then(Instant::now);
    }

    /// Removes the notes: the check has come to its end.
    pub(super) fn end(site: &Site) -> Result<(), SiteError> {
        let path = site.root().join(SCRUB_FILE);
        // A file system that is read-only says so of a file that is not there, too.
        match site.belongs_to_user() && path.symlink_metadata().is_ok() {
            true => remove_file_if_there(&path).map_err(SiteError::io("remove", &path)),
            false => Ok(()),
        }
    }
}
