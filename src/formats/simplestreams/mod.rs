//! Simplestreams: signed lists of image files, as Ubuntu publishes them for MAAS and for clouds.
//!
//! `streams/v1/index.sjson` names products files, and these name every file with its size and SHA-256:
//! products have versions (serials), and versions have items. Tags may stand at any level and are inherited downwards.
//! [`ProductItem`] gives the inherited view without copying. All `path`s are relative to the root of the stream.
//!
//! The format is what the reference client `python-simplestreams` reads; what MAAS wants of it stands in [`maas`].

mod filter;
mod index;
mod json;
pub mod maas;
mod products;
mod restrict;
mod write;

pub use filter::Filter;
pub use index::ProductsEntry;
pub use index::StreamIndex;
pub use index::is_index;
pub use index::split_url;
pub use json::TagValue;
pub use json::Tags;
pub use products::{Product, ProductItem, ProductVersion, Products, StreamFile};
pub use restrict::{cut, listed, shapes};
pub use write::{ProductsLine, index_text, products_text};

/// The folder of all metadata.
pub const FOLDER: &str = "streams/v1/";
/// The suffix of a file that is clear-signed.
pub const INLINE: &str = ".sjson";
/// The suffix of a file that is not signed, or is signed beside itself.
pub const PLAIN: &str = ".json";
/// The usual index, without its suffix.
pub const INDEX_STEM: &str = "streams/v1/index";
/// Further indexes that streams are known to have: Juju's agents stand in `index2`.
pub const OTHER_INDEX_STEMS: [&str; 1] = ["streams/v1/index2"];
/// The index that is clear-signed.
pub const INDEX_SJSON: &str = "streams/v1/index.sjson";
/// The index that is not, or is signed beside itself.
pub const INDEX_JSON: &str = "streams/v1/index.json";
/// What a signature's file is called, after the name of what it signs.
pub const SIGNATURE_SUFFIX: &str = ".gpg";
/// The largest index or products file that is read, in bytes; the largest known are below 20 MB.
pub const MAX_STREAM_BYTES: u64 = 64 << 20;
