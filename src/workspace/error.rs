//! Errors of a workspace.

use std::io;
use std::path::Path;

use crate::bundle::BundleError;
use crate::depot::DepotError;
use crate::error_class::{ErrorClass, Fault};
use crate::storage::{FileError, StorageError};

/// Errors of a workspace.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Depot(#[from] DepotError),
}

impl WorkspaceError {
    /// For `map_err`: the failure of `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Storage(error) => error.class(),
            Self::Fault(error) => error.class(),
            Self::Bundle(error) => error.class(),
            Self::Depot(error) => error.class(),
        }
    }
}

impl From<FileError> for WorkspaceError {
    fn from(error: FileError) -> Self {
        Self::Storage(error.into())
    }
}
