//! Notes of unfinished imports, with all that they wait for, and of refused bundles.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::journal::{REFUSED_FOLDER, journal_manifest};
use super::{Site, SiteError, sheets};
use crate::bundle::names;
use crate::bundle::state::OpenState;
use crate::storage::{read_capped, write_atomically};
use crate::trust::Review;

/// In a folder of `refused/`: the reason, in words.
pub(super) const REASON: &str = "reason.txt";
/// In a journal: the bundles that are to be imported first.
const FIRST: &str = "first.json";
/// The largest of these files that is read, in bytes.
const MAX_NOTE_BYTES: u64 = 1 << 20;

/// A bundle whose import is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingBundle {
    /// Its folder name.
    pub bundle: String,
    /// The volumes that are missing, each with where it went as far as that is known. Empty if the import was interrupted.
    pub volumes: Vec<String>,
    /// The bundles that are to be imported first.
    pub first: Vec<String>,
    /// The state of its review, if all of it is unpacked and approvals are missing.
    pub review: Option<Review>,
}

impl WaitingBundle {
    /// Says what the import waits for.
    pub fn waits_for(&self) -> String {
        match (&self.review, self.first.as_slice(), self.volumes.as_slice()) {
            (Some(review), ..) => format!("approval: {review}"),
            (None, [], []) => "another run of the same import".to_owned(),
            (None, [], volumes) => volumes.join(", "),
            (None, first, _) => first.join(" and "),
        }
    }
}

/// A bundle that failed its checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedBundle {
    /// Its folder name.
    pub bundle: String,
    /// The reason, in words.
    pub reason: String,
}

/// Returns the bundles that a delta builds on and that the site has not imported yet.
pub(super) fn earlier_bundles(site: &Site, state: &OpenState) -> Result<Vec<String>, SiteError> {
    let manifest = &state.manifest;
    let current = site.current()?;
    let known = current.names.get(&manifest.name).filter(|name| name.epoch == manifest.epoch);
    let packings = site.packings(state)?.found;
    let bases = packings.iter().flat_map(|packing| &packing.packing.parameters.bases).map(|base| base.sequence);
    let mut earlier: Vec<_> = bases.filter(|base| known.is_none_or(|known| *base > known.sequence)).collect();
    earlier.sort();
    earlier.dedup();
    Ok(earlier.into_iter().map(|sequence| names::folder(&manifest.site, &manifest.name, sequence)).collect())
}

/// Notes which bundles are to be imported first, for `status`.
pub(super) fn note_first(site: &Site, state: &OpenState, first: &[String]) -> Result<(), SiteError> {
    let text = serde_json::to_vec(first).unwrap_or_default();
    Ok(write_atomically(&site.journal_folder(state).join(FIRST), &text, 0o644)?)
}

/// Returns the bundles whose imports are not finished.
pub fn waiting_bundles(site: &Site) -> Result<Vec<WaitingBundle>, SiteError> {
    let (current, reviewed) = (site.current()?, site.reviewed_bundles()?);
    let mut waiting = Vec::new();
    for folder in site.journals()? {
        let Some((manifest, _)) = journal_manifest(&folder).ok().flatten() else { continue };
        let mut first: Vec<String> =
            note_in(&folder, FIRST).and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let is_here = |bundle: &String| {
            let known = current.names.get(&manifest.name).filter(|name| name.epoch == manifest.epoch);
            known.is_some_and(|known| *bundle <= names::folder(&manifest.site, &manifest.name, known.sequence))
        };
        first.retain(|bundle| !is_here(bundle));
        let volumes = sheets::render(&sheets::missing(&folder));
        let review = reviewed.iter().find(|waiting| waiting.folder == folder).map(|waiting| waiting.review.clone());
        waiting.push(WaitingBundle { bundle: manifest.folder(), volumes, first, review });
    }
    waiting.sort_by(|one, other| one.bundle.cmp(&other.bundle));
    Ok(waiting)
}

/// Returns the bundles that failed their checks.
pub(super) fn refused(site: &Site) -> Result<Vec<RefusedBundle>, SiteError> {
    let mut refused = Vec::new();
    for folder in site.folders_in(REFUSED_FOLDER)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = journal_manifest(&folder).ok().flatten();
        let bundle = manifest.map_or(name, |(manifest, _)| manifest.folder());
        let reason = note_in(&folder, REASON).map(|text| String::from_utf8_lossy(&text).trim_end().to_owned());
        refused.push(RefusedBundle { bundle, reason: reason.unwrap_or_default() });
    }
    refused.sort_by(|one, other| one.bundle.cmp(&other.bundle));
    Ok(refused)
}

fn note_in(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let path = folder.join(name);
    fs::symlink_metadata(&path).ok()?;
    read_capped(&path, MAX_NOTE_BYTES).ok()
}
