//! Errors of files that gapferry keeps for itself.

use std::io;
use std::path::{Path, PathBuf};

use super::FileError;
use super::owner::Owner;
use crate::error_class::ErrorClass;

/// Errors of files that gapferry keeps for itself.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is held by another gapferry: wait until it is done", path.display())]
    Locked { path: PathBuf },
    #[error("{} belongs to {owner}, and this was run by another user, whose files {owner} could not replace: run as {owner}, such as with `{command}`", path.display())]
    OtherOwner { path: PathBuf, owner: Owner, command: String },
    #[error("{} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
}

impl StorageError {
    /// For `map_err`: the failure of `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
    }

    /// For `map_err`: the file at `path` does not parse, as the error says.
    pub fn damaged<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> Self + use<E> {
        let path = path.to_owned();
        move |error| Self::Damaged { path: path.clone(), reason: error.to_string() }
    }

    /// Returns whether the file does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::File(error) if error.source.kind() == io::ErrorKind::NotFound)
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Locked { .. } | Self::OtherOwner { .. } | Self::Damaged { .. } => ErrorClass::Failed,
        }
    }
}
