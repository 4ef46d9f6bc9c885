//! What the operating system refused to do with a file: the one variant that every error type needs.

use std::io;
use std::path::{Path, PathBuf};

use crate::error_class::ErrorClass;

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
    /// The side that named the path.
    pub named_by: NamedBy,
}

/// The side that named a path. If nothing is there, the fault is theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamedBy {
    /// gapferry itself, as one of its own.
    #[default]
    Program,
    /// The operator, on the command line or in a selection.
    Operator,
}

/// Says so if the file system of `path` is full of files and not of bytes: the system has one error for both.
pub(crate) fn full_disk_error(path: &Path, source: io::Error) -> io::Error {
    if source.kind() != io::ErrorKind::StorageFull {
        return source;
    }
    // The file that could not be made is not there.
    let stat = path.ancestors().find_map(|folder| {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        rustix::fs::statvfs(folder).ok()
    });
    match stat.is_some_and(|stat| stat.f_files > 0 && stat.f_favail == 0) {
        true => io::Error::new(
            io::ErrorKind::StorageFull,
            "no inodes are left on its file system, whatever room there is (`df -i` shows it): remove files there, or make it \
             anew with more inodes",
        ),
        false => source,
    }
}

impl FileError {
    /// For `map_err`: the failure of `action` on `path`, as the error type that the caller returns.
    pub fn on<E: From<Self>>(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> E + use<E> {
        let path = path.to_owned();
        move |source| Self { action, source: full_disk_error(&path, source), path, named_by: NamedBy::Program }.into()
    }

    /// The same for a path that the operator named. If nothing is there, the command or the selection is wrong.
    pub fn on_named<E: From<Self>>(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> E + use<E> {
        let on_path = Self::on::<Self>(action, path);
        move |source| Self { named_by: NamedBy::Operator, ..on_path(source) }.into()
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        use io::ErrorKind::{InvalidFilename, IsADirectory, NotADirectory, NotFound};
        let is_wrong = matches!(self.source.kind(), NotFound | NotADirectory | IsADirectory | InvalidFilename);
        match self.named_by {
            NamedBy::Operator if is_wrong => ErrorClass::Usage,
            _ => ErrorClass::of_io(&self.source),
        }
    }
}
