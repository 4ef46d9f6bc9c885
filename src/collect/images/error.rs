//! Why images cannot be collected.

use crate::collect::FetchIntoDepotError;
use crate::collect::address::MalformedAddress;
use crate::collect::keyring::KeyringError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::fetch::FetchError;
use crate::formats::openpgp::OpenPgpError;
use crate::formats::simplestreams::StreamError;
use crate::path::{MalformedPath, PublishPath};

/// How many of what there is an error lists.
const LISTED: usize = 40;

/// Why images cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The stream is not there.
    #[error("{url} has no stream: there is neither {index}.sjson nor {index}.json{}", instead(others, url))]
    NoStream {
        /// The root.
        url: String,
        /// The index that was looked for, without its suffix.
        index: String,
        /// Other indexes that are there.
        others: Vec<String>,
    },
    /// The stream is there, and is not signed.
    #[error(
        "{url} has a stream that nobody signed: if that is meant, leave the keyring out and set allow-unsigned = true"
    )]
    NotSigned {
        /// The root.
        url: String,
    },
    /// The index names a file that upstream does not have.
    #[error("{url} is named by the index, and is not there")]
    Missing {
        /// The address.
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
    /// A signed file says what cannot be.
    #[error("cannot use {path}")]
    Stream {
        /// The file.
        path: PublishPath,
        /// Why not.
        source: StreamError,
    },
    /// The filter matches nothing.
    #[error("the filter of {name} matches nothing; there is: {}", listed(offers))]
    NothingMatches {
        /// The source.
        name: String,
        /// What there is.
        offers: Vec<String>,
    },
    /// What the filter leaves of an image is of no use to MAAS.
    #[error(
        "{product} {version} lacks {lack}, and MAAS 3.8 would refuse the whole source for that: change the filter, or set publish = \"verbatim\""
    )]
    Incomplete {
        /// The product.
        product: String,
        /// Its version.
        version: String,
        /// What it lacks.
        lack: String,
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
    /// Images cannot be fetched.
    #[error(transparent)]
    Payload(#[from] FetchIntoDepotError),
    /// The depot refused.
    #[error(transparent)]
    Depot(#[from] DepotError),
}

fn instead(others: &[String], url: &str) -> String {
    others.first().map(|path| format!(", but {path}: name that as url = \"{url}/{path}\"")).unwrap_or_default()
}

fn listed(offers: &[String]) -> String {
    let mut texts: Vec<String> = offers.iter().take(LISTED).cloned().collect();
    if offers.len() > LISTED {
        texts.push(format!("and {} more, which list-images shows", offers.len() - LISTED));
    }
    texts.join("; ")
}

impl ImagesError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoStream { .. } | Self::Missing { .. } => ErrorClass::UpstreamUnavailable,
            Self::NotSigned { .. } | Self::Signature { .. } | Self::Path(_) => ErrorClass::VerificationFailed,
            Self::Stream { source, .. } => source.class(),
            Self::NothingMatches { .. } | Self::Incomplete { .. } | Self::Address(_) => ErrorClass::Usage,
            Self::Keyring(error) => error.class(),
            Self::Fetch(error) => error.class(),
            Self::Payload(error) => error.class(),
            Self::Depot(error) => error.class(),
        }
    }
}
