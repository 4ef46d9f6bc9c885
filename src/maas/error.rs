//! Errors of a conversation with a MAAS.

use std::io;
use std::path::PathBuf;

use crate::error_class::ErrorClass;
use crate::fetch::FetchError;
use crate::site::SiteError;
use crate::storage::{FileError, StorageError};

/// Why a MAAS is not set up. Nothing in it ever has a part of the API key.
#[derive(Debug, thiserror::Error)]
pub enum MaasError {
    /// The key's file cannot be read.
    #[error("cannot read the API key from {}", path.display())]
    ReadKey {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The key's file has something else in it.
    #[error(
        "{} has no API key: it must have CONSUMER:TOKEN:SECRET and nothing else, as `maas apikey --username NAME` prints it",
        path.display()
    )]
    MalformedKey {
        /// The file.
        path: PathBuf,
    },
    /// An address cannot be used.
    #[error("{text:?} is no address that can be used: give {example}")]
    Address {
        /// What was given.
        text: String,
        /// What would be right.
        example: &'static str,
    },
    /// What was asked for does not fit what the site publishes.
    #[error("{0}")]
    Choice(String),
    /// The client cannot be set up.
    #[error("cannot set up the client for MAAS")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The network, or an answer that is too large.
    #[error(transparent)]
    Http(#[from] FetchError),
    /// The key is not taken, or may not do this.
    #[error(
        "MAAS at {url} refuses the API key (status {status}): it must be a valid key of an administrator, as \
         `maas apikey --username NAME` prints it"
    )]
    Key {
        /// What was asked.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// Something else answers there.
    #[error("there is no MAAS at {url} ({why}): give its address as http://HOST:5240/MAAS")]
    NotMaas {
        /// What was asked.
        url: String,
        /// What came instead.
        why: String,
    },
    /// MAAS fails.
    #[error("MAAS answers {url} with status {status}: {answer}; look at its logs, then run again")]
    Status {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of its answer.
        answer: String,
    },
    /// The answer is not what the API documents.
    #[error("MAAS's answer to {url} cannot be read")]
    Answer {
        /// What was asked.
        url: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// MAAS refuses a change.
    #[error("MAAS refuses to {change}: {answer}")]
    Refused {
        /// The change.
        change: String,
        /// The beginning of its answer.
        answer: String,
    },
    /// MAAS has not read the boot source in time.
    #[error(
        "MAAS has not read the boot source {source_url} within {seconds} s: check that this site is served there for \
         MAAS and that its keyring is right, then run again (MAAS says: {answer})"
    )]
    NeverCached {
        /// The boot source.
        source_url: String,
        /// How long was waited, in seconds.
        seconds: u64,
        /// The beginning of its last answer.
        answer: String,
    },
    /// MAAS has read the boot source, and finds an image missing there.
    #[error(
        "the boot source {source_url}, as MAAS has read it, does not list {image}, though the site publishes it; waited {seconds} s: \
         check that this site is served there, then run again (MAAS says: {answer})"
    )]
    NotListed {
        /// The boot source.
        source_url: String,
        /// Operating system, release and architectures.
        image: String,
        /// How long was waited, in seconds.
        seconds: u64,
        /// The beginning of its last answer.
        answer: String,
    },
    /// The import has come to an end without all images.
    #[error("MAAS's import ended without {missing}: look at MAAS's notifications and logs, then run again")]
    ImportIncomplete {
        /// The images.
        missing: String,
    },
    /// The import takes too long.
    #[error(
        "MAAS has not imported {missing} within {seconds} s: it goes on by itself, and running this again follows it"
    )]
    ImportTimeout {
        /// The images.
        missing: String,
        /// How long was waited, in seconds.
        seconds: u64,
    },
    /// MAAS refuses an image, or a piece of it.
    #[error(
        "MAAS refuses the upload of {name}: {answer}{}",
        if answer.contains("\"architecture\"") { "; it takes one only for an architecture of which it has imported an image of Ubuntu" } else { "" }
    )]
    UploadRefused {
        /// OS/RELEASE.
        name: String,
        /// The beginning of its answer.
        answer: String,
    },
    /// MAAS says to send an image somewhere else.
    #[error(
        "MAAS says to send an image to {url}, which is not where it is itself: give the address that MAAS has for itself"
    )]
    UploadElsewhere {
        /// Where.
        url: String,
    },
    /// All was sent, and MAAS does not have it.
    #[error(
        "MAAS took all of {name}, but has not made it complete within {seconds} s: look at its logs, then run again"
    )]
    UploadIncomplete {
        /// OS/RELEASE.
        name: String,
        /// How long was waited, in seconds.
        seconds: u64,
    },
    /// MAAS took all changes, and still is not as it should be.
    #[error("MAAS took all changes, but would still need: {changes}; somebody else may be changing it, so run again")]
    NotKept {
        /// What is left.
        changes: String,
    },
    /// An image cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of the site cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The site cannot be read.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// A file of the site's own is not as it should be.
    #[error("{} cannot be used", path.display())]
    SiteFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
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
