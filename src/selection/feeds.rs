//! `[[feeds]]`: security data of an upstream, carried unchanged.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::OneOrMany;
use super::access::has_access;
use super::place::unusable;
use super::table::SourceTable;
use crate::fetch::access::Scope;
use crate::formats::feed::FeedFormat;
use crate::kind::Kind;
use crate::label::Label;
use crate::path::PublishPath;

/// Files of security data in one folder of an upstream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FeedsSource {
    /// Its name; the site pins upstream's keyring under it, or allows it without.
    pub name: Label,
    /// The format of all its files.
    pub format: FeedFormat,
    /// The folder of the files at upstream.
    pub url: Url,
    /// The files, by their paths below the URL.
    pub files: Vec<PublishPath>,
    /// The keys of which one must have signed each file: its signature is beside it, with the ending `.asc`.
    pub keyring: Option<PathBuf>,
    /// Take data that nobody signed. It is marked as without proof by upstream everywhere.
    #[serde(default)]
    pub allow_unsigned: bool,
    /// Files of logins, in the form of apt's auth.conf.
    #[serde(default)]
    pub auth_file: OneOrMany<PathBuf>,
    /// The user name for the secret, which is a password then; without it, the secret is a bearer token.
    pub login: Option<String>,
    /// A file with the password or token for the URL, readable to few.
    pub secret_file: Option<PathBuf>,
    /// A PEM file with this client's certificate for https.
    pub client_cert: Option<PathBuf>,
    /// A PEM file with its key; without it, the key is in the certificate's file.
    pub client_key: Option<PathBuf>,
}

impl SourceTable for FeedsSource {
    fn kind(&self) -> Kind {
        Kind::Feeds
    }

    fn title(&self) -> String {
        self.name.to_string()
    }

    fn name(&self) -> Option<&Label> {
        Some(&self.name)
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        self.keyring.iter_mut().collect()
    }

    has_access!(FeedsSource, |source| Some(source.url.clone()), Scope::of_folder);

    fn contradiction(&self) -> Option<&'static str> {
        if self.files.is_empty() {
            return Some("it needs files: the paths of what is to be carried, below url");
        }
        if let Some(reason) = unusable(&self.url) {
            return Some(reason);
        }
        match (self.keyring.is_some(), self.allow_unsigned) {
            (false, false) => Some("it needs a keyring; if nobody signs this data, set allow-unsigned = true"),
            (true, true) => Some("it has a keyring and allow-unsigned: one of them must go"),
            _ => None,
        }
    }
}
