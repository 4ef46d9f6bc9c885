//! The files of one folder that may be a bundle, as far as nothing of them is verified yet.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::state::manifest::MAX_MANIFEST_BYTES;
use super::{BundleError, names};
use crate::storage::{FileError, read_first_block, read_to_cap};

/// The most entries of a folder that are looked at: a hostile medium may have no end.
const MAX_ENTRIES: usize = 10_000;

/// Reads the manifest of a bundle without a signature check: for `inspect` of unsigned bundles, never for import.
pub(crate) fn read_unverified(folder: &Path) -> Result<Vec<u8>, BundleError> {
    read_file(folder, names::MANIFEST, MAX_MANIFEST_BYTES)
}

pub(super) fn read_file(folder: &Path, name: &'static str, cap: u64) -> Result<Vec<u8>, BundleError> {
    let path = folder.join(name);
    let (file, size) = match open(&path) {
        Err(BundleError::File(FileError { source, .. }))
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Err(not_a_bundle(folder, name));
        }
        other => other?,
    };
    if size > cap {
        return Err(BundleError::TooLarge { path, cap });
    }
    read_to_cap(file, cap).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => BundleError::TooLarge { path, cap },
        _ => BundleError::io("read", &path)(error),
    })
}

/// Reads a small file of a bundle. Returns `None` if it is missing.
pub(super) fn read_small(folder: &Path, name: &str, cap: u64) -> Result<Option<Vec<u8>>, BundleError> {
    let path = folder.join(name);
    let (file, size) = match open(&path) {
        Err(BundleError::File(FileError { source, .. }))
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        other => other?,
    };
    let too_large = || BundleError::TooLarge { path: path.clone(), cap };
    if size > cap {
        return Err(too_large());
    }
    let read = read_to_cap(file, cap).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => too_large(),
        _ => BundleError::io("read", &path)(error),
    });
    read.map(Some)
}

/// Returns the reason that `folder` has no file `name`.
fn not_a_bundle(folder: &Path, name: &'static str) -> BundleError {
    if folder.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return BundleError::NoFolder { folder: folder.to_owned() };
    }
    plain_iso(folder, name).unwrap_or_else(|| BundleError::NotABundle { folder: folder.to_owned(), file: name })
}

/// Returns `ShortNames` if the folder, or one in it, has the file `wanted` under a name that plain ISO 9660 has cut short.
pub(crate) fn plain_iso(folder: &Path, wanted: &'static str) -> Option<BundleError> {
    // A medium's root was named, and the bundle's own folder has a short name, too.
    let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_ENTRIES).filter_map(Result::ok);
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    std::iter::once(folder.to_owned()).chain(folders).find_map(|folder| short_names(&folder, wanted))
}

/// Looks for a short name of ISO 9660 in the place of `wanted`, such as `MANIFEST.JSO` or `manifest_json.sig`.
pub(super) fn short_names(folder: &Path, wanted: &'static str) -> Option<BundleError> {
    const CUT_AT: usize = 7; // "MANIFES0.SIG" is how names that are alike are told apart
    let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_ENTRIES).filter_map(Result::ok);
    let there = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_short = |name: &String| {
        let start = name.get(..CUT_AT).zip(wanted.get(..CUT_AT));
        start.is_some_and(|(a, b)| a.eq_ignore_ascii_case(b)) && !name.starts_with(names::MANIFEST)
    };
    let found = there.filter(is_short).min()?;
    Some(BundleError::ShortNames { folder: folder.to_owned(), found, wanted })
}

/// Opens a regular file for reading, without following a symbolic link and without waiting on a FIFO or a device; returns
/// its size too.
pub(crate) fn open(path: &Path) -> Result<(File, u64), BundleError> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path) {
        // A link, or a socket.
        Err(e) if is_errno(&e, rustix::io::Errno::LOOP) || is_errno(&e, rustix::io::Errno::NXIO) => {
            return Err(BundleError::NotAFile { path: path.to_owned() });
        }
        other => other.map_err(BundleError::io("open", path))?,
    };
    let metadata = file.metadata().map_err(BundleError::io("look at", path))?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(BundleError::NotAFile { path: path.to_owned() }) }
}

fn is_errno(error: &io::Error, wanted: rustix::io::Errno) -> bool {
    error.raw_os_error() == Some(wanted.raw_os_error())
}

/// Reads a small file beside the manifest, for which nothing vouches. Returns `None` if it is missing, is no
/// regular file or is larger than `cap` bytes.
pub(crate) fn unsigned_file(folder: &Path, name: &'static str, cap: u64) -> Option<String> {
    read_file(folder, name, cap).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the error for a volume, `BUNDLE/packings/ID/volume-001.tar`, on a medium that was pulled or unmounted. Nothing is known of
/// the volume then, so it does not count as damaged. Returns `None` if the medium can be read.
pub(super) fn gone_with_volume(volume: &Path) -> Option<BundleError> {
    volume.ancestors().nth(3).and_then(gone_folder)
}

/// Returns whether the medium of a bundle's folder has become unreadable.
pub(crate) fn is_gone(folder: &Path) -> bool {
    gone_folder(folder).is_some()
}

pub(crate) fn gone_folder(folder: &Path) -> Option<BundleError> {
    let failed = |source| BundleError::Gone { folder: folder.to_owned(), source };
    read_first_block(&folder.join(names::MANIFEST)).err().map(failed)
}

/// Returns whether `folder` has a manifest, whatever it is. A folder that nobody may look into has none, and neither has
/// a path that is no folder. A medium that cannot be read is an error, since it would seem to be empty.
pub(crate) fn is_bundle(folder: &Path) -> io::Result<bool> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match folder.join(names::MANIFEST).symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) => Ok(false),
        Err(error) => Err(error),
    }
}
