//! Snaps that are wanted from a store.

use url::Url;

use crate::formats::snap::Channel;

/// The reason of a wish that the selection has itself.
pub(super) const REQUESTED: &str = "requested";

/// A snap that is wanted from a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wish {
    /// The store's address.
    pub(super) store: Url,
    /// For devices of this architecture.
    pub(super) architecture: String,
    /// The snap's name.
    pub(super) name: String,
    /// The channel that it comes from. A pinned revision is offered under this channel at the site.
    pub(super) channel: Channel,
    /// This revision and no other.
    pub(super) revision: Option<u64>,
    /// `true` if the snaps that it needs are wanted too.
    pub(super) closure: bool,
    /// The reason, for messages.
    pub(super) reason: String,
}
