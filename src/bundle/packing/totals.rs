//! Sums over the indexes of a packing: how much travels, and how much of it as patches.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Packing;
use super::index::{PartLine, VOLUME_INDEX_CAPS};
use crate::bundle::canonical::parse_line;
use crate::bundle::format_error::FormatError;
use crate::bundle::packing::index::Encoding;
use crate::bundle::stored_list::{ListReader, StoredList};
use crate::bundle::{BundleError, names};
use crate::digest::Sha256;
use crate::numbers::VolumeNumber;

/// Sums over the parts of a packing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackingTotals {
    /// Bytes of blobs that travel.
    pub bytes: u64,
    /// The number of parts.
    pub parts: u64,
    /// The parts that are patches.
    pub patches: PatchTotals,
}

/// Sums over the patches of a packing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchTotals {
    /// The blobs that they build on.
    pub bases: BTreeSet<Sha256>,
    /// Bytes that they make.
    pub bytes: u64,
    /// The number of patches.
    pub parts: u64,
    /// Bytes that travel for them.
    pub stored: u64,
}

impl PackingTotals {
    /// Adds the parts of a volume, of which the caller has checked the stored bytes of the index.
    pub(crate) fn add(&mut self, index: impl Read, list: StoredList) -> Result<(), FormatError> {
        each_part(index, list, |line| {
            self.add_part(line);
            let base = line.base.as_ref().filter(|_| line.encoding == Encoding::Patch);
            self.patches.bases.extend(base.map(|base| base.sha256));
        })
    }

    /// Adds one part, but not the base of a patch: a hostile index may name millions.
    pub(crate) fn add_part(&mut self, line: &PartLine) {
        self.parts += 1;
        self.bytes = self.bytes.saturating_add(line.length);
        if line.encoding == Encoding::Patch {
            self.patches.bytes = self.patches.bytes.saturating_add(line.length);
            self.patches.parts += 1;
            self.patches.stored = self.patches.stored.saturating_add(line.stored_bytes());
        }
    }

    /// Reads the indexes of a packing of ours, in its folder.
    pub fn of_folder(folder: &Path, packing: &Packing) -> Result<Self, BundleError> {
        let mut totals = Self::default();
        for (number, volume) in VolumeNumber::all().zip(&packing.volumes) {
            let path = folder.join(names::volume_index(number));
            let file = File::open(&path).map_err(BundleError::io("open", &path))?;
            totals.add(file, volume.index).map_err(BundleError::in_file(&path))?;
        }
        Ok(totals)
    }
}

/// Reads an index, of which the caller has checked the stored bytes, and hands each line to `part`.
pub(crate) fn each_part(
    index: impl Read,
    list: StoredList,
    mut part: impl FnMut(&PartLine),
) -> Result<(), FormatError> {
    let mut list = ListReader::new(index, list, VOLUME_INDEX_CAPS)?;
    while let Some(text) = list.next_line()? {
        part(&parse_line(text)?);
    }
    Ok(())
}
