//! Generated upstreams: small signed Debian archives and streams of images, for the demo, for tests and for benchmarks.
//!
//! [`Upstream`] collects the packages of [`samples`](crate::samples) in suites and components and writes `dists/` and `pool/` as
//! a Debian archive has them, signed. [`Stream`] does the same for images. [`Suite::edit_release`] and
//! [`DebSpec::index_fields`] make signed archives that lie.

mod archive;
mod client_index;
mod pdiff;
mod source;
mod stream;

pub use crate::samples::{
    DEFAULT_DATE, DebSpec, Payload, Pseudorandom, SampleCompression, SnapFile, SnapSpec, assertions, build_deb,
    build_snap, bulk, write_snap,
};
pub use archive::{Suite, Upstream};
pub use source::SourceSpec;
pub use stream::{Signing, Stream, StreamItem, StreamVersion, UbuntuSerial};
