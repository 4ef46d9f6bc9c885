//! `[[snaps]]`: a snap from a store, or a folder of snaps.

use std::num::NonZeroU64;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::access::has_access;
use super::placed::{Placed, PlacedTable};
use super::table::SourceTable;
use super::{OneOrMany, yes};
use crate::fetch::access::Scope;
use crate::formats::snap::Channel;
use crate::kind::Kind;
use crate::label::Label;

/// Where all devices look unless they are told otherwise.
const STORE: &str = "https://api.snapcraft.io/";

/// A snap from a store, or a folder of snaps.
pub type SnapsSource = Placed<SnapsTable>;

/// The place of snaps.
#[derive(Clone, Debug)]
pub enum SnapPlace {
    /// A folder of snaps.
    Folder(PathBuf),
    /// A snap from a store.
    Store(StoreSnap),
}

/// A snap that a store is asked for.
#[derive(Clone, Debug)]
pub struct StoreSnap {
    /// The snap's name.
    pub name: String,
    /// The only revision that is wanted; that of the channel if it is `None`.
    pub revision: Option<NonZeroU64>,
    /// Architectures of devices, as dpkg calls them.
    pub architectures: Vec<String>,
    /// The store.
    pub store_url: Url,
}

/// `[[snaps]]` as it is written: a snap from a store, or a folder of what `snap download` leaves, NAME_REV.snap and NAME_REV.assert.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnapsTable {
    /// The folder.
    from: Option<PathBuf>,
    /// The snap's name.
    name: Option<String>,
    /// The channel that it is taken from, and under which the site's store offers it.
    #[serde(default)]
    pub channel: Channel,
    /// This revision and no other; the channel only says under which one the site's store offers it.
    revision: Option<NonZeroU64>,
    /// For devices of these architectures, as dpkg calls them.
    #[serde(default)]
    architectures: Vec<String>,
    /// Whether what the snap needs is carried with it: its base, snapd, and default providers of content. A folder is only
    /// checked: what its snaps need has to be in the selection.
    #[serde(default = "yes")]
    pub closure: bool,
    /// The store that is asked.
    #[serde(default = "store")]
    store_url: Url,
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

impl PlacedTable for SnapsTable {
    type Place = SnapPlace;

    const KIND: Kind = Kind::Snaps;

    fn title(&self) -> String {
        let folder = self.from.as_ref().map(|path| path.display().to_string());
        self.name.clone().or(folder).unwrap_or_default()
    }

    fn take_place(&mut self) -> Result<SnapPlace, String> {
        let (revision, architectures) = (self.revision, std::mem::take(&mut self.architectures));
        let reason = match (self.from.take(), self.name.take()) {
            (Some(folder), None) if revision.is_none() && architectures.is_empty() => {
                return Ok(SnapPlace::Folder(folder));
            }
            (Some(_), None) => {
                "a folder has neither revision nor architectures: its snaps say themselves what they are"
            }
            (None, Some(_)) if architectures.is_empty() => "it needs architectures, such as [\"amd64\"]",
            (None, Some(_)) if !matches!(self.store_url.scheme(), "http" | "https") => {
                "its store-url is neither http nor https"
            }
            (None, Some(name)) => {
                let store_url = self.store_url.clone();
                return Ok(SnapPlace::Store(StoreSnap { name, revision, architectures, store_url }));
            }
            _ => "it needs exactly one of name and from",
        };
        Err(reason.to_owned())
    }

    fn paths_of(place: &mut SnapPlace) -> Vec<&mut PathBuf> {
        match place {
            SnapPlace::Folder(folder) => vec![folder],
            SnapPlace::Store(_) => Vec::new(),
        }
    }
}

impl SourceTable for SnapsSource {
    fn kind(&self) -> Kind {
        SnapsTable::KIND
    }

    fn title(&self) -> String {
        match &self.place {
            SnapPlace::Folder(folder) => folder.display().to_string(),
            SnapPlace::Store(snap) => snap.name.clone(),
        }
    }

    fn name(&self) -> Option<&Label> {
        None
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        self.place_paths()
    }

    has_access!(SnapsTable, store_url, Scope::of_folder);
}

fn store_url(source: &SnapsSource) -> Option<Url> {
    match &source.place {
        SnapPlace::Folder(_) => None,
        SnapPlace::Store(snap) => Some(snap.store_url.clone()),
    }
}

fn store() -> Url {
    Url::parse(STORE).expect("the store's address is one")
}
