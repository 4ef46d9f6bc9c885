//! Writes, signs and records a bundle.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::new_state::NewLists;
use super::{ExportError, Settings, Travel};
use crate::bundle::packing::totals::PackingTotals;
use crate::bundle::packing::{Packing, PackingParameters, PatchesAllowed};
use crate::bundle::state::Manifest;
use crate::bundle::state::blob_table::{BlobMark, BlobTable};
use crate::bundle::state::lists::StateLists;
use crate::bundle::write::{BundleDraft, PackingPlan, WrittenPacking};
use crate::bundle::{names, trust_files};
use crate::digest::Sha256;
use crate::selection::Selection;
use crate::trust::{MANIFEST_NAMESPACE, PACKING_NAMESPACE, SignedTrustFile, sign};
use crate::workspace::{DeliveryBase, NewState, Workspace};

/// A bundle that is to be written.
pub(super) struct BundlePlan<'a> {
    pub(super) manifest: Manifest,
    pub(super) lists: NewLists,
    /// The trust files that travel, in order.
    pub(super) trust: Vec<SignedTrustFile>,
    /// The state's blobs; those that the site holds are marked as held.
    pub(super) blobs: BlobTable,
    /// The state that the site is known to have published.
    pub(super) base: Option<&'a DeliveryBase>,
    /// By blob that travels, an older revision that the site holds.
    pub(super) older: BTreeMap<Sha256, Sha256>,
    pub(super) selection: &'a Selection,
}

/// A bundle that was written.
pub(super) struct WrittenBundle {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) packing: Option<Packing>,
    pub(super) travel: Travel,
}

/// Packs, signs and records the next bundle.
pub(super) fn write(
    plan: BundlePlan<'_>,
    settings: &Settings<'_>,
    workspace: &Workspace,
) -> Result<WrittenBundle, ExportError> {
    settings.mount_check.output(settings.out)?;
    let name = plan.manifest.folder();
    let draft = BundleDraft::begin(settings.out, &name)?;
    match fill(&draft, plan, settings, workspace) {
        Err(error) => {
            draft.abandon();
            Err(error)
        }
        Ok(filled) => {
            let FilledDraft { manifest, text, lists, blobs, written, travel, overlap } = filled;
            let recovery = written.as_ref().map(|written| written.recovery.clone()).unwrap_or_default();
            let state = NewState { manifest: &manifest, text: text.as_bytes(), lists: &lists, blobs: &blobs };
            workspace.announce(state)?;
            let folder = draft.finish(&name, &recovery)?;
            workspace.record(&folder, state, overlap)?;
            Ok(WrittenBundle { folder, packing: written.map(|written| written.packing), manifest, travel })
        }
    }
}

/// A draft that has all of its files.
struct FilledDraft {
    manifest: Manifest,
    text: String,
    lists: StateLists,
    blobs: BlobTable,
    written: Option<WrittenPacking>,
    travel: Travel,
    overlap: Option<u64>,
}

fn fill(
    draft: &BundleDraft,
    plan: BundlePlan<'_>,
    settings: &Settings<'_>,
    workspace: &Workspace,
) -> Result<FilledDraft, ExportError> {
    let BundlePlan { manifest, lists, trust, blobs, base, older, selection } = plan;
    trust_files::write(&trust_files::folder_in(draft.folder()), &trust)?;
    workspace.keep_trust_files(&manifest.site, &trust)?;
    lists.copy_into(draft)?;
    let text = draft.manifest(&manifest)?;
    if let Some(key) = settings.key {
        draft.signature(&draft.folder().join(names::MANIFEST), &sign(key, MANIFEST_NAMESPACE, text.as_bytes())?)?;
    }
    let lists = lists.lists;
    let travels = blobs.iter().filter(|blob| !blob.has(BlobMark::Held));
    let mut travel = Travel {
        bytes: travels.map(|blob| blob.size).sum(),
        of: blobs.iter().map(|blob| blob.size).sum(),
        ..Travel::default()
    };
    let mut written = None;
    if blobs.iter().any(|blob| !blob.has(BlobMark::Held)) {
        let parameters = PackingParameters {
            bases: base.iter().map(|base| base.state).collect(),
            manifest: Sha256::of(text.as_bytes()),
            patches: (!older.is_empty()).then_some(PatchesAllowed),
            request: None,
            volume_size: selection.volume_size.0,
        };
        let (recovery, free_space) = (selection.recovery(), settings.free_space);
        let plan = PackingPlan { parameters, lists: &lists, blobs: &blobs, older: &older, recovery, free_space };
        let packed = draft.packing(plan, &workspace.depot, settings.progress)?;
        if let Some(key) = settings.key {
            let signature = sign(key, PACKING_NAMESPACE, packed.text.as_bytes())?;
            draft.signature(&packed.folder.join(names::PACKING), &signature)?;
        }
        if !older.is_empty() {
            travel.patches = PackingTotals::of_folder(&packed.folder, &packed.packing)?.patches;
        }
        written = Some(packed);
    }
    Ok(FilledDraft { manifest, text, lists, blobs, written, travel, overlap: selection.overlap })
}
