//! Errors of a conversation with a MAAS.

use std::path::Path;

use crate::error_class::{ErrorClass, Fault};
use crate::fetch::FetchError;
use crate::site::SiteError;
use crate::storage::{FileError, StorageError};

/// Why a MAAS is not set up. Nothing in it ever has a part of the API key.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum MaasError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Http(#[from] FetchError),
    #[error("MAAS answers {url} with status {status}: {answer}; look at its logs, then run again")]
    Status { url: String, status: u16, answer: String },
    #[error("MAAS's answer to {url} cannot be read")]
    Answer { url: String, source: serde_json::Error },
    #[error("MAAS refuses to {change}: {answer}")]
    Refused { change: String, answer: String },
    #[error("MAAS's import ended without {missing}: look at MAAS's notifications and logs, then run again")]
    ImportIncomplete { missing: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Site(#[from] SiteError),
}

impl MaasError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Fault(error) => error.class(),
            Self::Http(error) => error.class(),
            Self::Status { .. } | Self::Answer { .. } => ErrorClass::UpstreamUnavailable,
            Self::Refused { .. } | Self::ImportIncomplete { .. } => ErrorClass::Failed,
            Self::File(error) => error.class(),
            Self::Storage(error) => error.class(),
            Self::Site(error) => error.class(),
        }
    }
}

/// Makes the error of an address that cannot be used.
pub(super) fn unusable_address(text: &str, example: &str) -> MaasError {
    Fault::usage(format!("{text:?} is no address that can be used: give {example}")).into()
}

/// Makes the error of an address at which there is no MAAS.
pub(super) fn not_maas(url: &str, why: &str) -> MaasError {
    Fault::unavailable(format!("there is no MAAS at {url} ({why}): give its address as http://HOST:5240/MAAS")).into()
}

/// For `map_err`: the client cannot be set up.
pub(super) fn no_client<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> MaasError {
    Fault::failed("cannot set up the client for MAAS").because(error).into()
}

/// Makes the error of a file of the site that cannot be used.
pub(super) fn unusable_file(path: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> MaasError {
    Fault::failed(format!("{} cannot be used", path.display())).because(error).into()
}

/// Makes the error of a MAAS that somebody else changes.
pub(super) fn not_kept(changes: &str) -> MaasError {
    Fault::failed(format!(
        "MAAS took all changes, but would still need: {changes}; somebody else may be changing it, so run again"
    ))
    .into()
}
