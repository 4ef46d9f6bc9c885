//! Why an RPM repository cannot be collected.

use crate::collect::FetchIntoDepotError;
use crate::collect::address::MalformedAddress;
use crate::collect::keyring::KeyringError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::fetch::FetchError;
use crate::formats::openpgp::OpenPgpError;
use crate::formats::rpm::RpmError;
use crate::path::{MalformedPath, PublishPath};
use crate::terminal::safe;

/// Why an RPM repository cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum YumError {
    /// The repository is not there.
    #[error("{url} has no repository: there is no repodata/repomd.xml")]
    NoRepository {
        /// The root.
        url: String,
    },
    /// The repository is there, and is not signed.
    #[error(
        "{url} has a repository that nobody signed: if that is meant, leave the keyring out and set allow-unsigned = true"
    )]
    NotSigned {
        /// The root.
        url: String,
    },
    /// The signature is not good.
    #[error("{path} is not signed by a key of the keyring")]
    Signature {
        /// The signed file.
        path: PublishPath,
        /// Why not.
        source: OpenPgpError,
    },
    /// Metadata says what cannot be.
    #[error("cannot use {path}")]
    Rpm {
        /// The file.
        path: PublishPath,
        /// Why not.
        source: RpmError,
    },
    /// Metadata that every repository has is not named.
    #[error("{path} names no list of packages")]
    NoPrimary {
        /// The signed file.
        path: PublishPath,
    },
    /// No package passes.
    #[error("of {name} nothing has these architectures; there is: {}", architectures.iter().map(|text| safe(text).to_string()).collect::<Vec<_>>().join(", "))]
    NothingMatches {
        /// The source.
        name: String,
        /// The architectures that there are.
        architectures: Vec<String>,
    },
    /// A name of upstream's cannot be carried.
    #[error(transparent)]
    Path(#[from] MalformedPath),
    /// An address cannot be made.
    #[error(transparent)]
    Address(#[from] MalformedAddress),
    /// The keyring is of no use.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Metadata cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Files cannot be fetched.
    #[error(transparent)]
    Payload(#[from] FetchIntoDepotError),
    /// The depot refused.
    #[error(transparent)]
    Depot(#[from] DepotError),
}

impl YumError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoRepository { .. } => ErrorClass::UpstreamUnavailable,
            Self::NotSigned { .. } | Self::Signature { .. } | Self::Path(_) | Self::NoPrimary { .. } => {
                ErrorClass::VerificationFailed
            }
            Self::Rpm { source, .. } => source.class(),
            Self::NothingMatches { .. } | Self::Address(_) => ErrorClass::Usage,
            Self::Keyring(error) => error.class(),
            Self::Fetch(error) => error.class(),
            Self::Payload(error) => error.class(),
            Self::Depot(error) => error.class(),
        }
    }
}
