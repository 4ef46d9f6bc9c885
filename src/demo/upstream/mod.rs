//! A small signed Debian archive of generated packages, and a stream of images, for the demo, for tests and for benchmarks.
//!
//! [`DebSpec`] describes one package and [`build_deb`] makes a real .deb of it; [`Upstream`] collects packages in suites and
//! components and writes `dists/` and `pool/` as a Debian archive has them, signed. All of it is deterministic: the same
//! description gives the same bytes. [`Suite::edit_release`] and [`DebSpec::index_fields`] make signed archives that lie.
//! [`Stream`] does the same for images, [`SnapSpec`] and [`build_snap`] for snaps, and [`assertions`] for what is signed about
//! those.

mod archive;
pub mod assertions;
mod client_index;
mod deb;
mod packing;
mod payload;
mod pdiff;
mod snap;
mod source;
mod stream;

pub use archive::{Suite, Upstream};
pub use deb::{DebSpec, build_deb};
pub use packing::Packing;
pub use payload::{Payload, Pseudorandom};
pub use snap::{SnapFile, SnapSpec, build_snap, write_snap};
pub use source::SourceSpec;
pub use stream::{Signing, Stream, StreamItem, StreamVersion, UbuntuSerial};

/// When a generated archive was published unless told otherwise: 2025-01-01 00:00:00 UTC, in Unix seconds.
pub const DEFAULT_DATE: i64 = 1_735_689_600;

/// `count` packages named `bulk-00000` and so on, each with `size` bytes that do not compress and differ by `seed`.
///
/// All but the first depend on one before them, so that a closure over them has some depth.
pub fn bulk(count: u32, size: u64, seed: u64) -> impl Iterator<Item = DebSpec> {
    (0..count).map(move |number| DebSpec {
        depends: if number == 0 { String::new() } else { format!("bulk-{:05}", number / 2) },
        payload: Payload::Pseudorandom { size, seed: seed ^ (u64::from(number) << 32) },
        ..DebSpec::new(&format!("bulk-{number:05}"), "1.0-1", "amd64")
    })
}

/// Field lines of a stanza, without those that are empty.
fn stanza(fields: &[(&str, &str)]) -> String {
    fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// The folder below `pool/COMPONENT/` for a source package, as Debian arranges it: `n/nginx`, `libx/libxml2`.
fn pool_folder(source: &str) -> String {
    let letters = if source.starts_with("lib") { 4 } else { 1 };
    let prefix: String = source.chars().take(letters).collect();
    format!("{prefix}/{source}")
}

/// A version without its epoch, as it stands in file names (Debian Policy 5.6.12).
fn without_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}
