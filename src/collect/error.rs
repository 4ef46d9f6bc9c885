//! Errors of collectors.

use std::fmt::Display;
use std::path::PathBuf;

use url::Url;

use super::address::origin;
use crate::bundle::BundleError;
use crate::depot::DepotError;
use crate::error_class::{ErrorClass, Fault};
use crate::fetch::{FetchError, FetchErrors};
use crate::formats::Invalid;
use crate::next_command::ShellCommand;
use crate::path::{MalformedPath, PublishPath};
use crate::storage::FileError;

/// A failure to collect content.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Payload(#[from] FetchErrors),
    /// A text of an upstream is malformed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A path of an upstream is malformed.
    #[error(transparent)]
    Path(#[from] MalformedPath),
    /// An upstream lacks a suite, a repository or a stream, or a file of it that is needed.
    #[error("{0}")]
    Absent(String),
    /// An upstream has it without a signature.
    #[error("{0}")]
    Unsigned(String),
    /// Its signature is wrong.
    #[error("{what}")]
    Untrusted { what: String, source: Invalid },
    #[error("{} holds a secret, and every user of this machine can read it: run `{command}`", path.display())]
    WorldReadable { path: PathBuf, command: ShellCommand },
    /// The part of the selection that an error is about.
    #[error("{what}")]
    Within { what: String, source: Box<Self> },
}

impl CollectError {
    /// For `map_err`: names the part of the selection that the error is about.
    pub(super) fn within<E: Into<Self>>(what: impl Display) -> impl FnOnce(E) -> Self {
        move |source| Self::Within { what: what.to_string(), source: Box::new(source.into()) }
    }

    /// Makes the error of a stream or repository that nobody signed, given a keyring.
    pub(super) fn unsigned(what: &str, root: &Url) -> Self {
        let url = origin(root);
        Self::Unsigned(format!(
            "{url} has a {what} that nobody signed: if that is meant, leave the keyring out and set allow-unsigned = true"
        ))
    }

    /// For `map_err`: no key of the keyring signed `what`.
    pub(super) fn untrusted(what: impl Display) -> impl Fn(Invalid) -> Self {
        move |source| Self::Untrusted { what: format!("{what} is not signed by a key of the keyring"), source }
    }

    /// Returns true if upstream has none of the files that failed, or others: to ask again will not help soon.
    pub(super) fn is_upstreams_fault(&self) -> bool {
        matches!(self, Self::Payload(failed) if failed.errors.iter().all(FetchError::is_upstreams_fault))
    }

    /// Returns true if upstream says of every file that failed that it does not exist.
    pub(super) fn is_absence(&self) -> bool {
        let is_missing = |error: &FetchError| matches!(error, FetchError::Missing { .. });
        matches!(self, Self::Payload(failed) if failed.errors.iter().all(is_missing))
    }

    /// Returns true if a blob changed on disk, so that another attempt would fetch it again.
    pub(crate) fn is_rot(&self) -> bool {
        match self {
            Self::Depot(DepotError::DigestMismatch { .. }) => true,
            Self::Within { source, .. } => source.is_rot(),
            _ => false,
        }
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Fault(error) => error.class(),
            Self::File(error) => error.class(),
            Self::Depot(error) => error.class(),
            Self::Bundle(error) => error.class(),
            Self::Fetch(error) => error.class(),
            Self::Payload(error) => error.class(),
            Self::Within { source, .. } => source.class(),
            Self::Absent(_) => ErrorClass::UpstreamUnavailable,
            Self::Invalid(_) | Self::Path(_) | Self::Unsigned(_) | Self::Untrusted { .. } => {
                ErrorClass::VerificationFailed
            }
            Self::WorldReadable { .. } => ErrorClass::Usage,
        }
    }
}

/// Makes the error of metadata of an upstream that cannot be used.
pub(super) fn unusable(path: &PublishPath, error: Invalid) -> Fault {
    Fault::unverified(format!("cannot use {path}")).because(error)
}
