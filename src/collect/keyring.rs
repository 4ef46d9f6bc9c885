//! The keyrings that a selection names.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error_class::ErrorClass;
use crate::formats::Invalid;
use crate::formats::openpgp::Keyring;
use crate::storage::FileError;

/// The largest keyring or source list that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Why a keyring is of no use.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is not a usable keyring", path.display())]
    Unusable { path: PathBuf, source: Invalid },
}

impl KeyringError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Unusable { .. } => ErrorClass::VerificationFailed,
        }
    }
}

/// Reads a keyring, armored or not.
pub fn read_keyring(path: &Path) -> Result<Keyring, KeyringError> {
    let unusable = |source| KeyringError::Unusable { path: path.to_owned(), source };
    Keyring::parse_file(path, &read_small(path)?).map_err(unusable)
}

/// Reads a file of a size that configuration has.
pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, FileError> {
    let size = fs::metadata(path).map_err(FileError::on_named::<FileError>("read", path))?.len();
    if size > MAX_FILE_BYTES {
        return Err(FileError::on("read", path)(ErrorKind::FileTooLarge.into()));
    }
    fs::read(path).map_err(FileError::on_named("read", path))
}
