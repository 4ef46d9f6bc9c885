//! Errors of publishers.

use crate::depot::DepotError;
use crate::error_class::{ErrorClass, Fault};
use crate::formats::Invalid;
use crate::label::Label;
use crate::path::{MalformedPath, PublishPath};
use crate::storage::FileError;
use crate::trust::{OlderUpstream, OtherStream};

/// A failure to publish a collection.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error(transparent)]
    Path(#[from] MalformedPath),
    /// An index is malformed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Older(#[from] OlderUpstream),
    #[error(transparent)]
    OtherStream(#[from] OtherStream),
    /// reprepro ended in an unknown state, so its base folder must be built again.
    #[error(transparent)]
    InDoubt(Fault),
}

impl PublishError {
    /// Returns true if reprepro's base folder must be built again.
    pub(super) fn leaves_doubt(&self) -> bool {
        matches!(self, Self::File(_) | Self::InDoubt(_))
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Fault(error) | Self::InDoubt(error) => error.class(),
            Self::File(error) => error.class(),
            Self::Depot(error) => error.class(),
            Self::Older(_) | Self::OtherStream(_) => ErrorClass::Refused,
            Self::Path(_) | Self::Invalid(_) => ErrorClass::VerificationFailed,
        }
    }
}

/// Makes the error of a file that no signed index names with these bytes.
pub(super) fn not_vouched(path: &PublishPath) -> Fault {
    Fault::unverified(format!(
        "upstream's signed indexes do not vouch for {path}: it was swapped, or carried without its proof"
    ))
}

/// Makes the error of an index that upstream's signed file does not name with these bytes.
pub(super) fn index_not_vouched(path: &PublishPath) -> Fault {
    Fault::unverified(format!("upstream's signed metadata does not vouch for {path}"))
}

/// Makes the error of a proof that has no place in its collection.
pub(super) fn unknown_proof(path: &PublishPath) -> Fault {
    Fault::unverified(format!("{path} is no proof of a kind that we know"))
}

/// Makes the error of content without a proof, of a source for which the site wants one.
pub(super) fn unsigned(path: &PublishPath, source: &Label) -> Fault {
    Fault::refused(format!(
        "{path} comes without proof by upstream: if that is meant, add the source {source} to allow-unsigned in site.toml"
    ))
}

/// Makes the error of a signature that the pinned keys do not accept.
pub(super) fn untrusted(path: &PublishPath, error: Invalid) -> Fault {
    Fault::unverified(format!("{path} is not vouched for by the keys pinned here")).because(error)
}

/// Makes the error of metadata that cannot be used.
pub(super) fn unusable(path: &PublishPath, error: Invalid) -> Fault {
    Fault::unverified(format!("cannot use {path}")).because(error)
}

/// For `map_err`: the site cannot do something, such as `sign with its key`.
pub(super) fn cannot<E: Into<Box<dyn std::error::Error + Send + Sync>>>(what: &str) -> impl FnOnce(E) -> Fault {
    move |error| Fault::failed(format!("cannot {what}")).because(error)
}

/// Steps for [`cannot`].
pub(super) const SIGN: &str = "sign with the site's key";
pub(super) const COMPRESS: &str = "compress an index";
pub(super) const WRITE_STREAM: &str = "write a stream's metadata";
