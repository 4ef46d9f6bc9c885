//! The store's device API: what is asked and answered at `/v2/snaps/refresh`, as snapd's `store/store_action.go` has it.
//!
//! The collector asks and the site's own store answers, in the same words. Fields that neither needs are not read, and no
//! field of an answer is believed before an assertion says the same.

use serde::{Deserialize, Deserializer, Serialize};

/// The series of all snaps there are: header `Snap-Device-Series`.
pub const SERIES: &str = "16";

/// The store writes `null` where it has nothing to say.
fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What a device, or a collector, asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct StoreRequest {
    /// What is installed.
    pub context: Vec<Installed>,
    /// What is wanted.
    pub actions: Vec<Action>,
    /// The fields of [`Snap`] that are wanted; all if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// A snap that is installed on the device that asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Installed {
    /// Its id.
    pub snap_id: String,
    /// Names it among several of one id.
    pub instance_key: String,
    /// Its revision; below 1 for one that did not come from a store.
    pub revision: i64,
    /// The channel that it follows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tracking_channel: String,
    /// The epoch of its data. `None` if the device does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
}

/// One thing that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Action {
    /// `install`, `refresh`, `download` or `fetch-assertions`.
    pub action: String,
    /// Comes back with the answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance_key: String,
    /// The snap's name, of all but refreshes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The snap's id, of refreshes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub snap_id: String,
    /// From this channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// This revision and no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Comes back with the answer to `fetch-assertions`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// What the store answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Reply {
    /// One for each action for which there is something to say.
    pub results: Vec<Answer>,
    /// What is wrong with the request as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error_list: Vec<StoreRefusal>,
}

/// The answer to one action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Answer {
    /// The action that is answered, or `error`.
    pub result: String,
    /// As in the action.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[serde(deserialize_with = "null_is_empty")]
    pub instance_key: String,
    /// The snap's id, if it is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[serde(deserialize_with = "null_is_empty")]
    pub snap_id: String,
    /// The snap's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[serde(deserialize_with = "null_is_empty")]
    pub name: String,
    /// The channel that the snap comes from, such as `latest/stable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_channel: Option<String>,
    /// When it was released there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_at: Option<String>,
    /// The snap, unless it is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snap: Option<Snap>,
    /// Why there is no snap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StoreRefusal>,
    /// As in an action `fetch-assertions`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Where assertions can be had; only of an answer to `fetch-assertions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertion_stream_urls: Option<Vec<String>>,
}

/// Why the store does not do what is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct StoreRefusal {
    /// Such as `revision-not-found`.
    pub code: String,
    /// For people.
    pub message: String,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Extra>,
}

/// More about a refusal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Extra {
    /// What there is instead.
    pub releases: Vec<ChannelRelease>,
}

/// A channel that has the snap.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ChannelRelease {
    /// For devices of this architecture, as dpkg calls it.
    pub architecture: String,
    /// Such as `latest/stable`.
    pub channel: String,
}

/// One revision of a snap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Snap {
    /// Architectures that it runs on, as dpkg calls them, or `all`.
    pub architectures: Vec<String>,
    /// The snap with the root file system that it runs in.
    pub base: Option<String>,
    /// `strict`, `classic` or `devmode`.
    pub confinement: String,
    /// When the revision was made.
    #[serde(deserialize_with = "null_is_empty")]
    pub created_at: String,
    /// For people, some paragraphs.
    #[serde(deserialize_with = "null_is_empty")]
    pub description: String,
    /// Its file.
    pub download: Download,
    /// Which data of earlier revisions it can read.
    pub epoch: Epoch,
    /// An SPDX expression.
    pub license: Option<String>,
    /// Its name.
    pub name: String,
    /// Who publishes it.
    pub publisher: Publisher,
    /// The revision's number.
    pub revision: u64,
    /// Its id.
    pub snap_id: String,
    /// Its own `meta/snap.yaml`.
    #[serde(deserialize_with = "null_is_empty")]
    pub snap_yaml: String,
    /// For people, one line.
    #[serde(deserialize_with = "null_is_empty")]
    pub summary: String,
    /// Its name for people.
    #[serde(deserialize_with = "null_is_empty")]
    pub title: String,
    /// `app`, `base`, `gadget`, `kernel`, `os` or `snapd`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its version, as its publisher writes it.
    pub version: String,
}

/// Where a snap's file is, and what it has to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Download {
    /// Lower-case hexadecimal, where assertions have base64url.
    pub sha3_384: String,
    /// In bytes.
    pub size: u64,
    /// Where it is.
    pub url: String,
}

/// Which formats of a snap's data a revision reads and writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Epoch {
    /// Those that it reads.
    pub read: Vec<u32>,
    /// Those that it writes.
    pub write: Vec<u32>,
}

impl Epoch {
    /// Returns `true` if a snap of this epoch can read what one of `installed` wrote (snapd's `Epoch.CanRead`).
    pub fn can_read(&self, installed: &Self) -> bool {
        self.read.iter().any(|number| installed.write.contains(number))
    }
}

impl Default for Epoch {
    fn default() -> Self {
        Self { read: vec![0], write: vec![0] }
    }
}

/// Who publishes a snap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Publisher {
    /// The account's id.
    pub id: String,
    /// Its name in the store.
    pub username: String,
    /// Its name for people.
    pub display_name: String,
    /// `unproven`, `starred` or `verified`.
    pub validation: String,
}
