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
pub mod feeds;
mod host;
pub mod maas;
pub mod nginx;
pub mod pro;
mod published_feed;
pub mod quote;
mod serve_url;
pub mod snapd;
mod suites;
pub mod user_data;
mod web;

use std::fmt::Display;

pub use self::ca::Certificates;
pub use self::facts::{AptArchive, Facts, ListSigner, RpmRepository, UpstreamNames};
pub use self::host::HostName;
pub use self::published_feed::PublishedFeed;
pub use self::serve_url::ServeUrl;
pub use self::suites::{PublishedSuite, suites};
pub use self::web::WebServer;
use crate::error_class::{ErrorClass, Fault};
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

/// A failure to write a text.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Maas(#[from] MaasError),
}

impl SetupError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Fault(error) => error.class(),
            Self::Site(error) => error.class(),
            Self::Storage(error) => error.class(),
            Self::Maas(error) => error.class(),
        }
    }
}

/// Makes the error of a site that does not publish what a text is about.
fn nothing(what: impl Display) -> Fault {
    Fault::usage(format!("the site publishes no {what}"))
}

/// Makes the error of a text that names the site's address.
fn no_serve_url(what: &str) -> Fault {
    Fault::usage(format!(
        "{what} needs --serve-url: the address at which clients reach this site, such as http://gapferry.dc1.example"
    ))
}
