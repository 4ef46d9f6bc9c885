//! Snaps: what a snap's own file says of it, and the words in which a snap store speaks.
//!
//! Whether any of it may be believed is not decided here: what the store signs stands in [`super::assertions`].

pub mod api;
mod channel;
mod listing;
pub mod metadata;
pub mod squashfs;

pub use channel::Channel;
pub use channel::Risk;
pub use listing::ALL;
pub use listing::ChannelListing;
pub use metadata::Metadata;
pub use metadata::NeedReason;
pub use metadata::SnapKind;
pub use metadata::SnapNeed;
pub use metadata::SnapRights;
