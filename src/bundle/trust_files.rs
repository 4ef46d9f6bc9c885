//! The trust files that a bundle carries: `trust/N.json`, each with its signatures in `trust/N.json.sig`.
//!
//! Nothing is decided here. A site judges each version by the version before it.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder::read_small;
use super::{BundleError, names};
use crate::storage::{self, modes};
use crate::trust::{MAX_STEPS, MAX_TRUST_BYTES, MAX_TRUST_SIGNATURES_BYTES, SignedTrustFile, TrustError};

/// The most entries of a folder of trust files that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// Trust files that follow one another without a gap.
#[derive(Debug, Default)]
pub struct TrustChain {
    /// The files, in order.
    pub files: Vec<SignedTrustFile>,
    /// The reason for which the next one cannot be read.
    pub flaw: Option<BundleError>,
}

/// The folder of trust files in a bundle's folder.
pub fn folder_in(bundle: &Path) -> PathBuf {
    bundle.join(names::TRUST)
}

/// The name of a version in a folder of trust files.
pub fn file_name(version: u64) -> String {
    format!("{version}.json")
}

/// Returns the version that a file of this name has.
pub(super) fn version_of(file: &str) -> Option<u64> {
    let version = file.strip_suffix(".json")?.parse().ok()?;
    (file == file_name(version)).then_some(version)
}

/// The paths in a bundle's folder of a trust file and its signatures.
pub(super) fn names_of(signed: &SignedTrustFile) -> [String; 2] {
    let name = format!("{}/{}", names::TRUST, file_name(signed.file.version));
    [format!("{name}.sig"), name]
}

/// Reads the trust files in `folder` that follow the version `current`, and that version, if it is there.
pub fn read_after(folder: &Path, current: u64) -> TrustChain {
    let mut chain = TrustChain::default();
    for version in (current..=u64::MAX).take(MAX_STEPS + 1) {
        match read(folder, version) {
            Ok(Some(signed)) => chain.files.push(signed),
            Ok(None) if version == current => {}
            Ok(None) => break,
            Err(error) => {
                chain.flaw = Some(error);
                break;
            }
        }
    }
    chain
}

/// Reads a version in a folder of trust files. Returns `None` if it is missing.
pub fn read(folder: &Path, version: u64) -> Result<Option<SignedTrustFile>, BundleError> {
    let name = file_name(version);
    let Some(text) = read_small(folder, &name, MAX_TRUST_BYTES)? else { return Ok(None) };
    let signatures = read_small(folder, &format!("{name}.sig"), MAX_TRUST_SIGNATURES_BYTES)?;
    parse(&folder.join(name), version, text, &signatures.unwrap_or_default()).map(Some)
}

/// Parses what was read from `path`.
pub(super) fn parse(
    path: &Path,
    version: u64,
    text: Vec<u8>,
    signatures: &[u8],
) -> Result<SignedTrustFile, BundleError> {
    let bad = |reason| TrustError::BadTrustFile { path: path.to_owned(), reason };
    let signed = SignedTrustFile::parse(text, signatures).map_err(bad)?;
    match signed.file.version {
        found if found == version => Ok(signed),
        found => Err(bad(format!("it has version {found}")).into()),
    }
}

/// Returns the versions in a folder of trust files, sorted. Returns an empty list if there is no such folder.
pub fn versions(folder: &Path) -> Result<Vec<u64>, BundleError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        other => other.map_err(BundleError::io("look into", folder))?,
    };
    let mut versions = Vec::new();
    for entry in entries.take(MAX_ENTRIES) {
        let name = entry.map_err(BundleError::io("look into", folder))?.file_name();
        versions.extend(name.to_str().and_then(version_of));
    }
    versions.sort_unstable();
    Ok(versions)
}

/// Returns the trust files of a bundle that its own root quorum has signed, and each of which follows the one before it there, in order.
/// Whether they follow those of a site only the site can say.
pub fn consistent(bundle: &Path) -> Result<Vec<SignedTrustFile>, BundleError> {
    let folder = folder_in(bundle);
    let mut chain: Vec<SignedTrustFile> = Vec::new();
    for version in versions(&folder)? {
        let Some(signed) = read(&folder, version).ok().flatten() else { break };
        let judged = chain.last().map_or_else(|| signed.check_own_quorum(), |last| signed.check_follows(&last.file));
        if judged.is_err() {
            break;
        }
        chain.push(signed);
    }
    Ok(chain)
}

/// Writes trust files into a folder, each in one step, with its signatures first: a version without them would be refused.
pub fn write(folder: &Path, files: &[SignedTrustFile]) -> Result<(), BundleError> {
    if files.is_empty() {
        return Ok(());
    }
    modes::create_public_folders(folder).map_err(BundleError::io("create", folder))?;
    for signed in files {
        let path = folder.join(file_name(signed.file.version));
        let mut beside = path.clone().into_os_string();
        beside.push(".sig");
        for (path, bytes) in [(PathBuf::from(beside), signed.signatures.as_bytes()), (path, &signed.text)] {
            let placed = storage::place_atomically(&path, bytes, modes::PUBLIC_FILE);
            placed.map_err(BundleError::io("write", &path))?;
        }
    }
    Ok(())
}
