//! `[[files]]`: anything else, published as it is.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::access::has_access;
use super::placed::{Placed, PlacedTable};
use super::table::SourceTable;
use super::{FilePlace, OneOrMany};
use crate::digest::Sha256;
use crate::fetch::access::Scope;
use crate::kind::Kind;
use crate::label::Label;
use crate::path::PublishPath;

/// Files under one name: one by its URL, or some of this machine.
pub type FilesSource = Placed<FilesTable>;

/// `[[files]]` as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FilesTable {
    /// Its name; the site's policy allows files under it, and they are published below it.
    pub name: Label,
    /// A file, a folder, or a pattern of a shell.
    from: Option<PathBuf>,
    /// The address of a file.
    url: Option<Url>,
    /// The digest of the file at the address.
    sha256: Option<Sha256>,
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

impl PlacedTable for FilesTable {
    type Place = FilePlace;

    const KIND: Kind = Kind::Files;

    fn title(&self) -> String {
        self.name.to_string()
    }

    fn take_place(&mut self) -> Result<FilePlace, String> {
        match FilePlace::new(self.from.take(), self.url.take(), self.sha256.take())? {
            FilePlace::Path { sha256: Some(_), .. } => {
                Err("sha256 is for url: of what is here, what is read is carried".to_owned())
            }
            place => Ok(place),
        }
    }

    fn paths_of(place: &mut FilePlace) -> Vec<&mut PathBuf> {
        place.path_mut().into_iter().collect()
    }
}

impl SourceTable for FilesSource {
    fn kind(&self) -> Kind {
        FilesTable::KIND
    }

    fn title(&self) -> String {
        PlacedTable::title(&**self)
    }

    fn name(&self) -> Option<&Label> {
        Some(&self.name)
    }

    fn shares_name(&self) -> bool {
        true
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        self.place_paths()
    }

    has_access!(FilesTable, |source| source.place.url().cloned(), Scope::of_file);
}
