//! Why images cannot be collected.

use crate::collect::FetchIntoDepotError;
use crate::collect::address::MalformedAddress;
use crate::collect::keyring::KeyringError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::fetch::FetchError;
use crate::formats::Invalid;
use crate::path::{MalformedPath, PublishPath};

/// How many of what there is an error lists.
const LISTED: usize = 40;

/// Why images cannot be collected.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    #[error("{url} has no stream: there is neither {index}.sjson nor {index}.json{}", instead(others, url))]
    NoStream { url: String, index: String, others: Vec<String> },
    #[error(
        "{url} has a stream that nobody signed: if that is meant, leave the keyring out and set allow-unsigned = true"
    )]
    NotSigned { url: String },
    #[error("{url} is named by the index, and is not there")]
    Missing { url: String },
    #[error("{path} is not signed by a key of the keyring")]
    Signature { path: PublishPath, source: Invalid },
    #[error("cannot use {path}")]
    Stream { path: PublishPath, source: Invalid },
    #[error("the filter of {name} matches nothing; there is: {}", listed(offers))]
    NothingMatches { name: String, offers: Vec<String> },
    #[error(
        "{product} {version} lacks {lack}, and MAAS 3.8 would refuse the whole source for that: change the filter, or set publish = \"verbatim\""
    )]
    Incomplete { product: String, version: String, lack: String },
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
            Self::NotSigned { .. } | Self::Signature { .. } | Self::Stream { .. } | Self::Path(_) => {
                ErrorClass::VerificationFailed
            }
            Self::NothingMatches { .. } | Self::Incomplete { .. } | Self::Address(_) => ErrorClass::Usage,
            Self::Keyring(error) => error.class(),
            Self::Fetch(error) => error.class(),
            Self::Payload(error) => error.class(),
            Self::Depot(error) => error.class(),
        }
    }
}
