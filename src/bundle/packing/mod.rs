//! Packings: which bytes of a state travel in which volume. A small signed text, and per volume an index.

pub mod byte_ranges;
pub mod found;
pub mod index;
pub mod pack;
pub mod rewrite;
pub mod totals;
pub mod unpack;
pub mod volume_files;
pub mod volume_parts;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::index::VOLUME_INDEX_CAPS;
use super::canonical::{MAX_INTEGER, parse_text_of_format, push_line, to_text};
use super::format_error::{FormatError, contradiction};
use super::names;
use super::stored_list::StoredList;
use crate::digest::Sha256;
use crate::numbers::{Sequence, VolumeNumber};

/// The format of packings that this gapferry writes and reads.
pub const PACKING_FORMAT: u64 = 2;
/// The largest packing, in bytes.
pub const MAX_PACKING_BYTES: u64 = 8 << 20;
/// The most volumes of a packing.
pub const MAX_PACKING_VOLUMES: u64 = 9999;
/// The most packings of a state in one bundle.
pub const MAX_PACKINGS: usize = 64;
/// The most volumes of all packings of a state in one bundle.
pub const MAX_VOLUMES: usize = 40_000;
/// The smallest volume size, in bytes.
pub const MIN_VOLUME_SIZE: u64 = 64 << 10;
const MAX_BASES: u64 = 64;

/// A packing: the bytes of a state that travel in each volume. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Packing {
    /// Version of the format.
    pub format: u64,
    /// The parameters that determine the packing.
    pub parameters: PackingParameters,
    /// SHA-256 of the VERIFY.txt that was written with it.
    pub verify: Sha256,
    /// The volumes, in order.
    pub volumes: Vec<PackedVolume>,
}

/// The parameters of a packing. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackingParameters {
    /// States that the site is expected to have published, sorted; empty if the packing carries all.
    pub bases: Vec<BaseState>,
    /// SHA-256 of the state's manifest.
    pub manifest: Sha256,
    /// Present if parts may be patches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patches: Option<PatchesAllowed>,
    /// SHA-256 of the site's request or receipt that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Sha256>,
    /// The size that no volume exceeds, in bytes.
    pub volume_size: u64,
}

/// Says `true`: parts of the packing may be patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "bool", into = "bool")]
#[schemars(with = "bool")]
pub struct PatchesAllowed;

/// A state that the site is expected to have published. Ordered by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaseState {
    /// SHA-256 of its manifest.
    pub manifest: Sha256,
    /// Its sequence.
    pub sequence: Sequence,
}

/// A volume, as the packing names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackedVolume {
    /// Its index.
    pub index: StoredList,
    /// Digest of the file.
    pub sha256: Sha256,
    /// Size of the file, in bytes.
    pub size: u64,
}

/// The file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name in the packing's folder, such as `volume-001.tar`.
    pub file: String,
    /// Digest of the file.
    pub sha256: Sha256,
    /// Size of the file, in bytes.
    pub size: u64,
}

impl TryFrom<bool> for PatchesAllowed {
    type Error = &'static str;

    fn try_from(flag: bool) -> Result<Self, Self::Error> {
        if flag { Ok(Self) } else { Err("patches is true or absent") }
    }
}

impl From<PatchesAllowed> for bool {
    fn from(_: PatchesAllowed) -> Self {
        true
    }
}

impl PackingParameters {
    /// Returns the packing's ID, which is known before anything is written.
    pub fn id(&self) -> Result<String, FormatError> {
        let mut line = Vec::new();
        push_line(self, &mut line)?;
        Ok(Sha256::of(&line).abbreviated())
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.bases.len() as u64 > MAX_BASES {
            return Err(FormatError::TooMany { cap: MAX_BASES, what: "bases" });
        }
        if !self.bases.is_sorted_by(|a, b| a < b) {
            return contradiction("its bases are not sorted");
        }
        match (MIN_VOLUME_SIZE..=MAX_INTEGER).contains(&self.volume_size) {
            true => Ok(()),
            false => contradiction(format!("its volume size is not from {MIN_VOLUME_SIZE} to {MAX_INTEGER} bytes")),
        }
    }
}

impl Packing {
    /// Returns the text that is signed.
    pub fn to_text(&self) -> Result<String, FormatError> {
        self.check()?;
        let text = to_text(self)?;
        match text.len() as u64 > MAX_PACKING_BYTES {
            true => Err(FormatError::TooMany { cap: MAX_PACKING_BYTES, what: "bytes" }),
            false => Ok(text),
        }
    }

    /// Parses a packing of the state whose manifest has this digest. The caller has verified its signature.
    pub fn parse(bytes: &[u8], manifest: &Sha256) -> Result<Self, FormatError> {
        let packing = Self::parse_any(bytes)?;
        match packing.parameters.manifest == *manifest {
            true => Ok(packing),
            false => contradiction("it is of another manifest"),
        }
    }

    /// Parses a packing, whatever its state is. The caller has verified its signature, or has made it.
    pub fn parse_any(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() as u64 > MAX_PACKING_BYTES {
            return Err(FormatError::TooMany { cap: MAX_PACKING_BYTES, what: "bytes" });
        }
        let packing: Self = parse_text_of_format(bytes, PACKING_FORMAT)?;
        packing.check().map(|()| packing)
    }

    /// The file of volume `number`, counted from 1, in the bundle's folder, such as `packings/0123456789ab/volume-001.tar`.
    pub fn volume_file(&self, number: VolumeNumber) -> Result<String, FormatError> {
        Ok(format!("{}/{}", self.folder()?, names::volume(number)))
    }

    /// Its folder in the bundle's, such as `packings/0123456789ab`.
    pub fn folder(&self) -> Result<String, FormatError> {
        Ok(format!("{}/{}", names::PACKINGS, self.parameters.id()?))
    }

    /// Its volumes, with their file names.
    pub fn volumes(&self) -> Vec<Volume> {
        let volume = |(number, volume): (VolumeNumber, &PackedVolume)| Volume {
            file: names::volume(number),
            sha256: volume.sha256,
            size: volume.size,
        };
        VolumeNumber::all().zip(&self.volumes).map(volume).collect()
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.format != PACKING_FORMAT {
            return Err(FormatError::OtherFormat { found: self.format, known: PACKING_FORMAT });
        }
        self.parameters.check()?;
        if self.volumes.is_empty() {
            return contradiction("it has no volume");
        }
        if self.volumes.len() as u64 > MAX_PACKING_VOLUMES {
            return Err(FormatError::TooMany { cap: MAX_PACKING_VOLUMES, what: "volumes" });
        }
        for volume in &self.volumes {
            VOLUME_INDEX_CAPS.check(&volume.index)?;
            if volume.size > self.parameters.volume_size {
                return contradiction("a volume is larger than its volume size");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::canonical::is_sorted;
    use crate::bundle::stored_list::StoredFile;

    fn packing() -> Packing {
        let digest = Sha256::of(b"");
        let base = |sequence| BaseState { manifest: digest, sequence };
        let index = StoredList { sha256: digest, size: 1, stored: StoredFile { sha256: digest, size: 1 } };
        Packing {
            format: PACKING_FORMAT,
            parameters: PackingParameters {
                bases: vec![base(Sequence::FIRST), base(Sequence::FIRST.next())],
                manifest: digest,
                patches: Some(PatchesAllowed),
                request: Some(digest),
                volume_size: MIN_VOLUME_SIZE,
            },
            verify: digest,
            volumes: vec![PackedVolume { index, sha256: digest, size: MIN_VOLUME_SIZE }],
        }
    }

    #[test]
    fn a_packing_is_read_back() {
        let full = packing();
        assert!(is_sorted(&full));
        let bare = PackingParameters { bases: vec![], patches: None, request: None, ..full.parameters.clone() };
        for packing in [full.clone(), Packing { parameters: bare, ..full }] {
            let text = packing.to_text().unwrap();
            assert_eq!(Packing::parse(text.as_bytes(), &Sha256::of(b"")).unwrap(), packing);
            assert!(Packing::parse(text.as_bytes(), &Sha256::of(b"other")).is_err());
            assert!(
                Packing::parse(text.replace("\"patches\": true", "\"patches\": false").as_bytes(), &Sha256::of(b""))
                    .is_err()
                    || packing.parameters.patches.is_none()
            );
        }
    }

    #[test]
    fn the_id_follows_from_the_parameters() {
        let parameters = packing().parameters;
        let other = PackingParameters { patches: None, ..parameters.clone() };
        assert_eq!(parameters.id().unwrap().len(), 12);
        assert_ne!(parameters.id().unwrap(), other.id().unwrap());
        // `printf '{"bases":[],"manifest":"…","volume_size":65536}\n' | sha256sum | head -c 12`
        let least = PackingParameters { bases: vec![], request: None, ..other };
        assert_eq!(least.id().unwrap(), "363e51b1bf13");
    }

    #[test]
    fn writer_and_reader_refuse_the_same() {
        let with = |change: fn(&mut Packing)| {
            let mut packing = packing();
            change(&mut packing);
            packing
        };
        for wrong in [
            with(|p| p.format = 1),
            with(|p| p.volumes.clear()),
            with(|p| p.volumes = vec![p.volumes[0]; MAX_PACKING_VOLUMES as usize + 1]),
            with(|p| p.volumes[0].size += 1),
            with(|p| p.volumes[0].index.size = (8 << 30) + 1),
            with(|p| p.parameters.volume_size -= 1),
            with(|p| p.parameters.bases.swap(0, 1)),
            with(|p| p.parameters.bases[1] = p.parameters.bases[0]),
            with(|p| {
                p.parameters.bases = (0..=64)
                    .map(|n| BaseState { sequence: Sequence::FIRST.after(n), ..p.parameters.bases[0] })
                    .collect()
            }),
        ] {
            assert!(wrong.to_text().is_err(), "{wrong:?}");
            let text = to_text(&wrong).unwrap();
            assert!(Packing::parse(text.as_bytes(), &Sha256::of(b"")).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_most_volumes_fit_into_the_largest_packing() {
        let mut packing = packing();
        packing.parameters.volume_size = MAX_INTEGER;
        let largest = PackedVolume { size: MAX_INTEGER, ..packing.volumes[0] };
        packing.volumes = vec![largest; MAX_PACKING_VOLUMES as usize];
        assert!(packing.to_text().is_ok());
    }
}
