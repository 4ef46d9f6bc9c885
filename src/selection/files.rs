//! `[[files]]`: anything else, published as it is.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::OneOrMany;
use crate::digest::Sha256;
use crate::label::Label;
use crate::path::PublishPath;

/// Files under one name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FilesSource {
    /// Its name; the site's policy allows files under it, and they are published below it.
    pub name: Label,
    /// A file, a folder, or a pattern of a shell.
    pub from: Option<PathBuf>,
    /// The address of a file.
    pub url: Option<Url>,
    /// The digest of the file at the address.
    pub sha256: Option<Sha256>,
    /// The folder below the name that they are published in.
    pub to: Option<PublishPath>,
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

impl FilesSource {
    /// What makes no sense in it.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        match (&self.from, &self.url, self.sha256) {
            (Some(_), None, None) => None,
            (Some(_), None, Some(_)) => Some("sha256 is for url: of what is here, what is read is carried"),
            (None, Some(url), Some(_)) => super::place::unusable(url),
            (None, Some(_), None) => Some("with url it needs sha256: nothing else says what is to be fetched"),
            _ => Some("it needs exactly one of from and url"),
        }
    }

    pub(super) fn anchor(&mut self, folder: &Path) {
        self.from.iter_mut().for_each(|path| *path = folder.join(&*path));
    }
}
