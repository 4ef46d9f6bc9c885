//! The names of a bundle's files: the same on every file system, below 64 bytes, without `:`.

use crate::label::Label;
use crate::numbers::{Sequence, VolumeNumber};

/// The manifest.
pub const MANIFEST: &str = "manifest.json";
/// The builder's signature over the manifest.
pub const SIGNATURE: &str = "manifest.json.sig";
/// Digests for coreutils' `sha256sum -c`.
pub const SHA256SUMS: &str = "SHA256SUMS";
/// How to check and unpack the bundle without gapferry.
pub const VERIFY: &str = "VERIFY.txt";

/// The bundle's folder, such as `dc1-base-000042`.
pub fn folder(site: &Label, name: &Label, sequence: Sequence) -> String {
    format!("{site}-{name}-{sequence:06}")
}

/// The file of volume `number`, such as `volume-001.tar`.
pub fn volume(number: VolumeNumber) -> String {
    format!("volume-{number:03}.tar")
}

/// The recovery file of volume `number`, such as `volume-001.rec`.
pub fn recovery(number: VolumeNumber) -> String {
    format!("volume-{number:03}.rec")
}

/// Spare volume `number`, counted from 1, such as `spare-001.rec`.
pub fn spare(number: u64) -> String {
    format!("spare-{number:03}.rec")
}
