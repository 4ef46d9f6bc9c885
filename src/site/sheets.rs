//! Custody of a bundle's media, and places of missing volumes, as the sheets of media say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::incoming::Incoming;
use super::{Site, SiteError};
use crate::bundle::folder::unsigned_file;
use crate::bundle::packing::found::FoundPacking;
use crate::bundle::recovery::MAX_SPARES;
use crate::bundle::state::OpenState;
use crate::bundle::{BundleError, names};
use crate::media::device::Device;
use crate::media::sheet::{MAX_SHEET_BYTES, MEDIUM, NOWHERE, name, places};
use crate::storage::write_atomically;

/// In a journal: the missing volumes, and where they went.
const MISSING: &str = "missing.json";

/// The media that a bundle comes from, for the audit log: what they and the system say of them, and no paths.
pub(super) fn custody(incoming: Incoming<'_>) -> String {
    let medium = |folder: &PathBuf| {
        let sheet = unsigned_file(folder, MEDIUM, MAX_SHEET_BYTES);
        let name = sheet.as_deref().and_then(name).unwrap_or_else(|| "a medium without a sheet".to_owned());
        format!(" from {name}: {}", Device::of(folder).description())
    };
    match incoming.stream {
        Some(_) => String::new(),
        None => incoming.state.folders.iter().map(medium).collect::<Vec<_>>().join(";"),
    }
}

/// Missing volumes, and spare volumes that are not here, with where they went.
type Missing = BTreeMap<String, Option<String>>;

/// Adds the places of missing volumes to an error, as far as sheets of this run or an earlier one name them. `status`
/// shows the same.
pub(super) fn with_places(site: &Site, state: &OpenState, error: SiteError) -> SiteError {
    let SiteError::Bundle(BundleError::VolumesMissing { folder, missing: files }) = error else { return error };
    let packings = match site.packings(state) {
        Ok(search) => search.found,
        Err(error) => return error,
    };
    let journal = site.journal_folder(state);
    let before = missing(&journal);
    let spares: Vec<String> = packings.iter().flat_map(absent_spares).collect();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for sheet in state.folders.iter().filter_map(|folder| unsigned_file(folder, MEDIUM, MAX_SHEET_BYTES)) {
        let sheet = places(&sheet, files.iter().chain(&spares).cloned());
        // A later sheet knows of more media.
        sheet.into_iter().for_each(|(file, place)| match told.get(&file) {
            Some(known) if known != NOWHERE => {}
            _ => drop(told.insert(file, place)),
        });
    }
    let place = |file: &String| {
        let known = before.get(file).cloned().flatten();
        told.get(file).filter(|place| *place != NOWHERE).cloned().or(known).or_else(|| told.get(file).cloned())
    };
    let spares = spares.iter().filter_map(|file| Some((place(file).filter(|place| place != NOWHERE)?, file.clone())));
    let mut now: Missing = files.iter().map(|file| (file.clone(), place(file))).collect();
    now.extend(spares.map(|(place, file)| (file, Some(place))));
    let text = serde_json::to_vec(&now).unwrap_or_default();
    match write_atomically(&journal.join(MISSING), &text, 0o644) {
        Ok(()) => BundleError::VolumesMissing { folder, missing: render(&now) }.into(),
        Err(error) => error.into(),
    }
}

/// The spare volumes of a packing that are not here, by their paths in the bundle's folder.
fn absent_spares(packing: &FoundPacking) -> Vec<String> {
    let spares = (1..=u64::from(MAX_SPARES)).map(names::spare);
    spares.filter(|file| packing.files.beside(file).is_empty()).map(|file| packing.files.name(&file)).collect()
}

/// Notes in the journal that good copies of these volumes are awaited, besides those that are missing.
pub(super) fn note_awaited(site: &Site, state: &OpenState, damaged: BTreeSet<String>) -> Result<(), SiteError> {
    let journal = site.journal_folder(state);
    let before = missing(&journal);
    let gone = site.packings(state)?.found.into_iter().flat_map(|packing| packing.files.missing());
    let files = damaged.into_iter().chain(gone);
    let now: Missing = files.map(|file| (file.clone(), before.get(&file).cloned().flatten())).collect();
    let text = serde_json::to_vec(&now).unwrap_or_default();
    Ok(write_atomically(&journal.join(MISSING), &text, 0o644)?)
}

/// Returns the missing files that the journal names. Empty if it names none.
pub(super) fn missing(journal: &Path) -> Missing {
    fs::read(journal.join(MISSING)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn is_spare(file: &str) -> bool {
    file.rsplit('/').next().is_some_and(|name| name.starts_with("spare-"))
}

/// The missing volumes, each with where it went; and at the end what could replace them.
pub(super) fn render(missing: &Missing) -> Vec<String> {
    let word = |(file, place): (&String, &Option<String>)| match place.as_deref() {
        None => file.clone(),
        Some(NOWHERE) => format!("{file} ({NOWHERE})"),
        Some(place) => format!("{file} on {place}"),
    };
    let (spares, volumes): (Vec<_>, Vec<_>) = missing.iter().partition(|(file, _)| is_spare(file));
    let mut words: Vec<String> = volumes.into_iter().map(word).collect();
    if let Some(last) = words.last_mut().filter(|_| !spares.is_empty()) {
        let spares: Vec<String> = spares.into_iter().map(word).collect();
        last.push_str(&format!("; each of these replaces one: {}", spares.join(", ")));
    }
    words
}
