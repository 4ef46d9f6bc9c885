//! The files of a bundle that every medium carries: all but volumes and recovery data.
//!
//! A reader takes each of them from any medium, so that a bundle can be reviewed, and a volume be replaced, with one medium alone.

use std::fs::File;
use std::path::PathBuf;

use super::MediaError;
use super::job::CopyJob;
use crate::bundle::folder::open;
use crate::bundle::packing::found::FoundPacking;
use crate::bundle::write::files_in;
use crate::bundle::{BundleError, names};
use crate::digest::Sha256;
use crate::numbers::VolumeNumber;

/// A small file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SmallFile {
    /// Its path in the bundle's folder.
    pub(super) file: String,
    /// Its size, in bytes.
    pub(super) size: u64,
    /// Its digest: what signed files say of it, if they do.
    pub(super) sha256: Sha256,
}

/// Returns the small part, with the manifest last: a folder without it is no bundle yet.
pub(super) fn small_part(job: &CopyJob<'_>) -> Result<Vec<SmallFile>, MediaError> {
    let mut files = Vec::new();
    for folder in [names::TRUST, names::APPROVALS] {
        for file in files_in(&job.folder().join(folder))? {
            files.push(as_it_is(job, format!("{folder}/{file}"))?);
        }
    }
    for collection in &job.state.manifest.collections {
        let stored = collection.list.stored;
        files.push(SmallFile { file: collection.list_file(), size: stored.size, sha256: stored.sha256 });
    }
    for packing in job.packings {
        of_packing(job, packing, &mut files);
    }
    for file in [names::SHA256SUMS, names::VERIFY] {
        files.push(as_it_is(job, file.to_owned())?);
    }
    files.push(of_bytes(names::SIGNATURE.to_owned(), &job.state.signature));
    files.push(of_bytes(names::MANIFEST.to_owned(), &job.state.bytes));
    Ok(files)
}

/// The packing and its indexes. The index of a volume that is not here may be missing too: `recut` could not make it again.
fn of_packing(job: &CopyJob<'_>, packing: &FoundPacking, files: &mut Vec<SmallFile>) {
    let is_there = |file: &str| job.folder().join(packing.files.name(file)).symlink_metadata().is_ok();
    for (number, volume) in VolumeNumber::all().zip(&packing.packing.volumes) {
        let (file, stored) = (names::volume_index(number), volume.index.stored);
        if is_there(&file) || is_there(&names::volume(number)) {
            files.push(SmallFile { file: packing.files.name(&file), size: stored.size, sha256: stored.sha256 });
        }
    }
    files.push(of_bytes(packing.files.name(names::PACKING_SIGNATURE), &packing.signature));
    files.push(of_bytes(packing.files.name(names::PACKING), &packing.bytes));
}

fn of_bytes(file: String, bytes: &[u8]) -> SmallFile {
    SmallFile { file, size: bytes.len() as u64, sha256: Sha256::of(bytes) }
}

/// A file of which no signature says anything that is read here.
fn as_it_is(job: &CopyJob<'_>, file: String) -> Result<SmallFile, MediaError> {
    let (path, mut from) = open_source(job, &file)?;
    let (sha256, size) = Sha256::of_reader(&mut from).map_err(MediaError::io("read", &path))?;
    Ok(SmallFile { file, size, sha256 })
}

/// Opens a file of the bundle by its path in the bundle's folder.
pub(super) fn open_source(job: &CopyJob<'_>, file: &str) -> Result<(PathBuf, File), BundleError> {
    let path = job.folder().join(file);
    let (from, _) = open(&path)?;
    Ok((path, from))
}
