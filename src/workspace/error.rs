//! Errors of a workspace.

use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::BundleError;
use crate::depot::DepotError;
use crate::exit::Exit;
use crate::storage::{FileError, StorageError};

/// Errors of a workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// A file of the workspace's own cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The folder is no workspace.
    #[error("this workspace made no bundle: {} is not there or empty; is --workspace right?", path.display())]
    NoWorkspace {
        /// The folder.
        path: PathBuf,
    },
    /// A bundle refused.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The depot refused.
    #[error(transparent)]
    Depot(#[from] DepotError),
}

impl WorkspaceError {
    /// For `map_err`: the failure of `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
    }

    /// Returns the exit code of this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Storage(error) => error.exit(),
            Self::NoWorkspace { .. } => Exit::Usage,
            Self::Bundle(error) => error.exit(),
            Self::Depot(error) => error.exit(),
        }
    }
}

impl From<FileError> for WorkspaceError {
    fn from(error: FileError) -> Self {
        Self::Storage(error.into())
    }
}
