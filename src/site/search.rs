//! Looks for bundles on media: which of them can be imported, and why the others are left alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::{Site, SiteError};
use crate::bundle::folder::is_bundle;
use crate::bundle::folder::{plain_iso, read_unverified};
use crate::bundle::state::OpenState;
use crate::bundle::{BundleError, names};
use crate::error_class::Fault;
use crate::error_class::causes;
use crate::trust::TrustError;

/// The most entries of a medium's root that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// The bundles on media.
#[derive(Debug, Default)]
pub struct BundleSearch {
    /// Bundles for this site, by name and then by sequence; their volumes are looked for on all media.
    pub bundles: Vec<OpenState>,
    /// Notes about bundles and files that are left alone.
    pub notes: Vec<String>,
    /// The error that an import ends with even if it imports all of `bundles`. Always `Some` if there are none.
    pub(super) failure: Option<SiteError>,
    /// True if media were searched, or several paths given.
    pub(super) is_search: bool,
}

/// Looks for bundles of this site: each of `paths` is a bundle's folder, or the root of a medium.
pub fn find(site: &Site, paths: &[PathBuf]) -> Result<BundleSearch, SiteError> {
    let mut search = Search { site, groups: Vec::new(), notes: Vec::new(), refused: Vec::new(), foreign: Vec::new() };
    let (mut is_search, mut empty) = (paths.len() > 1, Vec::new());
    for path in paths {
        if is_bundle_folder(path)? {
            search.named_bundle(path);
            continue;
        }
        is_search = true;
        let folders = match bundles_below(path, &mut search.notes) {
            Err(error) if paths.len() > 1 => {
                search.refused.push(error); // it does not hold up the other media
                continue;
            }
            folders => folders?,
        };
        match plain_iso(path, names::MANIFEST).filter(|_| folders.is_empty()) {
            Some(error) => search.refused.push(error.into()),
            None if folders.is_empty() => empty.push(path.clone()),
            None => {}
        }
        folders.iter().for_each(|folder| search.found_bundle(folder));
    }
    Ok(BundleSearch { is_search, ..search.finish(empty)? })
}

/// Returns the folders of all bundles that [`find`] would look at. What cannot be read is left out, since `find` says so.
pub fn bundle_folders(paths: &[PathBuf]) -> Vec<PathBuf> {
    let folders = paths.iter().map(|path| match is_bundle_folder(path) {
        Ok(true) => vec![path.clone()],
        _ => bundles_below(path, &mut Vec::new()).unwrap_or_default(),
    });
    folders.flatten().collect()
}

struct Search<'a> {
    site: &'a Site,
    /// Each bundle, with all folders that have it.
    groups: Vec<OpenState>,
    notes: Vec<String>,
    /// Bundles that the user wants here and that cannot be imported: the import fails after it has taken the others.
    refused: Vec<SiteError>,
    /// Bundles of others: the import fails only if there is nothing else.
    foreign: Vec<SiteError>,
}

impl Search<'_> {
    /// Takes a bundle whose folder was given by the user.
    fn named_bundle(&mut self, folder: &Path) {
        match self.open(folder) {
            Ok(bundle) => self.add(bundle),
            Err(error) => self.refused.push(error),
        }
    }

    /// Takes a bundle that was found on a medium.
    fn found_bundle(&mut self, folder: &Path) {
        match self.open(folder) {
            Ok(bundle) => self.add(bundle),
            Err(error) if self.is_foreign(folder, &error) => self.foreign.push(error),
            Err(error) => self.refused.push(error),
        }
    }

    /// Opens a bundle that is signed by a trusted key and is for this site.
    fn open(&self, folder: &Path) -> Result<OpenState, SiteError> {
        let refuse = |source| SiteError::NotImported { folder: folder.to_owned(), source: Box::new(source) };
        let bundle = self.site.bundle(folder).map_err(refuse)?;
        let (found, here) = (&bundle.manifest.site, &self.site.config.name);
        match found == here {
            true => Ok(bundle),
            false => Err(refuse(TrustError::WrongSite { found: found.to_string(), here: here.to_string() }.into())),
        }
    }

    /// Returns true if the bundle is somebody else's. A manifest without a good signature cannot be believed, so such a bundle
    /// counts as foreign only if neither the folder's name nor the text of the manifest names this site. The text is searched
    /// and not parsed; a bundle that lies here is not imported either way.
    fn is_foreign(&self, folder: &Path, error: &SiteError) -> bool {
        let SiteError::NotImported { source, .. } = error else { return false };
        if matches!(**source, SiteError::Trust(TrustError::WrongSite { .. })) {
            return true;
        }
        let site = &self.site.config.name;
        let is_named = folder.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{site}-")));
        let field = format!("\"site\": \"{site}\"");
        let names_this_site = || match read_unverified(folder) {
            Ok(text) => memmem::find(&text, field.as_bytes()).is_some(),
            Err(_) => false, // the error that is reported tells of it
        };
        is_unverified(source) && !is_named && !names_this_site()
    }

    /// Adds a bundle; several folders may have it.
    fn add(&mut self, bundle: OpenState) {
        match self.groups.iter_mut().find(|known| known.digest == bundle.digest) {
            Some(known) => known.folders.extend(bundle.folders),
            None => self.groups.push(bundle),
        }
    }

    fn finish(self, empty: Vec<PathBuf>) -> Result<BundleSearch, SiteError> {
        let Self { site, groups, mut notes, mut refused, foreign } = self;
        let mut bundles = Vec::new();
        for bundle in groups {
            match volume_notes(site, &bundle) {
                Ok(more) => {
                    notes.extend(more);
                    bundles.push(bundle);
                }
                Err(error) => refused.push(error),
            }
        }
        bundles.sort_by(|a, b| {
            let key =
                |bundle: &OpenState| (bundle.manifest.name.clone(), bundle.manifest.epoch, bundle.manifest.sequence);
            key(a).cmp(&key(b))
        });
        let is_refused = !refused.is_empty();
        let mut left_alone = refused.into_iter().chain(foreign).peekable();
        // What ends the import is not said twice.
        let failure = match (bundles.is_empty(), is_refused, left_alone.peek()) {
            (true, _, None) => Some(SiteError::NoBundle { paths: empty.clone() }),
            (true, _, Some(_)) => left_alone.next(),
            (false, true, Some(_)) => left_alone.next(),
            (false, ..) => None,
        };
        notes.extend(left_alone.map(|error| causes(&error).join(": ")));
        if !matches!(failure, Some(SiteError::NoBundle { .. })) {
            notes.extend(empty.iter().map(|path| format!("{} has no bundle", path.display())));
        }
        Ok(BundleSearch { bundles, notes, failure, is_search: false })
    }
}

/// Returns notes about packings and volumes of the bundle that are left alone.
fn volume_notes(site: &Site, bundle: &OpenState) -> Result<Vec<String>, SiteError> {
    let search = site.packings(bundle)?;
    let absent = search.absent.iter().map(|error| format!("a packing is left alone: {}", causes(error).join(": ")));
    let mut notes: Vec<String> = absent.collect();
    for packing in &search.found {
        notes.extend(packing.files.strays().map_err(SiteError::io("look into", &bundle.expected()))?);
    }
    Ok(notes)
}

/// Returns true if no trusted key has signed the manifest.
fn is_unverified(error: &SiteError) -> bool {
    match error {
        SiteError::Trust(_) => true,
        SiteError::Bundle(error) => matches!(
            error,
            BundleError::Unsigned { .. }
                | BundleError::NotABundle { .. }
                | BundleError::NotAFile { .. }
                | BundleError::TooLarge { .. }
                | BundleError::Trust(_)
        ),
        _ => false,
    }
}

/// Returns true if `path` is a bundle's folder. Fails if it is no folder at all: a medium that is not mounted must not look
/// like an empty one.
fn is_bundle_folder(path: &Path) -> Result<bool, SiteError> {
    let not_there = || {
        let path = path.display();
        Fault::usage(format!(
            "{path} is not a folder that is here: mount the medium, and give its folder or that of a bundle on it"
        ))
        .into()
    };
    match fs::metadata(path) {
        Ok(data) if data.is_dir() => is_bundle(path).map_err(SiteError::io("look into", path)),
        Ok(_) => Err(not_there()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(not_there())
        }
        Err(error) => Err(SiteError::io("look at", path)(error)),
    }
}

/// The folders in a medium's root that have a manifest; links are not followed.
fn bundles_below(root: &Path, notes: &mut Vec<String>) -> Result<Vec<PathBuf>, SiteError> {
    let (mut folders, mut denied) = (Vec::new(), None);
    for entry in fs::read_dir(root).map_err(SiteError::io("look into", root))?.take(MAX_ENTRIES) {
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
fn is_denied(folder: &Path) -> Option<io::Error> {
    let name = folder.file_name()?.as_encoded_bytes();
    let is_own = name.starts_with(b".") || name == b"lost+found";
    let error = fs::read_dir(folder).err().filter(|error| error.kind() == io::ErrorKind::PermissionDenied);
    error.filter(|_| !is_own)
}
