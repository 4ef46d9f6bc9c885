//! Why an RPM repository cannot be collected.

use crate::collect::FetchIntoDepotError;
use crate::collect::address::MalformedAddress;
use crate::collect::keyring::KeyringError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::fetch::FetchError;
use crate::formats::Invalid;
use crate::label::Label;
use crate::path::{MalformedPath, PublishPath};
use crate::terminal::safe;

/// Why an RPM repository cannot be collected.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum YumError {
    #[error("{url} has no repository: there is no repodata/repomd.xml")]
    NoRepository { url: String },
    #[error(
        "{url} has a repository that nobody signed: if that is meant, leave the keyring out and set allow-unsigned = true"
    )]
    NotSigned { url: String },
    #[error("{path} is not signed by a key of the keyring")]
    Signature { path: PublishPath, source: Invalid },
    #[error("cannot use {path}")]
    Rpm { path: PublishPath, source: Invalid },
    #[error("{path} names no list of packages")]
    NoPrimary { path: PublishPath },
    #[error(
        "all packages of {name} are outside of the repository, where clients of a verbatim one would not find them: set \
         publish = \"re-indexed\" for {name}"
    )]
    NothingReachable { name: Label },
    #[error("of {name} nothing has these architectures; there is: {}", architectures.iter().map(|text| safe(text).to_string()).collect::<Vec<_>>().join(", "))]
    NothingMatches { name: String, architectures: Vec<String> },
    #[error(transparent)]
    Path(#[from] MalformedPath),
    #[error(transparent)]
    Address(#[from] MalformedAddress),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Payload(#[from] FetchIntoDepotError),
    #[error(transparent)]
    Depot(#[from] DepotError),
}

impl YumError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoRepository { .. } => ErrorClass::UpstreamUnavailable,
            Self::NotSigned { .. }
            | Self::Signature { .. }
            | Self::Rpm { .. }
            | Self::Path(_)
            | Self::NoPrimary { .. } => ErrorClass::VerificationFailed,
            Self::NothingMatches { .. } | Self::NothingReachable { .. } | Self::Address(_) => ErrorClass::Usage,
            Self::Keyring(error) => error.class(),
            Self::Fetch(error) => error.class(),
            Self::Payload(error) => error.class(),
            Self::Depot(error) => error.class(),
        }
    }
}
