//! Exit codes: one constant per outcome (docs/exit-codes.md).

use std::process::ExitCode;

use crate::error_class::ErrorClass;

/// How a command ended, as its exit code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// All that was asked for is done.
    Done = 0,
    /// Something failed that no other code names, such as a disk error.
    Failed = 1,
    /// The command line or the selection is wrong.
    Usage = 2,
    /// There is nothing to do: no new content to export, or a bundle that is imported already.
    NothingNew = 3,
    /// A signature, a digest or a format is not what it must be.
    VerificationFailed = 4,
    /// What was read is genuine, but policy forbids it: another site, an old sequence, an expired bundle.
    Refused = 5,
    /// Volumes or blobs that the bundle needs are not here.
    VolumesMissing = 6,
    /// A file system is too small.
    NoSpace = 7,
    /// An upstream does not answer, or does not have what it names.
    UpstreamUnavailable = 8,
    /// A clock is wrong, or was when something was signed.
    WrongClock = 9,
    /// Files of a site have changed on disk, or are gone.
    RotFound = 10,
    /// Reviewers have not approved a bundle yet.
    ApprovalMissing = 11,
}

impl Exit {
    /// The code as a number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Returns the word for this outcome in `--json` results.
    pub fn word(self) -> &'static str {
        let error = ErrorClass::ALL.into_iter().find(|class| Self::from(*class) == self);
        error.map_or("done", ErrorClass::word)
    }
}

impl From<ErrorClass> for Exit {
    fn from(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Failed => Self::Failed,
            ErrorClass::Usage => Self::Usage,
            ErrorClass::NothingNew => Self::NothingNew,
            ErrorClass::VerificationFailed => Self::VerificationFailed,
            ErrorClass::Refused => Self::Refused,
            ErrorClass::VolumesMissing => Self::VolumesMissing,
            ErrorClass::NoSpace => Self::NoSpace,
            ErrorClass::UpstreamUnavailable => Self::UpstreamUnavailable,
            ErrorClass::WrongClock => Self::WrongClock,
            ErrorClass::RotFound => Self::RotFound,
            ErrorClass::ApprovalMissing => Self::ApprovalMissing,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
