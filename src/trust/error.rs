//! What can go wrong with keys, signatures and policy.

use std::io;
use std::path::{Path, PathBuf};

use super::missing_signatures::MissingSignatures;
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::label::Label;
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
    #[error("it is not a statement of a reviewer: {reason}")]
    MalformedApproval { reason: String },
    #[error("ssh-keygen did not sign with {}: {reason}", key.display())]
    NotSigned { key: PathBuf, reason: String },
    #[error("signed by {key}, which is not a trusted {role} here")]
    UntrustedKey { key: String, role: &'static str },
    #[error(
        "signed by {key} of {person}, which version {version} of the trust file revokes: whoever has it may not be {person}"
    )]
    RevokedKey { key: String, person: Label, version: u64 },
    #[error("signed by {key} of {person}, which expired at {expires}, and it is {now} now")]
    ExpiredKey { key: String, person: Label, expires: Time, now: Time },
    #[error(
        "version {version} of the trust file expired at {expires}, and it is {now} now: apply a newer version, which its root quorum signs"
    )]
    TrustFileExpired { version: u64, expires: Time, now: Time },
    #[error("{} is not a trust file: {reason}", path.display())]
    BadTrustFile { path: PathBuf, reason: String },
    #[error("{0}")]
    BelowRootQuorum(Box<MissingSignatures>),
    #[error(
        "version {version} of the trust file has no root quorum, so signatures cannot vouch for a change from it or to it: compare the \
         fingerprint of the new file with those who made it, and give it with --replace"
    )]
    NoRootQuorum { version: u64 },
    #[error("the trust file is for the site {found}, and this is {here}")]
    TrustFileOfOtherSite { found: String, here: String },
    #[error(
        "the trust file has version {found}, and the site has version {here}: each version follows the one before it, so give those \
         between too"
    )]
    TrustVersion { found: u64, here: u64 },
    #[error("the trust file has epoch {found}, and the one before it had {here}: an epoch never falls")]
    OldEpoch { found: Epoch, here: Epoch },
    #[error(
        "version {version} of the trust file does not revoke {key} of {person}, which the version before it revoked"
    )]
    RevocationLost { key: String, person: Label, version: u64 },
    #[error("version {version} of the trust file has the fingerprint {found}, and not {given}: it is another file")]
    OtherTrustFile { version: u64, found: Sha256, given: Sha256 },
    #[error(
        "the trust file would change {found} times at once, and at most {limit} are allowed: apply it in several runs"
    )]
    TooManySteps { found: usize, limit: usize },
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
    #[error(
        "the bundle was made under version {found} of the trust file, and the site has version {here}: the versions between are missing from the \
         folder trust of the bundle, so copy it again, or apply them first"
    )]
    NewerTrust { found: u64, here: u64 },
    #[error("the bundle has epoch {found}, and the site's trust file is at epoch {here}")]
    WrongEpoch { found: Epoch, here: Epoch },
    #[error(
        "the bundle expired at {expires}, and it is {now} now: export again on the online side, or import with --allow-expired"
    )]
    Expired { expires: Time, now: Time },
    #[error("the bundle was made at {created}, and the clock here says {now}: set the clock")]
    FromTheFuture { created: Time, now: Time },
    #[error(
        "the clock here says {clock}, and the newest time that this site knows of is {newest}: set the clock; if it is right, give --trust-clock"
    )]
    FarClock { clock: Time, newest: Time },
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
            | Self::NotSigned { .. }
            | Self::KeyExists { .. } => ErrorClass::Usage,
            Self::MalformedSignature { .. }
            | Self::MalformedApproval { .. }
            | Self::WrongNamespace { .. }
            | Self::BadSignature { .. }
            | Self::UntrustedKey { .. }
            | Self::BelowRootQuorum(_)
            | Self::OtherTrustFile { .. }
            | Self::BadTrustFile { .. } => ErrorClass::VerificationFailed,
            Self::RevokedKey { .. }
            | Self::ExpiredKey { .. }
            | Self::TrustFileExpired { .. }
            | Self::NoRootQuorum { .. }
            | Self::TrustFileOfOtherSite { .. }
            | Self::TrustVersion { .. }
            | Self::OldEpoch { .. }
            | Self::RevocationLost { .. }
            | Self::TooManySteps { .. }
            | Self::WrongSite { .. }
            | Self::OldSequence { .. }
            | Self::SequenceJump { .. }
            | Self::WrongEpoch { .. }
            | Self::NewerTrust { .. }
            | Self::Expired { .. } => ErrorClass::Refused,
            Self::FromTheFuture { .. } | Self::FarClock { .. } => ErrorClass::WrongClock,
        }
    }
}
