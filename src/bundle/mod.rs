//! The bundle: manifest and volumes, written and read. `docs/format.md` is its specification.
//!
//! The manifest determines every byte of every volume. [`layout`] computes what must stand between the members; the writer
//! ([`pack`]) and the reader ([`unpack`]) both go by it, and nothing else knows that volumes are tar files.

pub mod bundle_stream;
mod canonical;
pub mod check;
mod damage;
mod delta_base;
mod error;
pub(crate) mod folder;
mod format_error;
mod incoming;
pub mod layout;
pub mod manifest;
pub mod names;
pub mod open;
pub mod pack;
pub mod packing;
pub mod patch;
pub mod recovery;
pub mod schema;
pub(crate) mod sidecars;
pub mod state;
pub mod stored_list;
pub mod stream;
mod text;
pub mod unpack;
pub(crate) mod verify_text;
mod volume;
pub mod volume_set;
pub mod write;
pub mod zstd_frame;

pub(crate) use damage::pieces;
pub use damage::{AlternateCopy, Damage};
pub use error::BundleError;
pub use format_error::FormatError;
pub use incoming::STREAM_NAME;
pub use manifest::Manifest;
pub use open::{Bundle, Signed};
