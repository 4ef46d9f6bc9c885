//! Generated packages, snaps and assertions, for the demo, for tests and for benchmarks.
//!
//! [`DebSpec`] describes a package and [`build_deb`] makes a real .deb of it; [`SnapSpec`] and [`build_snap`] do the same for
//! snaps, and [`assertions`] signs statements about them. All of it is deterministic: the same description gives the same
//! bytes. Nothing here uses the parsers of `formats`, so that their unit tests have an independent writer.

pub mod assertions;
mod deb;
mod packing;
mod payload;
mod snap;

pub use deb::{DebSpec, build_deb};
pub use packing::SampleCompression;
pub use payload::{Payload, Pseudorandom};
pub use snap::{SnapFile, SnapSpec, build_snap, write_snap};

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
pub(crate) fn stanza(fields: &[(&str, &str)]) -> String {
    fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// The folder below `pool/COMPONENT/` for a source package, as Debian arranges it: `n/nginx`, `libx/libxml2`.
pub(crate) fn pool_folder(source: &str) -> String {
    let letters = if source.starts_with("lib") { 4 } else { 1 };
    let prefix: String = source.chars().take(letters).collect();
    format!("{prefix}/{source}")
}

/// A version without its epoch, as it stands in file names (Debian Policy 5.6.12).
pub(crate) fn without_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}
