//! The state: what is to be published. A small signed manifest, and one item list per collection.
//!
//! Nothing in it depends on media, on volume sizes or on what the site holds.

pub mod blob_table;
pub mod collections;
pub mod item_list;
pub mod known_versions;
pub mod line;
pub mod list_changes;
pub mod lists;
pub mod manifest;
pub mod new_list;
pub mod open;
mod path_order;
pub mod stored_state;

pub use item_list::{ItemListReader, ItemListWriter, ListSummary, MAX_LINES};
pub use line::{ItemLine, ListLine, ProofLine};
pub use manifest::Manifest;
pub use open::{OpenState, SignedState};
pub use path_order::MAX_PROOFS;
