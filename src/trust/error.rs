//! What can go wrong with keys, signatures and policy.

use std::io;
use std::path::{Path, PathBuf};

use crate::error_class::ErrorClass;
use crate::next_command::ShellCommand;
use crate::storage::FileError;
use crate::time::Time;

/// What can go wrong with keys, signatures and policy.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key file is not one that we can use.
    #[error("{} is not an OpenSSH Ed25519 key: {reason}", path.display())]
    BadKey {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The secret key is encrypted and no passphrase was given.
    #[error("{} is protected by a passphrase: give --passphrase-file FILE, or run on a terminal", path.display())]
    PassphraseNeeded {
        /// The key file.
        path: PathBuf,
    },
    /// The passphrase does not open the key.
    #[error("the passphrase does not open {}", path.display())]
    WrongPassphrase {
        /// The key file.
        path: PathBuf,
    },
    /// A key must never be written over another.
    #[error("{} exists already: a key is never overwritten; choose another name", path.display())]
    KeyExists {
        /// The file that is there.
        path: PathBuf,
    },
    /// The signature is not an SSHSIG in its one canonical form.
    #[error("the signature is not an OpenSSH signature (SSHSIG) by an Ed25519 key: {reason}")]
    MalformedSignature {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The signature was made for another purpose.
    #[error("the signature was made for the namespace {found:?}, not {wanted:?}")]
    WrongNamespace {
        /// What the signature says.
        found: String,
        /// What it must say.
        wanted: &'static str,
    },
    /// The signature does not match the bytes.
    #[error("the signature by {key} does not match: the file or the signature was altered")]
    BadSignature {
        /// Fingerprint of the key that the signature names.
        key: String,
    },
    /// The signing key is not one that we trust for this.
    #[error("signed by {key}, which is not a trusted {role} here")]
    UntrustedKey {
        /// Fingerprint of the key.
        key: String,
        /// The role that it would need.
        role: &'static str,
    },
    /// The trust file is not usable.
    #[error("{} is not a trust file: {reason}", path.display())]
    BadTrustFile {
        /// The trust file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Not enough distinct people have signed.
    #[error("{have} of {need} needed signatures in the role {role}")]
    BelowThreshold {
        /// The role.
        role: &'static str,
        /// Distinct people who signed.
        have: usize,
        /// Distinct people who must sign.
        need: usize,
    },
    /// The bundle is for another site.
    #[error("the bundle is for the site {found}, and this is {here}")]
    WrongSite {
        /// What the manifest says.
        found: String,
        /// This site's name.
        here: String,
    },
    /// The bundle is older than what was imported before.
    #[error(
        "the bundle has sequence {found}, and {newest} was imported before: an older state comes back with `{rollback}`"
    )]
    OldSequence {
        /// What the manifest says.
        found: u64,
        /// The newest one imported.
        newest: u64,
        /// Brings the older state back.
        rollback: ShellCommand,
    },
    /// The sequence jumps further than a lost bundle or two can explain.
    #[error(
        "the sequence jumps from {newest} to {found}, by more than {limit}: if that is meant, import with --allow-sequence-jump"
    )]
    SequenceJump {
        /// What the manifest says.
        found: u64,
        /// The newest one imported.
        newest: u64,
        /// The largest jump that is accepted.
        limit: u64,
    },
    /// The bundle belongs to another epoch than the trust file.
    #[error("the bundle has epoch {found}, and the site's trust file is at epoch {here}")]
    WrongEpoch {
        /// What the manifest says.
        found: u64,
        /// What the trust file says.
        here: u64,
    },
    /// The bundle is no longer valid.
    #[error(
        "the bundle expired at {expires}, and it is {now} now: export again on the online side, or import with --allow-expired"
    )]
    Expired {
        /// When it expired.
        expires: Time,
        /// The later of the clock and the newest time seen.
        now: Time,
    },
    /// The bundle was made later than the clock says it is.
    #[error("the bundle was made at {created}, and the clock here says {now}: set the clock")]
    FromTheFuture {
        /// When it was made.
        created: Time,
        /// The clock.
        now: Time,
    },
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
