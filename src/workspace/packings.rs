//! Packings of the last bundles, as blobs of the depot: with them, lost volumes are made again byte for byte.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Workspace, WorkspaceError};
use crate::bundle::packing::totals::PackingTotals;
use crate::bundle::packing::{MAX_PACKING_BYTES, MAX_PACKINGS, MAX_VOLUMES, Packing};
use crate::bundle::state::Manifest;
use crate::bundle::verify_text::MAX_VERIFY_BYTES;
use crate::bundle::{BundleError, FormatError, names};
use crate::depot::{Batch, Depot};
use crate::digest::Sha256;
use crate::numbers::VolumeNumber;
use crate::storage::read_capped;
use crate::trust::MAX_SIGNATURE_BYTES;

/// A packing that the workspace made, in its depot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotedPacking {
    /// The blobs that its patches build on.
    bases: BTreeSet<Sha256>,
    /// The indexes of its volumes, in order.
    indexes: Vec<Sha256>,
    /// The blob that has its text.
    packing: Sha256,
    /// The blob that has its signature; `None` if it was signed later.
    signature: Option<Sha256>,
    /// The blob that has the `VERIFY.txt` which it names: a later version of gapferry writes another one.
    verify: Sha256,
}

/// A packing that the workspace made.
#[derive(Clone, Debug)]
pub struct MadePacking {
    /// Its content.
    pub packing: Packing,
    /// Its text.
    pub bytes: Vec<u8>,
    /// The signature over that text; `None` if it was signed later.
    pub signature: Option<Vec<u8>>,
    /// The `VERIFY.txt` that it names.
    pub verify: Vec<u8>,
}

impl NotedPacking {
    /// The blobs that it is made of, and those that its patches build on.
    pub(super) fn blobs(&self) -> impl Iterator<Item = Sha256> {
        let own = self.indexes.iter().chain([&self.packing, &self.verify]).chain(&self.signature);
        own.chain(&self.bases).copied().collect::<Vec<_>>().into_iter()
    }
}

impl Workspace {
    /// Notes a packing of a state of ours, which is complete in `folder`.
    pub fn note_packing(&self, folder: &Path, manifest: &Manifest) -> Result<(), WorkspaceError> {
        let mut batch = self.depot.batch();
        let noted = put(&self.depot, &mut batch, folder)?;
        batch.commit()?;
        let history = self.lists(&manifest.site, &manifest.name);
        let mut packings = history.packings(manifest.epoch, manifest.sequence)?;
        packings.retain(|other| other.packing != noted.packing);
        packings.push(noted);
        let volumes = packings.iter().map(|packing| packing.indexes.len()).sum();
        for (count, cap, what) in
            [(packings.len(), MAX_PACKINGS, "packings"), (volumes, MAX_VOLUMES, "volumes in all packings")]
        {
            if count > cap {
                let reason = FormatError::TooMany { cap: cap as u64, what };
                return Err(BundleError::in_file(folder)(reason).into());
            }
        }
        history.note_packings(manifest.epoch, manifest.sequence, &packings)
    }

    /// Returns the packings of a bundle that were made here, in the order in which they were made.
    pub fn packings(&self, manifest: &Manifest) -> Result<Vec<MadePacking>, WorkspaceError> {
        let noted = self.lists(&manifest.site, &manifest.name).packings(manifest.epoch, manifest.sequence)?;
        let made = noted.into_iter().map(|noted| {
            let bytes = self.depot.read(&noted.packing, MAX_PACKING_BYTES)?;
            let path = self.depot.place(&noted.packing);
            let packing = Packing::parse_any(&bytes).map_err(BundleError::in_file(&path))?;
            let signature = noted.signature.map(|digest| self.depot.read(&digest, MAX_SIGNATURE_BYTES)).transpose()?;
            let verify = self.depot.read(&noted.verify, MAX_VERIFY_BYTES)?;
            Ok(MadePacking { packing, bytes, signature, verify })
        });
        made.collect()
    }
}

fn put(depot: &Depot, batch: &mut Batch<'_>, folder: &Path) -> Result<NotedPacking, WorkspaceError> {
    let path = folder.join(names::PACKING);
    let bytes = read_capped(&path, MAX_PACKING_BYTES)?;
    let packing = Packing::parse_any(&bytes).map_err(BundleError::in_file(&path))?;
    let totals = match packing.parameters.patches {
        Some(_) => PackingTotals::of_folder(folder, &packing)?,
        None => PackingTotals::default(),
    };
    let mut indexes = Vec::new();
    for (number, volume) in VolumeNumber::all().zip(&packing.volumes) {
        let stored = volume.index.stored;
        depot.put_file(batch, &folder.join(names::volume_index(number)), stored.sha256, stored.size)?;
        indexes.push(stored.sha256);
    }
    let signature = read_capped(&folder.join(names::PACKING_SIGNATURE), MAX_SIGNATURE_BYTES).ok();
    let signature = signature.map(|bytes| depot.put(batch, &bytes)).transpose()?;
    let path = folder.ancestors().nth(2).unwrap_or(folder).join(names::VERIFY);
    let verify = depot.put(batch, &read_capped(&path, MAX_VERIFY_BYTES)?)?;
    Ok(NotedPacking { bases: totals.patches.bases, indexes, packing: depot.put(batch, &bytes)?, signature, verify })
}
