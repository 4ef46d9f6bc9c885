//! Files that the selection names one by one: on this machine, or at an address with a digest. No upstream lists them.

use std::fs::{File, Metadata};
use std::path::Path;

use url::Url;

use super::{CollectContext, CollectError, Selected};
use crate::depot::Batch;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::storage::FileError;
use crate::time::Time;

/// A file of this machine that is in the depot.
#[derive(Clone, Copy, Debug)]
pub(super) struct TakenFile {
    /// Its digest.
    pub(super) sha256: Sha256,
    /// Its size, in bytes.
    pub(super) size: u64,
}

/// Takes a file of this machine into the depot, unless it is a dry run; `wanted` is what it must be, if that was said. One that
/// is there already, and has not changed since it was read, is not read again.
pub(super) fn take(
    path: &Path,
    wanted: Option<Sha256>,
    batch: &mut Batch<'_>,
    with: &CollectContext<'_>,
) -> Result<TakenFile, CollectError> {
    let looked = Time::now();
    let data = regular(path)?;
    let known = match with.seen.digest(&data) {
        Some(known) if with.depot.has(&known, data.len())? => Some(known),
        _ => None,
    };
    let read = || Sha256::of_reader(&mut File::open(path)?);
    let (sha256, size) = match known {
        Some(known) => (known, data.len()),
        None => read().map_err(FileError::on_named::<CollectError>("read", path))?,
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != sha256) {
        let path = path.display();
        return Err(Fault::unverified(format!("{path} has sha256 {sha256}, and the selection says {wanted}")).into());
    }
    if known.is_none() && !with.dry_run {
        with.depot.put_file(batch, path, sha256, size)?;
    }
    with.seen.note(&data, looked, sha256);
    with.tally.add(1, size);
    Ok(TakenFile { sha256, size })
}

/// What is to be fetched. The digest came without a size, which its server is asked for, unless the file is here.
pub(super) fn selected(url: &Url, sha256: Sha256, with: &CollectContext<'_>) -> Result<Selected, CollectError> {
    let size = match with.depot.size(&sha256)? {
        Some(size) => size,
        None => with.fetcher.length(url)?,
    };
    Ok(Selected { urls: vec![url.clone()], size, digest: sha256.into() })
}

/// Refuses what is no file before it is opened: opening a pipe can block.
fn regular(path: &Path) -> Result<Metadata, CollectError> {
    let metadata = std::fs::metadata(path).map_err(FileError::on_named::<CollectError>("read", path))?;
    match what(metadata.file_type()) {
        None => Ok(metadata),
        Some(what) => Err(special(path, what).into()),
    }
}

/// Makes the error of a path that names no file.
pub(super) fn special(path: &Path, what: &str) -> Fault {
    Fault::usage(format!("{} is {what}, and only files are carried", path.display()))
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
