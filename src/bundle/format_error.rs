//! Reasons to refuse a file of a bundle, without its path: whoever opened the file adds that.

use std::io;

use crate::digest::Sha256;

/// A reason to refuse a file of a bundle, or to write none.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("it does not parse: {0}")]
    Syntax(serde_json::Error),
    #[error("it has format {found}, and this gapferry reads format {known}: use a gapferry that reads format {found}")]
    OtherFormat { found: u64, known: u64 },
    #[error("it is not in its canonical text")]
    NotCanonical,
    #[error("it has a number that is no integer from 0 to 2^53 - 1")]
    Number,
    #[error("it has more than {cap} {what}")]
    TooMany { cap: u64, what: &'static str },
    #[error("its digest or size is not the one that the signed file names")]
    WrongDigest,
    #[error("it is not exactly one Zstandard frame of the allowed kind")]
    NotOneFrame,
    #[error("line {line}: {reason}")]
    Line { line: u64, reason: Box<FormatError> },
    #[error("blob {digest}: {reason}")]
    Blob { digest: Sha256, reason: &'static str },
    #[error("{0}")]
    Contradiction(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FormatError {
    /// Adds the number of the line, counted from 1. Leaves failures of the disk as they are.
    pub(super) fn at_line(self, line: u64) -> Self {
        match self {
            Self::Io(_) | Self::Line { .. } => self,
            reason => Self::Line { line, reason: Box::new(reason) },
        }
    }
}

/// Returns the error for a value that contradicts the format.
pub(super) fn contradiction<T>(reason: impl Into<String>) -> Result<T, FormatError> {
    Err(FormatError::Contradiction(reason.into()))
}
