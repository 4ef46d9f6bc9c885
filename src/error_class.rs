//! Classes of errors. `cli` maps them to exit codes (docs/exit-codes.md).

use std::error::Error;
use std::fmt::Display;
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
    /// A clock is wrong, or was when something was signed.
    WrongClock,
    /// Files of a site have changed on disk, or are gone.
    RotFound,
    /// Reviewers have not approved a bundle yet.
    ApprovalMissing,
}

impl ErrorClass {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Failed,
        Self::Usage,
        Self::NothingNew,
        Self::VerificationFailed,
        Self::Refused,
        Self::VolumesMissing,
        Self::NoSpace,
        Self::UpstreamUnavailable,
        Self::WrongClock,
        Self::RotFound,
        Self::ApprovalMissing,
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
            Self::WrongClock => "wrong-clock",
            Self::RotFound => "rot-found",
            Self::ApprovalMissing => "approval-missing",
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

/// An error that no caller tells apart from others of its class. The enum of a layer has one variant for all of these.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    class: ErrorClass,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// Makes an error of a class.
    pub fn new(class: ErrorClass, message: impl Display) -> Self {
        Self { class, message: message.to_string(), source: None }
    }

    /// Makes an error of the class [`ErrorClass::Failed`].
    pub fn failed(message: impl Display) -> Self {
        Self::new(ErrorClass::Failed, message)
    }

    /// Makes an error of the class [`ErrorClass::Usage`].
    pub fn usage(message: impl Display) -> Self {
        Self::new(ErrorClass::Usage, message)
    }

    /// Makes an error of the class [`ErrorClass::VerificationFailed`].
    pub fn unverified(message: impl Display) -> Self {
        Self::new(ErrorClass::VerificationFailed, message)
    }

    /// Makes an error of the class [`ErrorClass::Refused`].
    pub fn refused(message: impl Display) -> Self {
        Self::new(ErrorClass::Refused, message)
    }

    /// Makes an error of the class [`ErrorClass::UpstreamUnavailable`].
    pub fn unavailable(message: impl Display) -> Self {
        Self::new(ErrorClass::UpstreamUnavailable, message)
    }

    /// Adds the cause.
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        self.class
    }
}

/// Returns the message of `error` and of each of its causes in turn.
pub fn causes(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts
}
