//! `[[snaps]]`: a snap from a store, or a folder of snaps.

use std::num::NonZeroU64;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::{OneOrMany, yes};
use crate::formats::snap::Channel;

/// Where all devices look unless they are told otherwise.
const STORE: &str = "https://api.snapcraft.io/";

/// A snap from a store, or a folder of what `snap download` leaves, NAME_REV.snap and NAME_REV.assert.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnapsSource {
    /// The folder.
    pub from: Option<PathBuf>,
    /// The snap's name.
    pub name: Option<String>,
    /// The channel that it is taken from, and under which the site's store offers it.
    #[serde(default)]
    pub channel: Channel,
    /// This revision and no other; the channel only says under which one the site's store offers it.
    pub revision: Option<NonZeroU64>,
    /// For devices of these architectures, as dpkg calls them.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Whether what the snap needs is carried with it: its base, snapd, and default providers of content. A folder is only
    /// checked: what its snaps need has to be in the selection.
    #[serde(default = "yes")]
    pub closure: bool,
    /// The store that is asked.
    #[serde(default = "store")]
    pub store_url: Url,
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

impl SnapsSource {
    /// What makes no sense in it.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let folder_only = self.revision.is_none() && self.architectures.is_empty();
        match (&self.from, &self.name) {
            (Some(_), None) if folder_only => None,
            (Some(_), None) => {
                Some("a folder has neither revision nor architectures: its snaps say themselves what they are")
            }
            (None, Some(_)) if self.architectures.is_empty() => Some("it needs architectures, such as [\"amd64\"]"),
            (None, Some(_)) if !matches!(self.store_url.scheme(), "http" | "https") => {
                Some("its store-url is neither http nor https")
            }
            (None, Some(_)) => None,
            _ => Some("it needs exactly one of name and from"),
        }
    }

    /// What it is called in messages.
    pub(super) fn title(&self) -> String {
        let folder = self.from.as_ref().map(|path| path.display().to_string());
        self.name.clone().or(folder).unwrap_or_default()
    }
}

fn store() -> Url {
    Url::parse(STORE).expect("the store's address is one")
}
