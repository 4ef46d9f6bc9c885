//! Upstream formats, parsed and verified: no I/O, no knowledge of the rest of gapferry.

pub mod apt;
pub mod archive;
pub mod assertions;
pub mod compression;
pub mod deb;
pub mod enterprise_store;
pub mod feed;
mod invalid;
pub mod openpgp;
pub mod os_image;
pub mod rpm;
pub mod signed_digest;
pub mod simplestreams;
pub mod snap;

#[cfg(test)]
pub(crate) use invalid::refusal;
pub use invalid::{Invalid, ReadError, shortened};
