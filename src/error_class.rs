//! Classes of errors. `cli` maps them to exit codes (docs/exit-codes.md).

use std::io;

/// The meaning of an error for the person who gave the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Something failed that no other class names, such as a disk.
    Failed,
    /// The command line, the selection or a file that it names is wrong or missing.
    Usage,
    /// There is nothing to do.
    NothingNew,
    /// A signature, a digest or a format is wrong.
    VerificationFailed,
    /// The content is genuine, but policy forbids it.
    Refused,
    /// Volumes or blobs that the bundle needs are missing.
    VolumesMissing,
    /// A file system is too small.
    NoSpace,
    /// An upstream does not answer, or does not have what it names.
    UpstreamUnavailable,
}

impl ErrorClass {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Failed,
        Self::Usage,
        Self::NothingNew,
        Self::VerificationFailed,
        Self::Refused,
        Self::VolumesMissing,
        Self::NoSpace,
        Self::UpstreamUnavailable,
    ];

    /// Returns the word in `--json` results and in the audit log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NothingNew => "nothing-new",
            Self::VerificationFailed => "verification-failed",
            Self::Refused => "refused",
            Self::VolumesMissing => "volumes-missing",
            Self::NoSpace => "no-space",
            Self::UpstreamUnavailable => "upstream-unavailable",
        }
    }

    /// Returns the class of an error of the operating system. A full disk has its own class.
    pub fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::NoSpace,
            _ => Self::Failed,
        }
    }
}
