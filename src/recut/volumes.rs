//! Makes lost volumes again, byte for byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::small_part::{PackingsOf, restore_small_part};
use super::{RecutError, open};
use crate::bundle::packing::found::FoundPacking;
use crate::bundle::packing::rewrite::{RewriteError, RewriteSource, rewrite_volume};
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::state::{Manifest, OpenState};
use crate::bundle::write::write_sums;
use crate::bundle::{BundleError, names};
use crate::export::Settings;
use crate::next_command::{PackingName, repack};
use crate::numbers::VolumeNumber;
use crate::storage;
use crate::workspace::Workspace;

/// The volumes that are to be made again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeChoice {
    /// The packing's ID; `None` for the only one.
    pub packing: Option<String>,
    /// The volumes, counted from 1; all of them if there are none.
    pub numbers: BTreeSet<VolumeNumber>,
}

/// The result of making volumes again.
#[derive(Clone, Debug)]
pub struct MadeVolumes {
    /// The bundle's folder.
    pub folder: PathBuf,
    /// The packing's ID.
    pub packing: String,
    /// The volumes, counted from 1.
    pub numbers: BTreeSet<VolumeNumber>,
}

/// Writes volumes of the bundle again, with its small part, into `out/BUNDLE`. A volume that is there is replaced when its successor is
/// complete. The next copy takes the volumes to media again.
pub fn volumes(
    state: &OpenState,
    choice: &VolumeChoice,
    settings: &Settings<'_>,
    workspace: &Workspace,
) -> Result<MadeVolumes, RecutError> {
    let out = settings.out;
    let bundle = state.manifest.folder();
    let folder = out.join(&bundle);
    restore_small_part(state, PackingsOf::Bundle, workspace, &folder)?;
    let restored = open(&folder)?;
    let packing = choose(restored.packings(WrongSize::Missing, |_| Ok(()))?.found, choice, &state.manifest)?;
    let count = packing.packing.volumes.len();
    let numbers = match choice.numbers.is_empty() {
        true => VolumeNumber::all().take(count).collect(),
        false => choice.numbers.clone(),
    };
    if let Some(number) = numbers.iter().copied().find(|number| number.index() >= count) {
        return Err(RecutError::NoVolume { bundle, packing: packing.id, count, number });
    }
    let (lists, blobs) = restored.lists(workspace.scratch(), |_, _| Ok(()))?;
    let size = |number: &VolumeNumber| packing.packing.volumes.get(number.index()).map_or(0, |volume| volume.size);
    let progress = settings.progress.phase("writing volumes", numbers.iter().map(size).sum());
    let mut walk = lists.walk(&blobs);
    let mut made = BTreeSet::new();
    for number in numbers.iter().copied() {
        let target = packing.files.expected(&names::volume(number));
        let path = target.with_extension("tar.part");
        let from = RewriteSource { depot: &workspace.depot, scratch: workspace.scratch(), progress: &progress };
        if let Err(error) = rewrite_volume(&packing, number, &mut walk, from, &path) {
            let _ = fs::remove_file(&path); // it is of no use; the error is what matters
            return Err(not_again(error, &packing, &bundle, settings));
        }
        fs::rename(&path, &target).map_err(BundleError::io("rename to", &target))?;
        made.insert(packing.packing.volume_file(number).map_err(RecutError::in_file(&target))?);
    }
    progress.finish();
    write_sums(&folder, &[])?;
    storage::sync_folder(out).map_err(BundleError::io("sync", out))?;
    workspace.note_made_again(&bundle, &state.digest, &made)?;
    Ok(MadeVolumes { folder, packing: packing.id, numbers })
}

/// Makes the error of a volume that cannot be made again byte for byte: another packing can carry what it had.
fn not_again(reason: RewriteError, packing: &FoundPacking, bundle: &str, settings: &Settings<'_>) -> RecutError {
    match reason {
        RewriteError::Bundle(error) => error.into(),
        reason => {
            let size = packing.packing.parameters.volume_size;
            let lost = PackingName { bundle, id: &packing.id };
            RecutError::NotAgain { again: repack(lost, size, settings.out, settings.named_workspace), reason }
        }
    }
}

/// Returns the packing that is meant.
pub(super) fn choose(
    mut found: Vec<FoundPacking>,
    choice: &VolumeChoice,
    manifest: &Manifest,
) -> Result<FoundPacking, RecutError> {
    let bundle = manifest.folder();
    let known = found.iter().map(|packing| packing.id.as_str()).collect::<Vec<_>>().join(", ");
    match &choice.packing {
        Some(id) => {
            let packing = found.into_iter().find(|packing| packing.id == *id);
            packing.ok_or_else(|| RecutError::NoPacking { bundle, packing: id.clone(), known })
        }
        None if found.len() > 1 => Err(RecutError::WhichPacking { bundle, known }),
        None => found.pop().ok_or(RecutError::Unpacked { bundle }),
    }
}
