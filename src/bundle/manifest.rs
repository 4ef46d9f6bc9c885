//! The manifest: what a bundle says of itself, in one canonical text.
//!
//! UTF-8 JSON with sorted keys, integers only, one element of each list per line, so that it diffs and greps. There is one
//! text for each manifest: the reader refuses any other spelling, and with it duplicate keys, stray white space and numbers
//! that readers could disagree on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::collection::Collection;
use crate::digest::Sha256;
use crate::label::Label;
use crate::numbers::{Epoch, Sequence, VolumeNumber};
use crate::time::Time;

/// The format that this gapferry writes and reads.
pub const FORMAT: u64 = 1;
/// The largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 256 << 20;
/// The largest stored slice of a zstd part before compression, in bytes; bounds a reader's memory.
pub const MAX_ZSTD_SLICE_BYTES: u64 = 16 << 20;
/// The largest slice of an older blob that a patch builds on, in bytes; bounds a reader's memory, too.
pub const MAX_BASE_BYTES: u64 = 32 << 20;
/// The longest part, in bytes: what a tar header's eleven octal digits can say, less a block.
pub const MAX_PART_BYTES: u64 = (8 << 30) - 512;

/// What a bundle says of itself. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Every blob that the collections name, sorted by digest.
    pub blobs: Vec<Blob>,
    /// The complete state to publish, sorted by kind and name.
    pub collections: Vec<Collection>,
    /// When it was made.
    pub created: Time,
    /// Raised only when the site's trust changes; sequences start afresh in a new epoch.
    pub epoch: Epoch,
    /// When it stops being valid.
    pub expires: Time,
    /// Version of this format.
    pub format: u64,
    /// The program that wrote it, with its version.
    pub generator: String,
    /// Which of the site's bundles this is: each name has its own sequence.
    pub name: Label,
    /// SHA-256 of the manifest before it in the sequence.
    pub previous: Option<Sha256>,
    /// Rises by one with each bundle of the site and name.
    pub sequence: Sequence,
    /// The site that it is for.
    pub site: Label,
    /// The volumes, in order.
    pub volumes: Vec<Volume>,
}

/// One blob, and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// In the order of their `start`; none for a blob that the site is expected to hold already.
    #[serde(deserialize_with = "without_spare_room")]
    pub parts: Vec<Part>,
    /// The blob's digest.
    pub sha256: Sha256,
    /// The blob's size, in bytes.
    pub size: u64,
}

/// A slice of a blob in a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What a patch builds on; of patches alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Slice>,
    /// How the slice is stored.
    pub encoding: Encoding,
    /// Length of the slice, in bytes.
    pub length: u64,
    /// Where the stored bytes start in the volume, in bytes.
    pub offset: u64,
    /// Digest of the stored bytes.
    pub sha256: Sha256,
    /// Where the slice starts in the blob, in bytes.
    pub start: u64,
    /// Length of the stored bytes.
    pub stored: u64,
    /// The volume.
    pub volume: VolumeNumber,
}

/// How a slice is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As it is.
    Raw,
    /// As one zstd frame (RFC 8878) that says its content's size.
    Zstd,
    /// The same, for a decoder that has the part's `base` before its first byte.
    Patch,
}

/// A slice of a blob that the site holds already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Its length, in bytes.
    pub length: u64,
    /// The blob's digest.
    pub sha256: Sha256,
    /// Where it starts in the blob, in bytes.
    pub start: u64,
}

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Its file name; always `volume-NNN.tar`.
    pub file: String,
    /// Digest of the file.
    pub sha256: Sha256,
    /// Size of the file, in bytes.
    pub size: u64,
}

/// Most blobs have one part, and a vector that has grown to hold it has room for four, which adds up over 100,000 blobs.
fn without_spare_room<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Part>, D::Error> {
    let mut parts = Vec::deserialize(deserializer)?;
    parts.shrink_to_fit();
    Ok(parts)
}

impl Manifest {
    /// The bundle's folder name, such as `dc1-base-000042`.
    pub fn folder(&self) -> String {
        super::names::folder(&self.site, &self.name, self.sequence)
    }

    /// Blobs by digest.
    pub fn sizes(&self) -> BTreeMap<Sha256, u64> {
        self.blobs.iter().map(|blob| (blob.sha256, blob.size)).collect()
    }

    /// The parts that are patches.
    pub fn patches(&self) -> impl Iterator<Item = (&Blob, &Part)> {
        let parts = self.blobs.iter().flat_map(|blob| blob.parts.iter().map(move |part| (blob, part)));
        parts.filter(|(_, part)| part.encoding == Encoding::Patch)
    }

    /// The blobs that patches build on.
    pub fn bases(&self) -> impl Iterator<Item = Sha256> {
        self.patches().filter_map(|(_, part)| part.base.as_ref().map(|base| base.sha256))
    }

    /// Bytes of the blobs that travel in the volumes.
    pub fn carried_bytes(&self) -> u64 {
        self.blobs.iter().filter(|blob| !blob.parts.is_empty()).map(|blob| blob.size).sum()
    }
}
