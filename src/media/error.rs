//! What can go wrong between a bundle and its media.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::NotMounted;
use crate::bundle::BundleError;
use crate::error_class::ErrorClass;
use crate::next_command::ShellCommand;
use crate::storage::{FileError, StorageError};
use crate::units::Bytes;

/// What can go wrong between a bundle and its media.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is not a folder: mount the medium, and give its folder", path.display())]
    NotAFolder { path: PathBuf },
    #[error(transparent)]
    NotMounted(#[from] NotMounted),
    #[error("{} is given twice: give each medium once", path.display())]
    SameTarget { path: PathBuf },
    #[error("the bundle is in {} itself, and that is where the workspace is, too: give a medium", path.display())]
    Source { path: PathBuf },
    #[error("{} cannot be written to: its file system is read-only; mount it with rw, or look for a write protection switch", path.display())]
    ReadOnly { path: PathBuf },
    #[error(
        "none of the files that are left fits: {volume} has {size} bytes, and the most room is on {}, {free} bytes: free \
         some space, give another medium, or export with a smaller volume-size; if there is room and its driver does not say \
         so, add --ignore-free-space", path.display()
    )]
    NoRoom { volume: String, size: u64, path: PathBuf, free: u64 },
    #[error(
        "the file system of {} holds files up to {limit} bytes only, and {volume} has {size}: format it with exFAT, or export \
         with volume-size = \"FAT32\"", path.display()
    )]
    FileLimit { path: PathBuf, volume: String, size: u64, limit: u64 },
    #[error("all volumes of {bundle} are on media already: {media}; with --again they are copied afresh")]
    AllCopied { bundle: String, media: String },
    #[error("{file} belongs beside its volume: give {medium} again")]
    BesideItsVolume { file: String, medium: String },
    #[error(
        "{} is damaged on this side already: nothing of it was left on {medium}. Make it again by `{again}`", path.display()
    )]
    SourceDamaged { path: PathBuf, medium: String, again: ShellCommand, source: Option<io::Error> },
    #[error(
        "{} is damaged on this side: nothing of it was left on {medium}. Make it again by `{again}`, or run the same \
         command again to go without it", path.display()
    )]
    RecoveryDamaged { path: PathBuf, medium: String, again: ShellCommand, source: Option<io::Error> },
    #[error(
        "{file} does not read back from {medium} as it was written: the medium is worn out or a counterfeit that has less \
         than it says. Do not use it any more, and run the same command with another"
    )]
    ReadBackMismatch { file: String, medium: String },
    #[error(
        "{file} does not read back from {medium} as it was exported: the medium is worn out or a counterfeit that has less \
         than it says. Do not use it any more; `{again}` makes the bundle again, for another medium"
    )]
    NotAsExported { file: String, medium: String, again: ShellCommand },
    #[error(
        "{file} cannot be read back from {medium}: do not use the medium any more, and run the same command with another"
    )]
    Unreadable { file: String, medium: String, source: io::Error },
    #[error("{medium} cannot be read any more: put it back, and run the same command again")]
    Gone { medium: String, source: io::Error },
    #[error("{medium} does not take {file}, with {} to go: put it back or use another, and run the same command again", Bytes(*left))]
    Unwritable { file: String, medium: String, left: u64, source: io::Error },
    #[error("{medium} was not {what} within {} seconds: what is on it was read back once; run the same command again", within.as_secs())]
    NotReinserted { medium: String, what: &'static str, within: Duration },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl MediaError {
    /// For `map_err`: the failure of `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::NotAFolder { .. }
            | Self::NotMounted(_)
            | Self::SameTarget { .. }
            | Self::Source { .. }
            | Self::BesideItsVolume { .. } => ErrorClass::Usage,
            Self::ReadOnly { .. } | Self::NotReinserted { .. } | Self::Gone { .. } => ErrorClass::Failed,
            Self::NoRoom { .. } | Self::FileLimit { .. } => ErrorClass::NoSpace,
            Self::AllCopied { .. } => ErrorClass::NothingNew,
            Self::SourceDamaged { .. }
            | Self::RecoveryDamaged { .. }
            | Self::ReadBackMismatch { .. }
            | Self::NotAsExported { .. }
            | Self::Unreadable { .. } => ErrorClass::VerificationFailed,
            Self::Unwritable { source, .. } => ErrorClass::of_io(source),
            Self::Bundle(error) => error.class(),
            Self::Storage(error) => error.class(),
        }
    }
}
