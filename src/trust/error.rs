//! What can go wrong with keys, signatures and policy.

use std::io;
use std::path::{Path, PathBuf};

use crate::error_class::ErrorClass;
use crate::next_command::ShellCommand;
use crate::numbers::{Epoch, Sequence};
use crate::storage::FileError;
use crate::time::Time;

/// What can go wrong with keys, signatures and policy.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is not an OpenSSH Ed25519 key: {reason}", path.display())]
    BadKey { path: PathBuf, reason: &'static str },
    #[error("{} is protected by a passphrase: give --passphrase-file FILE, or run on a terminal", path.display())]
    PassphraseNeeded { path: PathBuf },
    #[error("the passphrase does not open {}", path.display())]
    WrongPassphrase { path: PathBuf },
    #[error("{} exists already: a key is never overwritten; choose another name", path.display())]
    KeyExists { path: PathBuf },
    #[error("the signature is not an OpenSSH signature (SSHSIG) by an Ed25519 key: {reason}")]
    MalformedSignature { reason: &'static str },
    #[error("the signature was made for the namespace {found:?}, not {wanted:?}")]
    WrongNamespace { found: String, wanted: &'static str },
    #[error("the signature by {key} does not match: the file or the signature was altered")]
    BadSignature { key: String },
    #[error("signed by {key}, which is not a trusted {role} here")]
    UntrustedKey { key: String, role: &'static str },
    #[error("{} is not a trust file: {reason}", path.display())]
    BadTrustFile { path: PathBuf, reason: String },
    #[error("{have} of {need} needed signatures in the role {role}")]
    BelowThreshold { role: &'static str, have: usize, need: usize },
    #[error("the bundle is for the site {found}, and this is {here}")]
    WrongSite { found: String, here: String },
    #[error(
        "the bundle has sequence {found}, and {newest} was imported before: an older state comes back with `{rollback}`"
    )]
    OldSequence { found: Sequence, newest: Sequence, rollback: ShellCommand },
    #[error(
        "the sequence jumps from {newest} to {found}, by more than {limit}: if that is meant, import with --allow-sequence-jump"
    )]
    SequenceJump { found: Sequence, newest: u64, limit: u64 },
    #[error("the bundle has epoch {found}, and the site's trust file is at epoch {here}")]
    WrongEpoch { found: Epoch, here: Epoch },
    #[error(
        "the bundle expired at {expires}, and it is {now} now: export again on the online side, or import with --allow-expired"
    )]
    Expired { expires: Time, now: Time },
    #[error("the bundle was made at {created}, and the clock here says {now}: set the clock")]
    FromTheFuture { created: Time, now: Time },
}

impl TrustError {
    /// For `map_err`: the failure of `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::BadKey { .. }
            | Self::PassphraseNeeded { .. }
            | Self::WrongPassphrase { .. }
            | Self::KeyExists { .. } => ErrorClass::Usage,
            Self::MalformedSignature { .. }
            | Self::WrongNamespace { .. }
            | Self::BadSignature { .. }
            | Self::UntrustedKey { .. }
            | Self::BadTrustFile { .. } => ErrorClass::VerificationFailed,
            Self::BelowThreshold { .. }
            | Self::WrongSite { .. }
            | Self::OldSequence { .. }
            | Self::SequenceJump { .. }
            | Self::WrongEpoch { .. }
            | Self::Expired { .. }
            | Self::FromTheFuture { .. } => ErrorClass::Refused,
        }
    }
}
