//! What can go wrong in a depot.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::storage::FileError;

/// What can go wrong in a depot.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("blob {digest} is not in the depot")]
    Missing { digest: Sha256 },
    #[error("{} is larger than {cap} bytes", path.display())]
    TooLarge { path: PathBuf, cap: u64 },
    #[error("{} was written without an error, and is not there now: run the command again; if this persists, the store is faulty", path.display())]
    WriteLost { path: PathBuf },
    #[error("{} has changed on disk: its bytes no longer have the digest in its name; in a workspace, remove it and run the command again; at a site, a site check names the bundle that heals it", path.display())]
    DigestMismatch { path: PathBuf },
}

impl DepotError {
    /// The failure of reading a blob.
    pub(super) fn of_blob(digest: &Sha256, error: FileError) -> Self {
        match error.source.kind() {
            io::ErrorKind::NotFound => Self::Missing { digest: *digest },
            _ => Self::File(error),
        }
    }

    /// For `map_err`: the failure of `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Missing { .. } => ErrorClass::VolumesMissing,
            Self::WriteLost { .. } => ErrorClass::Failed,
            Self::TooLarge { .. } | Self::DigestMismatch { .. } => ErrorClass::VerificationFailed,
        }
    }
}
