//! What the operator needs next, from what the site publishes: text for name servers, web servers, clients and MAAS.
//!
//! [`Facts`] are read from the site once; each module turns them into text for one program, and touches no disk. Names that
//! come from a bundle are held as types that have no character with a meaning in any of these texts ([`HostName`],
//! [`crate::path::PublishPath`], [`crate::label::Label`]); all other text goes through [`quote`].

pub mod apache;
pub mod apt;
mod ca;
pub mod cloud_init;
pub mod dns;
mod facts;
mod host;
pub mod maas;
pub mod nginx;
pub mod pro;
pub mod quote;
mod serve_url;
pub mod snapd;
mod suites;
pub mod user_data;
mod web;

use std::io;
use std::path::PathBuf;

pub use self::ca::Certificates;
pub use self::facts::{AptArchive, Facts, ListSigner, RpmRepository, UpstreamNames};
pub use self::host::HostName;
pub use self::serve_url::ServeUrl;
pub use self::suites::{PublishedSuite, suites};
pub use self::web::WebServer;
use crate::error_class::ErrorClass;
use crate::formats::Invalid;
use crate::maas::MaasError;
use crate::site::SiteError;
use crate::storage::StorageError;

/// A file that is written for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupFile {
    /// Its name, without a folder.
    pub name: String,
    /// All of it.
    pub text: String,
}

impl SetupFile {
    /// A file with this name and text.
    pub fn new(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), text }
    }
}

/// Why nothing is written.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Maas(#[from] MaasError),
    #[error("the site publishes no {what}")]
    Nothing { what: String },
    #[error(
        "the site publishes no RPM repository {what} ({there}): choose others with --repos, or carry one by a [[yum]] table of the selection, with an export there and an import here"
    )]
    NoRepository { what: String, there: String },
    #[error("cannot use the keyring {}", path.display())]
    Keyring { path: PathBuf, source: Invalid },
    #[error(
        "the site is in {path:?}, which cannot stand in the configuration of a web server: letters, digits, spaces and ._-+@=,:~/ can"
    )]
    Path { path: PathBuf },
    #[error("cannot read certificates from {}", path.display())]
    ReadCertificates { path: PathBuf, source: io::Error },
    #[error("{} has no certificate in PEM", path.display())]
    NoCertificates { path: PathBuf },
    #[error(
        "{what} needs --serve-url: the address at which clients reach this site, such as http://gapferry.dc1.example"
    )]
    NoServeUrl { what: &'static str },
}

impl SetupError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Site(error) => error.class(),
            Self::Storage(error) => error.class(),
            Self::Maas(error) => error.class(),
            Self::Keyring { .. } => ErrorClass::Failed,
            Self::Nothing { .. } | Self::NoRepository { .. } | Self::Path { .. } | Self::NoServeUrl { .. } => {
                ErrorClass::Usage
            }
            Self::ReadCertificates { .. } | Self::NoCertificates { .. } => ErrorClass::Usage,
        }
    }
}
