//! The keyrings that a selection names.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::CollectError;
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::openpgp::Keyring;
use crate::storage::FileError;

/// The largest keyring or source list that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Reads a keyring, armored or not.
pub fn read_keyring(path: &Path) -> Result<Keyring, CollectError> {
    Keyring::parse_file(path, &read_small(path)?).map_err(|error| unusable(path, error))
}

/// Makes the error of a keyring at `path` that cannot be used.
pub(super) fn unusable(path: &Path, error: Invalid) -> CollectError {
    Fault::unverified(format!("{} is not a usable keyring", path.display())).because(error).into()
}

/// Reads a file of a size that configuration has.
pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, FileError> {
    let size = fs::metadata(path).map_err(FileError::on_named::<FileError>("read", path))?.len();
    if size > MAX_FILE_BYTES {
        return Err(FileError::on("read", path)(ErrorKind::FileTooLarge.into()));
    }
    fs::read(path).map_err(FileError::on_named("read", path))
}
