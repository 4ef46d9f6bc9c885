//! Makes another packing of a state: with other volumes, or with what a site lacks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::small_part::{PackingsOf, restore_small_part};
use super::volumes::{VolumeChoice, choose};
use super::{RecutError, open};
use crate::bundle::packing::found::FoundPacking;
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::packing::{Packing, PackingParameters};
use crate::bundle::recovery::Amount;
use crate::bundle::state::OpenState;
use crate::bundle::state::blob_table::{BlobMark, BlobTable};
use crate::bundle::state::lists::StateLists;
use crate::bundle::write::{PackingPlan, write_packing, write_sums};
use crate::bundle::{BundleError, names};
use crate::export::Settings;
use crate::storage::{self, modes};
use crate::trust::{PACKING_NAMESPACE, sign};
use crate::units::Bytes;
use crate::workspace::{VerifiedReceipt, Workspace};

/// A packing that was added to a bundle.
#[derive(Clone, Debug)]
pub struct Repacked {
    /// The bundle's folder.
    pub folder: PathBuf,
    /// The packing.
    pub packing: Packing,
    /// Bytes of the blobs that travel in it.
    pub bytes: u64,
}

/// Packs what a packing of the bundle carries into volumes of another size.
pub fn repack(
    state: &OpenState,
    choice: &VolumeChoice,
    volume_size: Bytes,
    settings: &Settings<'_>,
    workspace: &Workspace,
) -> Result<Repacked, RecutError> {
    let folder = begin(state, PackingsOf::Bundle, settings, workspace)?;
    let restored = open(&folder)?;
    let mut found = restored.packings(WrongSize::Missing, |_| Ok(()))?.found;
    if choice.packing.is_none() && found.len() > 1 {
        // One of this size may be what an earlier run of the same command made.
        found.retain(|packing| packing.packing.parameters.volume_size != volume_size.0);
    }
    let old = choose(found, choice, &state.manifest)?;
    let (lists, mut blobs) = restored.lists(workspace.scratch(), |_, _| Ok(()))?;
    let mut is_known = true;
    for index in 0..old.packing.volumes.len() {
        is_known &= old.each_part(index, workspace.scratch(), |part| {
            blobs.mark(&part.blob, BlobMark::Carried);
        })?;
    }
    let mut bases = Vec::new();
    // Where an index is lost, nobody knows what travelled: all of the state travels then.
    if is_known {
        blobs.mark_where(BlobMark::Held, |blob| !blob.has(BlobMark::Carried));
        bases = old.packing.parameters.bases;
    }
    let parameters = PackingParameters { bases, patches: None, volume_size: volume_size.0, ..old.packing.parameters };
    RepackTarget { folder: &folder, settings, workspace }.pack(&restored, parameters, &lists, &blobs)
}

/// Packs what `request` says that the site lacks of the bundle. A packing that an earlier run finished is taken as it is.
pub fn answer(
    state: &OpenState,
    request: &VerifiedReceipt,
    settings: &Settings<'_>,
    workspace: &Workspace,
) -> Result<Repacked, RecutError> {
    let (manifest, bundle) = (&state.manifest, state.manifest.folder());
    if !request.receipt.knows(&state.digest) {
        return Err(RecutError::OtherBundle { bundle });
    }
    let last = workspace.last(&manifest.site, &manifest.name)?;
    if let Some(last) = last.filter(|last| last.digest != state.digest) {
        return Err(RecutError::NotNewest { newest: last.manifest.folder(), bundle });
    }
    let folder = begin(state, PackingsOf::Nothing, settings, workspace)?;
    let restored = open(&folder)?;
    let (lists, mut blobs) = restored.lists(workspace.scratch(), |_, _| Ok(()))?;
    blobs.mark_where(BlobMark::Held, |blob| !request.receipt.lacks.contains(&blob.sha256));
    if blobs.iter().all(|blob| blob.has(BlobMark::Held)) {
        return Err(RecutError::NothingAsked { bundle });
    }
    let sizes = workspace.packings(manifest)?.into_iter().map(|made| made.packing.parameters.volume_size);
    let parameters = PackingParameters {
        // Nothing is known of what the site holds any more, but what it says to lack.
        bases: Vec::new(),
        manifest: state.digest,
        patches: None,
        request: Some(request.sha256),
        volume_size: sizes.max().unwrap_or_default().max(Bytes::FAT32.0),
    };
    RepackTarget { folder: &folder, settings, workspace }.pack(&restored, parameters, &lists, &blobs)
}

/// Writes the small part of the bundle to where the packing is to stand.
fn begin(
    state: &OpenState,
    packings: PackingsOf,
    settings: &Settings<'_>,
    workspace: &Workspace,
) -> Result<PathBuf, RecutError> {
    settings.mount_check.output(settings.out)?;
    let folder = settings.out.join(state.manifest.folder());
    restore_small_part(state, packings, workspace, &folder)?;
    Ok(folder)
}

struct RepackTarget<'a> {
    folder: &'a Path,
    settings: &'a Settings<'a>,
    workspace: &'a Workspace,
}

impl RepackTarget<'_> {
    fn pack(
        &self,
        state: &OpenState,
        parameters: PackingParameters,
        lists: &StateLists,
        blobs: &BlobTable,
    ) -> Result<Repacked, RecutError> {
        let bytes = blobs.iter().filter(|blob| !blob.has(BlobMark::Held)).map(|blob| blob.size).sum();
        let (folder, workspace) = (self.folder.to_owned(), self.workspace);
        if let Some(found) = self.finished_earlier(state, &parameters)? {
            // The run that signed it may have been killed before it could write the sums.
            write_sums(self.folder, &[])?;
            workspace.note_packing(
                &folder.join(&found.packing.folder().map_err(RecutError::in_file(&folder))?),
                &state.manifest,
            )?;
            return Ok(Repacked { folder, packing: found.packing, bytes });
        }
        let (older, recovery, free_space) = (BTreeMap::new(), Amount::default(), self.settings.free_space);
        let plan = PackingPlan { parameters, lists, blobs, older: &older, recovery, free_space };
        let written = write_packing(self.folder, plan, &workspace.depot, self.settings.progress)?;
        if let Some(key) = self.settings.key {
            let path = written.folder.join(names::PACKING_SIGNATURE);
            let signature = sign(key, PACKING_NAMESPACE, written.text.as_bytes())?;
            let placed = storage::place_atomically(&path, signature.as_bytes(), modes::PUBLIC_FILE);
            placed.map_err(BundleError::io("write", &path))?;
        }
        write_sums(self.folder, &written.recovery)?;
        storage::sync_folder(self.settings.out).map_err(BundleError::io("sync", self.settings.out))?;
        workspace.note_packing(&written.folder, &state.manifest)?;
        Ok(Repacked { folder, packing: written.packing, bytes })
    }

    /// Returns the packing of these parameters, if it is there with all of its volumes, signed by the same key.
    fn finished_earlier(
        &self,
        state: &OpenState,
        parameters: &PackingParameters,
    ) -> Result<Option<FoundPacking>, RecutError> {
        let Some(key) = self.settings.key else { return Ok(None) };
        let search = state.packings(WrongSize::Missing, |_| Ok(()))?;
        let ours = search.found.into_iter().filter(|found| found.signer == key.public());
        Ok(ours.filter(|found| found.packing.parameters == *parameters).find(|found| found.files.missing().is_empty()))
    }
}
