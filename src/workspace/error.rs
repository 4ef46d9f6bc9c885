//! Errors of a workspace.

use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::BundleError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::next_command::ShellCommand;
use crate::storage::{FileError, StorageError};

/// Errors of a workspace.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("this workspace made no bundle: {} is not there or empty; is --workspace right?", path.display())]
    NoWorkspace { path: PathBuf },
    #[error(
        "the workspace has lost the item lists of {bundle}, its last bundle: copy them back from the bundle, on any of its media, by \
         `{restore}`, and run the command again"
    )]
    ListsLost {
        bundle: String,
        restore: ShellCommand,
        #[source]
        cause: Box<BundleError>,
    },
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
            Self::NoWorkspace { .. } => ErrorClass::Usage,
            Self::ListsLost { .. } => ErrorClass::Failed,
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
