//! Which files of a bundle went to which medium: `WORKSPACE/media/BUNDLE.json`.
//!
//! A file is noted when its medium has given it back. A run that was killed before finds it on the medium again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::device::Device;
use crate::digest::Sha256;
use crate::storage::StorageError;
use crate::time::Time;

/// The media of one bundle, in the order in which they were first used; the first is medium 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Digest of the bundle's manifest: another bundle of the same name has other media.
    pub manifest: Sha256,
    /// The media.
    pub media: Vec<MediumEntry>,
    /// Volumes that `recut` has made again. If there are any, a folder may have some of the volumes alone.
    pub made_again: BTreeSet<String>,
}

/// A medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumEntry {
    /// What its sheet calls it, so that it is known again in another socket.
    pub id: String,
    /// What the system says of it.
    pub device: Device,
    /// The volumes and recovery files that it has given back as they were written.
    pub files: BTreeSet<String>,
    /// When that was.
    pub time: Time,
    /// The user who copied.
    pub by: String,
    /// Whether they were read once more after it had been pulled and put back.
    pub reinserted: bool,
}

impl Register {
    /// No media yet.
    pub fn new(manifest: Sha256) -> Self {
        Self { manifest, media: Vec::new(), made_again: BTreeSet::new() }
    }

    /// What people call the medium `index`, counted from 0: its number, and the label of its file system.
    pub fn name(&self, index: usize) -> String {
        let label = self.media.get(index).and_then(|entry| entry.device.label.as_ref());
        let number = index + 1;
        label.map_or(format!("medium {number}"), |label| format!("medium {number} ({label})"))
    }

    /// The medium that bears this id.
    pub fn known(&self, id: &str) -> Option<usize> {
        self.media.iter().position(|entry| entry.id == id)
    }

    /// The medium that has the file.
    pub fn holder(&self, file: &str) -> Option<usize> {
        self.media.iter().position(|entry| entry.files.contains(file))
    }
}

/// Keeps the registers of bundles and the custody of their media. A workspace is one.
pub trait MediaJournal {
    /// Returns the media of the bundle. The register is empty if the bundle is unknown, or another one of that name.
    fn media(&self, bundle: &str, manifest: &Sha256) -> Result<Register, StorageError>;
    /// Remembers the media of the bundle.
    fn note_media(&self, bundle: &str, register: &Register) -> Result<(), StorageError>;
    /// Records what happens to a medium of the bundle in the audit log.
    fn log_medium(&self, event: &str, bundle: &str, detail: &str) -> Result<(), StorageError>;
}

/// Returns the user who runs this and the host, for the audit log.
pub fn operator() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().and_then(|name| super::device::text(&name));
    format!("{} on {}", user(), host.unwrap_or_else(|| "a host without a name".to_owned()))
}

/// The user who runs this: the one who called sudo, or else the name of the process's user.
pub(super) fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    let by_sudo = std::env::var("SUDO_USER").ok().filter(|_| uid == 0);
    let found = by_sudo.or_else(|| users.lines().find_map(name));
    found.and_then(|name| super::device::text(&name)).unwrap_or_else(|| format!("uid {uid}"))
}
