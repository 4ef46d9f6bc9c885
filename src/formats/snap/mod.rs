//! Snaps: what a snap's own file says of it, and the words in which a snap store speaks.
//!
//! Whether any of it may be believed is not decided here: what the store signs stands in [`super::assertions`].

pub mod api;
mod channel;
mod listing;
pub mod metadata;
pub mod squashfs;

pub use channel::{Channel, MalformedChannel, Risk};
pub use listing::{ALL, ChannelListing};
pub use metadata::{Metadata, MetadataError, NeedReason, SnapKind, SnapNeed};
