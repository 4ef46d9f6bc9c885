//! The names of a bundle's files: the same on every file system, below 64 bytes, without `:`.

use std::path::Path;

use crate::kind::Kind;
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

/// The item list of a collection, such as `items/apt-debian.jsonl.zst`.
pub fn item_list(kind: Kind, collection: &Label) -> String {
    format!("items/{}-{collection}.jsonl.zst", kind.as_str())
}

/// The index of volume `number`, such as `volume-001.idx`.
pub fn volume_index(number: VolumeNumber) -> String {
    format!("volume-{number:03}.idx")
}

/// The path in the bundle's folder of a volume at this path, such as `packings/0123456789ab/volume-001.tar`.
pub(crate) fn of_volume(path: &Path) -> Option<String> {
    let names: Vec<&str> = path.components().rev().take(3).filter_map(|name| name.as_os_str().to_str()).collect();
    match names.as_slice() {
        [file, packing, folder] if *folder == PACKINGS => Some(format!("{folder}/{packing}/{file}")),
        _ => None,
    }
}

/// The index of the volume at `index`, counted from 0, of a packing.
pub(crate) fn volume_index_at(index: usize) -> String {
    VolumeNumber::at(index).map(volume_index).unwrap_or_default()
}

/// The folder of trust files.
pub const TRUST: &str = "trust";
/// The folder of the statements of reviewers.
pub const APPROVALS: &str = "approvals";
/// The folder of packings.
pub const PACKINGS: &str = "packings";
/// A packing, in its folder.
pub const PACKING: &str = "packing.json";
/// The builder's signature over a packing.
pub const PACKING_SIGNATURE: &str = "packing.json.sig";
