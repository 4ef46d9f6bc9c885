//! Files that the selection names one by one: on this machine, or at an address with a digest. No upstream lists them.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use url::Url;

use super::{CollectContext, FetchIntoDepotError, Selected};
use crate::depot::{Batch, DepotError};
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::fetch::FetchError;
use crate::storage::FileError;
use crate::time::Time;

/// Why a file cannot be taken.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum NamedFileError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is {what}, and only files are carried", path.display())]
    Special { path: PathBuf, what: &'static str },
    #[error("{} has sha256 {found}, and the selection says {wanted}", path.display())]
    OtherDigest { path: PathBuf, found: Sha256, wanted: Sha256 },
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Payload(#[from] FetchIntoDepotError),
    #[error(transparent)]
    Depot(#[from] DepotError),
}

impl NamedFileError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Special { .. } => ErrorClass::Usage,
            Self::OtherDigest { .. } => ErrorClass::VerificationFailed,
            Self::Fetch(error) => error.class(),
            Self::Payload(error) => error.class(),
            Self::Depot(error) => error.class(),
        }
    }
}

/// Takes a file of this machine into the depot, unless it is a dry run; `wanted` is what it must be, if that was said. One that
/// is there already, and has not changed since it was read, is not read again.
pub(super) fn take(
    path: &Path,
    wanted: Option<Sha256>,
    batch: &mut Batch<'_>,
    with: &CollectContext<'_>,
) -> Result<Sha256, NamedFileError> {
    let looked = Time::now();
    let data = regular(path)?;
    let known = with.seen.digest(&data).filter(|known| with.depot.has(known, data.len()));
    let read = || Sha256::of_reader(&mut File::open(path)?);
    let (sha256, size) = match known {
        Some(known) => (known, data.len()),
        None => read().map_err(FileError::on_named::<NamedFileError>("read", path))?,
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != sha256) {
        return Err(NamedFileError::OtherDigest { path: path.to_owned(), found: sha256, wanted });
    }
    if known.is_none() && !with.dry_run {
        with.depot.put_file(batch, path, (sha256, size))?;
    }
    with.seen.note(&data, looked, sha256);
    with.tally.add(1, size);
    Ok(sha256)
}

/// What is to be fetched. The digest came without a size, which its server is asked for, unless the file is here.
pub(super) fn selected(url: &Url, sha256: Sha256, with: &CollectContext<'_>) -> Result<Selected, NamedFileError> {
    let size = match with.depot.size(&sha256) {
        Some(size) => size,
        None => with.fetcher.length(url)?,
    };
    Ok(Selected { urls: vec![url.clone()], size, digest: sha256.into() })
}

/// Refuses what is no file before it is opened: opening a pipe can block.
fn regular(path: &Path) -> Result<Metadata, NamedFileError> {
    let metadata = std::fs::metadata(path).map_err(FileError::on_named::<NamedFileError>("read", path))?;
    match what(metadata.file_type()) {
        None => Ok(metadata),
        Some(what) => Err(NamedFileError::Special { path: path.to_owned(), what }),
    }
}

/// What a thing is that is no file.
pub(super) fn what(kind: std::fs::FileType) -> Option<&'static str> {
    match () {
        () if kind.is_file() => None,
        () if kind.is_dir() => Some("a folder"),
        () if kind.is_symlink() => Some("a symbolic link"),
        () => Some("a pipe, socket or device"),
    }
}
