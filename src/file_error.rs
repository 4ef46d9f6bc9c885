//! What the operating system refused to do with a file: the one variant that every error type needs.

use std::io;
use std::path::{Path, PathBuf};

use crate::exit::Exit;

/// The operating system refused to do something with a file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    /// What was tried, such as `open`.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: the failure of `action` on `path`, as the error type that the caller returns.
    pub fn on<E: From<Self>>(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> E {
        let path = path.to_owned();
        move |source| Self { action, path, source }.into()
    }

    /// The exit code of this failure.
    pub fn exit(&self) -> Exit {
        Exit::of_io(&self.source)
    }
}
