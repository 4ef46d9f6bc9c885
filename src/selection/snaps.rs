//! `[[snaps]]`: a source of snaps.

use std::path::PathBuf;

use serde::Deserialize;

/// A source of snaps: a folder of what `snap download` leaves, NAME_REV.snap and NAME_REV.assert.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnapsSource {
    /// The folder.
    pub from: PathBuf,
}
