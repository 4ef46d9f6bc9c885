//! Errors of a conversation with a MAAS.

use std::io;
use std::path::PathBuf;

use crate::error_class::ErrorClass;
use crate::fetch::FetchError;
use crate::site::SiteError;
use crate::storage::{FileError, StorageError};

/// Why a MAAS is not set up. Nothing in it ever has a part of the API key.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum MaasError {
    #[error("cannot read the API key from {}", path.display())]
    ReadKey { path: PathBuf, source: io::Error },
    #[error(
        "{} has no API key: it must have CONSUMER:TOKEN:SECRET and nothing else, as `maas apikey --username NAME` prints it",
        path.display()
    )]
    MalformedKey { path: PathBuf },
    #[error("{text:?} is no address that can be used: give {example}")]
    Address { text: String, example: &'static str },
    #[error("{0}")]
    Choice(String),
    #[error("cannot set up the client for MAAS")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Http(#[from] FetchError),
    #[error(
        "MAAS at {url} refuses the API key (status {status}): it must be a valid key of an administrator, as \
         `maas apikey --username NAME` prints it"
    )]
    Key {
        url: String,
        /// 401 or 403.
        status: u16,
    },
    #[error("there is no MAAS at {url} ({why}): give its address as http://HOST:5240/MAAS")]
    NotMaas { url: String, why: String },
    #[error("MAAS answers {url} with status {status}: {answer}; look at its logs, then run again")]
    Status { url: String, status: u16, answer: String },
    #[error("MAAS's answer to {url} cannot be read")]
    Answer { url: String, source: serde_json::Error },
    #[error("MAAS refuses to {change}: {answer}")]
    Refused { change: String, answer: String },
    #[error(
        "MAAS has not read the boot source {source_url} within {seconds} s: check that this site is served there for \
         MAAS and that its keyring is right, then run again (MAAS says: {answer})"
    )]
    NeverCached { source_url: String, seconds: u64, answer: String },
    #[error(
        "the boot source {source_url}, as MAAS has read it, does not list {image}, though the site publishes it; waited {seconds} s: \
         check that this site is served there, then run again (MAAS says: {answer})"
    )]
    NotListed { source_url: String, image: String, seconds: u64, answer: String },
    #[error("MAAS's import ended without {missing}: look at MAAS's notifications and logs, then run again")]
    ImportIncomplete { missing: String },
    #[error(
        "MAAS has not imported {missing} within {seconds} s: it goes on by itself, and running this again follows it"
    )]
    ImportTimeout { missing: String, seconds: u64 },
    #[error(
        "MAAS refuses the upload of {name}: {answer}{}",
        if answer.contains("\"architecture\"") { "; it takes one only for an architecture of which it has imported an image of Ubuntu" } else { "" }
    )]
    UploadRefused { name: String, answer: String },
    #[error(
        "MAAS says to send an image to {url}, which is not where it is itself: give the address that MAAS has for itself"
    )]
    UploadElsewhere { url: String },
    #[error(
        "MAAS took all of {name}, but has not made it complete within {seconds} s: look at its logs, then run again"
    )]
    UploadIncomplete { name: String, seconds: u64 },
    #[error("MAAS took all changes, but would still need: {changes}; somebody else may be changing it, so run again")]
    NotKept { changes: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error("{} cannot be used", path.display())]
    SiteFile { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
}

impl MaasError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::ReadKey { .. } | Self::MalformedKey { .. } | Self::Address { .. } => ErrorClass::Usage,
            Self::Choice(_) | Self::Key { .. } => ErrorClass::Usage,
            Self::Http(error) => error.class(),
            Self::NotMaas { .. } | Self::Status { .. } | Self::Answer { .. } => ErrorClass::UpstreamUnavailable,
            Self::NeverCached { .. } | Self::NotListed { .. } => ErrorClass::UpstreamUnavailable,
            Self::Setup(_) | Self::Refused { .. } | Self::NotKept { .. } => ErrorClass::Failed,
            Self::ImportIncomplete { .. } | Self::ImportTimeout { .. } => ErrorClass::Failed,
            Self::UploadRefused { .. } | Self::UploadIncomplete { .. } => ErrorClass::Failed,
            Self::UploadElsewhere { .. } => ErrorClass::UpstreamUnavailable,
            Self::File(error) => error.class(),
            Self::Storage(error) => error.class(),
            Self::Site(error) => error.class(),
            Self::SiteFile { .. } => ErrorClass::Failed,
        }
    }
}
