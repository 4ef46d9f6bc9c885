//! The bundle: a state and its packings, written and read. `docs/format.md` is its specification.
//!
//! [`state`] says what is to be published, and [`packing`] which bytes of it are in which volume. [`layout`] computes what must stand
//! between the members of a volume: writer and reader both go by it, and nothing else knows that volumes are tar files.

pub mod approval_files;
pub mod bundle_stream;
mod canonical;
pub mod check;
mod damage;
mod delta_base;
mod error;
pub(crate) mod folder;
mod format_error;
pub mod layout;
pub mod names;
pub mod overview;
pub mod packing;
pub mod patch;
pub mod recovery;
pub mod schema;
pub mod send_stream;
pub mod state;
pub mod stored_list;
pub mod trust_files;
pub(crate) mod verify_text;
mod volume;
pub mod write;
pub mod zstd_frame;

pub use bundle_stream::STREAM_NAME;
pub(crate) use damage::pieces;
pub use damage::{AlternateCopy, Damage};
pub use error::{BundleError, Unrepairable};
pub use format_error::FormatError;
