//! The record of the evidence on one manifest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::{Site, SiteError};
use crate::bundle::names;
use crate::bundle::state::Manifest;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::label::Label;
use crate::numbers::{Epoch, Sequence};
use crate::path::PublishPath;
use crate::storage::{StorageError, modes, read_capped, write_atomically};
use crate::time::Time;

/// The folder of records, below the site's.
pub(super) const EVIDENCE_FOLDER: &str = "evidence";
/// The version of the format.
const FORMAT: u64 = 1;
/// The largest record that is read or written, in bytes: a line of some hundred bytes for each of upstream's proofs.
const MAX_RECORD_BYTES: u64 = 256 << 20;

/// An import that failed, or that waits for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedImport {
    /// The word of the error's class, such as `refused`.
    pub outcome: String,
    /// The reason, in words.
    pub reason: String,
    /// When it failed.
    pub time: Time,
}

/// The evidence on one manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRecord {
    /// The epoch of the manifest.
    pub epoch: Epoch,
    /// The last import, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailedImport>,
    /// By its path in the folder that `gapferry evidence` writes, the blob of each file.
    pub files: BTreeMap<String, Sha256>,
    /// Version of the format; 1.
    pub format: u64,
    /// The digest of the manifest.
    pub manifest: Sha256,
    /// The name of the bundle.
    pub name: Label,
    /// The newest time at which the site used the manifest: imported or published it, ended its publication, or took a statement on it.
    pub newest: Time,
    /// The sequence of the manifest.
    pub sequence: Sequence,
    /// The site that it is for.
    pub site: Label,
}

impl EvidenceRecord {
    /// Returns a record without files.
    pub(super) fn new(manifest: &Manifest, digest: Sha256) -> Self {
        Self {
            epoch: manifest.epoch,
            failure: None,
            files: BTreeMap::new(),
            format: FORMAT,
            manifest: digest,
            name: manifest.name.clone(),
            newest: Time::now(),
            sequence: manifest.sequence,
            site: manifest.site.clone(),
        }
    }

    /// Returns the name of the bundle's folder.
    pub fn bundle(&self) -> String {
        names::folder(&self.site, &self.name, self.sequence)
    }

    /// Reads the record on a manifest. Returns `None` if there is none.
    pub(super) fn open(site: &Site, manifest: &Sha256) -> Result<Option<Self>, SiteError> {
        match Self::read(&place(site, manifest)) {
            Err(SiteError::Storage(error)) if error.is_not_found() => Ok(None),
            other => other.map(Some),
        }
    }

    fn read(path: &Path) -> Result<Self, SiteError> {
        let bytes = read_capped(path, MAX_RECORD_BYTES)?;
        let damaged = |reason: String| {
            let file = path.display();
            let way_out = format!("take it from a backup, or give the evidence up with `rm {file}`");
            StorageError::damaged(path)(format!("{reason}: {way_out}"))
        };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let name = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        if record.format != FORMAT || name != Some(record.manifest) {
            return Err(damaged("it is not the record that its name says".to_owned()).into());
        }
        match record.files.keys().find(|path| !is_safe(path)) {
            Some(path) => Err(damaged(format!("{path:?} is no path of evidence")).into()),
            None => Ok(record),
        }
    }

    /// Writes the record in the place of the one that is there.
    pub(super) fn write(&self, site: &Site) -> Result<(), SiteError> {
        let path = place(site, &self.manifest);
        let folder = site.root().join(EVIDENCE_FOLDER);
        modes::create_public_folders(&folder).map_err(SiteError::io("create", &folder))?;
        let text = serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default();
        if text.len() as u64 > MAX_RECORD_BYTES {
            let bundle = self.bundle();
            return Err(Fault::failed(format!("{bundle} has more proofs than a record of evidence can name")).into());
        }
        Ok(write_atomically(&path, text.as_bytes(), modes::PUBLIC_FILE)?)
    }

    /// Returns the digest of a file, such as `manifest.json.sig`.
    pub(super) fn file(&self, path: &str) -> Option<Sha256> {
        self.files.get(path).copied()
    }
}

/// Returns the file of the record on a manifest.
pub(super) fn place(site: &Site, manifest: &Sha256) -> PathBuf {
    site.root().join(EVIDENCE_FOLDER).join(format!("{manifest}.json"))
}

/// Returns `true` if each name in the path is one that gapferry writes, so that the path leads below its folder.
fn is_safe(path: &str) -> bool {
    path.split('/').all(|name| name.parse::<PublishPath>().is_ok())
}

impl Site {
    /// Returns all records, by their bundles.
    pub fn evidence_records(&self) -> Result<Vec<EvidenceRecord>, SiteError> {
        let files = self.folders_in(EVIDENCE_FOLDER)?;
        let is_record = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
        let records = files.iter().filter(|path| is_record(path)).map(|path| EvidenceRecord::read(path));
        let mut records = records.collect::<Result<Vec<_>, _>>()?;
        records.sort_by_cached_key(|record| (record.name.clone(), record.epoch, record.sequence, record.manifest));
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_folder() {
        for path in
            ["manifest.json.sig", "proofs/apt/debian/dists/stable/InRelease", "packings/0123456789ab/packing.json"]
        {
            assert!(is_safe(path), "{path}");
        }
        for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", ".ssh/x", "a/-rf", "a\nb", "a b", "a/\u{1b}[2J"] {
            assert!(!is_safe(path), "{path:?}");
        }
    }
}
