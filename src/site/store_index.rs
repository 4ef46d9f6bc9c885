//! What the embedded store answers from: `snaps/NAME/index.json` of a generation, which the publisher writes.
//!
//! All that it says of a snap comes from the snap's own verified bytes and from its assertions; only which channel offers what
//! is the builder's word, since no store signs that.

use serde::{Deserialize, Serialize};

use crate::formats::snap::api::Snap;

/// The name of the file.
pub const STORE_INDEX: &str = "index.json";

/// All snaps of a store, and which channel offers which of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreIndex {
    /// Sorted by name, architecture and channel; each of the three together stands there once.
    pub channels: Vec<ChannelEntry>,
    /// Version of this file's format; 1.
    pub format: u64,
    /// Sorted by name and revision. The addresses of their files are empty; they stand beside the index as NAME_REV.snap, with
    /// NAME_REV.assert.
    pub snaps: Vec<Snap>,
}

/// A channel's offer to devices of one architecture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelEntry {
    /// The snap's name.
    pub name: String,
    /// As dpkg calls it.
    pub architecture: String,
    /// TRACK/RISK or TRACK/RISK/BRANCH, such as `latest/stable`.
    pub channel: String,
    /// The revision's number.
    pub revision: u64,
}
