//! `[[images]]`: a source of images, such as those of MAAS.

use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::access::has_access;
use super::table::SourceTable;
use super::{OneOrMany, yes};
use crate::collection::Publish;
use crate::fetch::access::Scope;
use crate::formats::simplestreams::{Filter, split_url};
use crate::kind::Kind;
use crate::label::Label;

/// A source of images: one simplestreams tree.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImagesSource {
    /// Its name; the site pins upstream's keyring under it.
    pub name: Label,
    /// Root of the tree, or its index.
    pub url: Url,
    /// Who must have signed it.
    pub keyring: Option<PathBuf>,
    /// Conditions that all must hold for an item to be carried; with none, everything is.
    #[serde(default)]
    pub filter: Vec<Filter>,
    /// How many versions of each product are carried, the newest first.
    #[serde(default = "one")]
    pub keep: NonZeroU32,
    /// Whether all bootloaders that MAAS takes are carried, whatever the filter says: it fetches all of them.
    #[serde(default = "yes")]
    pub bootloaders: bool,
    /// How it is published at the site.
    #[serde(default)]
    pub publish: Publish,
    /// Take a stream that nobody signed. It is marked as without proof by upstream everywhere.
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

impl SourceTable for ImagesSource {
    fn kind(&self) -> Kind {
        Kind::Images
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

    has_access!(ImagesSource, |source| Some(split_url(&source.url).0), Scope::of_folder);

    fn contradiction(&self) -> Option<&'static str> {
        if self.publish == Publish::Reprepro {
            return Some("publish = \"reprepro\" is for [[apt]]: images are re-indexed or verbatim");
        }
        match (self.keyring.is_some(), self.allow_unsigned) {
            (false, false) => Some(
                "it needs a keyring: upstream's signatures are never passed over; if nobody signs it, set allow-unsigned = true",
            ),
            (true, true) => Some("it has a keyring and allow-unsigned: one of them must go"),
            _ => None,
        }
    }
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}
