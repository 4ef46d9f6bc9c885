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
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The target is no folder.
    #[error("{} is not a folder: mount the medium, and give its folder", path.display())]
    NotAFolder {
        /// The target.
        path: PathBuf,
    },
    /// The target is on no medium.
    #[error(transparent)]
    NotMounted(#[from] NotMounted),
    /// Two targets are one folder.
    #[error("{} is given twice: give each medium once", path.display())]
    SameTarget {
        /// The target.
        path: PathBuf,
    },
    /// The bundle is where the workspace is, and asked to go there.
    #[error("the bundle is in {} itself, and that is where the workspace is, too: give a medium", path.display())]
    Source {
        /// The target.
        path: PathBuf,
    },
    /// The target cannot be written to.
    #[error("{} cannot be written to: its file system is read-only; mount it with rw, or look for a write protection switch", path.display())]
    ReadOnly {
        /// The target.
        path: PathBuf,
    },
    /// No volume fits on any target.
    #[error(
        "none of the files that are left fits: {volume} has {size} bytes, and the most room is on {}, {free} bytes: free \
         some space, give another medium, or export with a smaller volume-size; if there is room and its driver does not say \
         so, add --ignore-free-space", path.display()
    )]
    NoRoom {
        /// The first volume that is left.
        volume: String,
        /// Its size, in bytes.
        size: u64,
        /// The target with the most room.
        path: PathBuf,
        /// The room there, in bytes.
        free: u64,
    },
    /// A volume is larger than any file of the target's file system can be.
    #[error(
        "the file system of {} holds files up to {limit} bytes only, and {volume} has {size}: format it with exFAT, or export \
         with volume-size = \"FAT32\"", path.display()
    )]
    FileLimit {
        /// The target.
        path: PathBuf,
        /// The volume.
        volume: String,
        /// Its size, in bytes.
        size: u64,
        /// The largest file, in bytes.
        limit: u64,
    },
    /// All volumes are on media already.
    #[error("all volumes of {bundle} are on media already: {media}; with --again they are copied afresh")]
    AllCopied {
        /// The bundle.
        bundle: String,
        /// The media, by name.
        media: String,
    },
    /// All that is left belongs on a medium that is not here.
    #[error("{file} belongs beside its volume: give {medium} again")]
    BesideItsVolume {
        /// The recovery file.
        file: String,
        /// The medium that has the volume, by name.
        medium: String,
    },
    /// The bundle that is copied is damaged.
    #[error(
        "{} is damaged on this side already: nothing of it was left on {medium}. Make it again by `{again}`", path.display()
    )]
    SourceDamaged {
        /// The volume.
        path: PathBuf,
        /// Where it was to go.
        medium: String,
        /// Makes the volume again.
        again: ShellCommand,
        /// What the system says, if it cannot be read.
        source: Option<io::Error>,
    },
    /// A recovery file of the bundle has rotted while it was copied.
    #[error(
        "{} is damaged on this side: nothing of it was left on {medium}. Make it again by `{again}`, or run the same \
         command again to go without it", path.display()
    )]
    RecoveryDamaged {
        /// The recovery file.
        path: PathBuf,
        /// Where it was to go.
        medium: String,
        /// Makes the recovery data again.
        again: ShellCommand,
        /// What the system says, if it cannot be read.
        source: Option<io::Error>,
    },
    /// A medium gave back something else than it was given.
    #[error(
        "{file} does not read back from {medium} as it was written: the medium is worn out or a counterfeit that has less \
         than it says. Do not use it any more, and run the same command with another"
    )]
    Lies {
        /// The file.
        file: String,
        /// The medium.
        medium: String,
    },
    /// A bundle that was exported straight onto a medium is not there as it was made.
    #[error(
        "{file} does not read back from {medium} as it was exported: the medium is worn out or a counterfeit that has less \
         than it says. Do not use it any more; `{again}` makes the bundle again, for another medium"
    )]
    NotAsExported {
        /// The file.
        file: String,
        /// The medium.
        medium: String,
        /// Makes the bundle again.
        again: ShellCommand,
    },
    /// A medium does not give back what it was given.
    #[error(
        "{file} cannot be read back from {medium}: do not use the medium any more, and run the same command with another"
    )]
    Unreadable {
        /// The file.
        file: String,
        /// The medium.
        medium: String,
        /// What the system says.
        source: io::Error,
    },
    /// A medium was pulled while it was read back.
    #[error("{medium} cannot be read any more: put it back, and run the same command again")]
    Gone {
        /// The medium.
        medium: String,
        /// What the system says.
        source: io::Error,
    },
    /// A medium takes no more.
    #[error("{medium} does not take {file}, with {} to go: put it back or use another, and run the same command again", Bytes(*left))]
    Unwritable {
        /// The file.
        file: String,
        /// The medium.
        medium: String,
        /// Bytes of the file that it has not taken.
        left: u64,
        /// What the system says.
        source: io::Error,
    },
    /// A medium was not pulled and put back.
    #[error("{medium} was not {what} within {} seconds: what is on it was read back once; run the same command again", within.as_secs())]
    NotReinserted {
        /// The medium.
        medium: String,
        /// `pulled`, or `put back`.
        what: &'static str,
        /// How long that was waited for.
        within: Duration,
    },
    /// The bundle refused.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The journal of media refused.
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
            | Self::Lies { .. }
            | Self::NotAsExported { .. }
            | Self::Unreadable { .. } => ErrorClass::VerificationFailed,
            Self::Unwritable { source, .. } => ErrorClass::of_io(source),
            Self::Bundle(error) => error.class(),
            Self::Storage(error) => error.class(),
        }
    }
}
