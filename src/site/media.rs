//! Imports whatever is on media: finds this site's bundles, takes those that wait in order, and says what is still missing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::import::{ImportOptions, Imported, import_bundle, open};
use super::{Site, SiteError, write_atomically};
use crate::bundle::places::{is_bundle, unsigned_file};
use crate::bundle::recovery::MAX_SPARES;
use crate::bundle::{Bundle, BundleError, names};
use crate::media::device::Device;
use crate::media::sheet::{MAX_SHEET_BYTES, MEDIUM, NOWHERE, name, places};
use crate::progress::Progress;
use crate::trust::TrustError;

/// How many things in a medium's root are looked at.
const MAX_ENTRIES: usize = 10_000;
/// In a journal: the missing volumes, and where they went.
const MISSING: &str = "missing.json";

/// What was found on media.
#[derive(Debug)]
pub struct Found {
    /// Bundles for this site, by name and then by sequence; their volumes are looked for on all media.
    pub bundles: Vec<Bundle>,
    /// What was left alone, and why.
    pub notes: Vec<String>,
    /// The first bundle of this site by its folder's name that cannot be trusted.
    pub refused: Option<SiteError>,
    /// Whether media were searched; else bundles were named.
    searched: bool,
}

/// Looks for bundles of this site: each of `paths` is a bundle's folder, or the root of a medium.
pub fn find(site: &Site, paths: &[PathBuf]) -> Result<Found, SiteError> {
    let mut found = Found { bundles: Vec::new(), notes: Vec::new(), refused: None, searched: paths.len() > 1 };
    let mut groups: Vec<(Bundle, Vec<PathBuf>)> = Vec::new();
    for path in paths {
        let below = match is_bundle(path).map_err(SiteError::io("look into", path))? {
            true => Vec::new(),
            false => bundles_below(path, &mut found.notes)?,
        };
        if below.is_empty() {
            add(&mut groups, open(site, path)?); // which says what is wrong if it is none
            continue;
        }
        found.searched = true;
        for folder in below {
            let ours =
                folder.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{}-", site.config.name)));
            match open(site, &folder) {
                Ok(bundle) if bundle.manifest.site == site.config.name => add(&mut groups, bundle),
                Err(error) if ours => {
                    found.refused.get_or_insert(error);
                }
                Ok(_) | Err(_) => {
                    found.notes.push(format!("{} is not for this site; it is left alone", folder.display()))
                }
            }
        }
    }
    groups.sort_by(|(a, _), (b, _)| {
        let key = |bundle: &Bundle| (bundle.manifest.name.clone(), bundle.manifest.epoch, bundle.manifest.sequence);
        key(a).cmp(&key(b))
    });
    found.bundles = groups.into_iter().map(|(bundle, folders)| bundle.at_hand(folders)).collect();
    found.notes.extend(found.bundles.iter().flat_map(Bundle::strays));
    Ok(found)
}

/// One bundle may be in several places.
fn add(groups: &mut Vec<(Bundle, Vec<PathBuf>)>, bundle: Bundle) {
    let folder = bundle.folder.clone();
    match groups.iter_mut().find(|(known, _)| known.digest == bundle.digest) {
        Some((_, folders)) => folders.push(folder),
        None => groups.push((bundle, vec![folder])),
    }
}

/// The folders in a medium's root that have a manifest; links are not followed.
fn bundles_below(root: &Path, notes: &mut Vec<String>) -> Result<Vec<PathBuf>, SiteError> {
    let (mut folders, mut denied) = (Vec::new(), None);
    // What is no folder is refused when it is opened as a bundle.
    for entry in fs::read_dir(root).into_iter().flatten().take(MAX_ENTRIES) {
        let entry = entry.map_err(SiteError::io("look into", root))?;
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && is_bundle(&path).map_err(SiteError::io("look into", &path))? {
            folders.push(path);
        } else if is_folder && let Some(error) = is_denied(&path) {
            notes.push(format!("{} is left alone: {error}", path.display()));
            denied.get_or_insert(SiteError::io("look into", &path)(error));
        }
    }
    if let Some(error) = denied.filter(|_| folders.is_empty()) {
        return Err(error);
    }
    folders.sort();
    let (half, whole): (Vec<_>, Vec<_>) =
        folders.into_iter().partition(|folder| folder.extension().is_some_and(|extension| extension == "part"));
    notes
        .extend(half.iter().map(|folder| format!("{} was not written to its end; it is left alone", folder.display())));
    Ok(whole)
}

/// Returns the error if this user may not look into a folder that may be a bundle. File systems and desktops have folders of
/// their own, which are none.
fn is_denied(folder: &Path) -> Option<std::io::Error> {
    let name = folder.file_name()?.as_encoded_bytes();
    let is_own = name.starts_with(b".") || name == b"lost+found";
    let error = fs::read_dir(folder).err().filter(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    error.filter(|_| !is_own)
}

/// Imports what was found, in order. A bundle of which volumes are missing does not hold up a later one, which may have all
/// that it needs; if one does, the former is no more waited for. Ends with what is missing, or what was wrong, as the error.
pub fn import_found(
    site: &Site,
    found: Found,
    options: ImportOptions,
    say: &dyn Fn(&str),
    progress: &Progress,
) -> Result<Vec<Imported>, SiteError> {
    let several = found.searched || found.bundles.len() > 1;
    let (mut done, mut incomplete, mut passed) = (Vec::new(), BTreeMap::new(), found.refused);
    let must_fail = passed.is_some();
    for bundle in &found.bundles {
        let manifest = &bundle.manifest;
        match import_bundle(site, bundle, options, progress) {
            Ok(imported) => {
                if let Some(error) = incomplete.remove(&manifest.name) {
                    say(&format!("no more needed, since {} is here: {error}", imported.bundle));
                }
                if several {
                    say(&format!("{} is published as generation {}", imported.bundle, imported.generation.number));
                }
                done.push(imported);
            }
            Err(error) if several && is_past(&error) => {
                say(&format!("{} is passed over: {error}", manifest.folder()));
                if passed.is_none() || (!must_fail && matches!(error, SiteError::AlreadyImported { .. })) {
                    passed = Some(error);
                }
            }
            Err(error) if several && error.exit() == crate::exit::Exit::VolumesMissing => {
                incomplete.entry(manifest.name.clone()).or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match (incomplete.into_values().next(), passed) {
        (Some(error), _) => Err(error),
        (None, Some(error)) if must_fail || done.is_empty() => Err(error),
        _ => Ok(done),
    }
}

/// Returns `true` if the site has a newer state of the bundle's name, or this one.
pub(super) fn is_past(error: &SiteError) -> bool {
    matches!(error, SiteError::AlreadyImported { .. } | SiteError::Trust(TrustError::OldSequence { .. }))
}

/// The media that a bundle comes from, for the audit log: what they and the system say of them, and no paths.
pub(super) fn custody(bundle: &Bundle) -> String {
    let medium = |folder: &PathBuf| {
        let sheet = unsigned_file(folder, MEDIUM, MAX_SHEET_BYTES);
        let name = sheet.as_deref().and_then(name).unwrap_or_else(|| "a medium without a sheet".to_owned());
        format!(" from {name}: {}", Device::of(folder).words())
    };
    match bundle.is_stream() {
        true => String::new(),
        false => bundle.places().iter().map(medium).collect::<Vec<_>>().join(";"),
    }
}

/// Missing volumes, and spare volumes that are not here, with where they went.
type Missing = BTreeMap<String, Option<String>>;

/// Where volumes are missing, it says where they went, as far as sheets tell that are here or were before; `status` says it
/// too.
pub(super) fn with_places(site: &Site, bundle: &Bundle, error: SiteError) -> SiteError {
    let SiteError::Bundle(BundleError::VolumesMissing { folder, missing: files }) = error else { return error };
    let journal = site.journal_folder(bundle);
    let before = missing(&journal);
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for sheet in bundle.places().iter().filter_map(|folder| unsigned_file(folder, MEDIUM, MAX_SHEET_BYTES)) {
        let sheet = places(&sheet, &bundle.manifest);
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
    let spares = (1..=u64::from(MAX_SPARES)).map(names::spare).filter(|file| bundle.open_beside(file).is_err());
    let spares = spares.filter_map(|file| Some((place(&file).filter(|place| place != NOWHERE)?, file)));
    let mut now: Missing = files.iter().map(|file| (file.clone(), place(file))).collect();
    now.extend(spares.map(|(place, file)| (file, Some(place))));
    let text = serde_json::to_vec(&now).unwrap_or_default();
    match write_atomically(&journal.join(MISSING), &text, 0o644) {
        Ok(()) => BundleError::VolumesMissing { folder, missing: words(&now) }.into(),
        Err(error) => error,
    }
}

/// What the journal says is missing; nothing if it does not say.
pub(super) fn missing(journal: &Path) -> Missing {
    fs::read(journal.join(MISSING)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// The missing volumes, each with where it went; and at the end what could replace them.
pub(super) fn words(missing: &Missing) -> Vec<String> {
    let word = |(file, place): (&String, &Option<String>)| match place.as_deref() {
        None => file.clone(),
        Some(NOWHERE) => format!("{file} ({NOWHERE})"),
        Some(place) => format!("{file} on {place}"),
    };
    let (spares, volumes): (Vec<_>, Vec<_>) = missing.iter().partition(|(file, _)| file.starts_with("spare-"));
    let mut words: Vec<String> = volumes.into_iter().map(word).collect();
    if let Some(last) = words.last_mut().filter(|_| !spares.is_empty()) {
        let spares: Vec<String> = spares.into_iter().map(word).collect();
        last.push_str(&format!("; each of these replaces one: {}", spares.join(", ")));
    }
    words
}
