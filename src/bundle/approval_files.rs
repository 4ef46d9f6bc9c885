//! The statements of reviewers that a bundle carries: `approvals/KEY-NUMBER-DIGEST.json`, each with its signature beside it.
//!
//! Nothing is decided here. Whose statement counts, the site's trust file says.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder::read_small;
use super::{BundleError, names};
use crate::storage::{self, modes};
use crate::trust::{MAX_APPROVAL_BYTES, MAX_APPROVALS, MAX_SIGNATURE_BYTES, SignedApproval};

/// The most entries of a folder that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// The statements in a folder.
#[derive(Debug, Default)]
pub struct FoundApprovals {
    /// Those whose signatures are good, in the order of their files.
    pub signed: Vec<SignedApproval>,
    /// The reasons for which others cannot be read.
    pub flaws: Vec<BundleError>,
}

/// The folder of statements in a bundle's folder.
pub fn folder_in(bundle: &Path) -> PathBuf {
    bundle.join(names::APPROVALS)
}

/// Reads the statements in the folders of bundles.
pub fn carried(bundles: &[PathBuf]) -> Vec<SignedApproval> {
    bundles.iter().flat_map(|bundle| read_all(&folder_in(bundle)).signed).collect()
}

/// Reads the statements in a folder. Files that are none are left out.
pub fn read_all(folder: &Path) -> FoundApprovals {
    let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_ENTRIES).flatten();
    let mut files: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    files.retain(|name| name.ends_with(".json"));
    files.sort();
    let mut found = FoundApprovals::default();
    for name in files.iter().take(MAX_APPROVALS) {
        match read(folder, name) {
            Ok(signed) => found.signed.push(signed),
            Err(error) => found.flaws.push(error),
        }
    }
    found
}

/// Reads the statement in a file, with its signature in the file of the same name and `.sig`.
pub fn read_file(path: &Path) -> Result<SignedApproval, BundleError> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    read(folder, &path.file_name().unwrap_or_default().to_string_lossy())
}

fn read(folder: &Path, name: &str) -> Result<SignedApproval, BundleError> {
    let path = folder.join(name);
    let missing = |path: &Path| BundleError::io("read", path)(std::io::ErrorKind::NotFound.into());
    let text = read_small(folder, name, MAX_APPROVAL_BYTES)?.ok_or_else(|| missing(&path))?;
    let beside = format!("{name}.sig");
    let signature = read_small(folder, &beside, MAX_SIGNATURE_BYTES)?.ok_or_else(|| missing(&folder.join(&beside)))?;
    SignedApproval::open(text, signature).map_err(|source| BundleError::BadApproval { path, source: Box::new(source) })
}

/// Writes a statement into a folder, its signature first. Returns its path.
pub fn write(folder: &Path, signed: &SignedApproval) -> Result<PathBuf, BundleError> {
    modes::create_public_folders(folder).map_err(BundleError::io("create", folder))?;
    let path = folder.join(signed.file_name());
    let mut beside = path.clone().into_os_string();
    beside.push(".sig");
    for (path, bytes) in [(PathBuf::from(beside), &signed.signature), (path.clone(), &signed.text)] {
        let placed = storage::place_atomically(&path, bytes, modes::PUBLIC_FILE);
        placed.map_err(BundleError::io("write", &path))?;
    }
    Ok(path)
}
