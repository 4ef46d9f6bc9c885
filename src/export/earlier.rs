//! Finds a bundle that an earlier run finished, and was killed before it could say so.

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use super::new_state::next_sequence;
use super::{ExportError, Settings};
use crate::bundle::state::open::copies_of_lists;
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::state::{Manifest, SignedState};
use crate::bundle::{BundleError, names};
use crate::digest::Sha256;
use crate::selection::Selection;
use crate::workspace::{Last, NewState, Workspace};

/// Returns the bundle that comes next, if an earlier run finished it. Records it, unless it is a dry run.
pub(super) fn finished_earlier(
    selection: &Selection,
    settings: &Settings<'_>,
    workspace: &Workspace,
    last: Option<&Last>,
) -> Result<Option<(PathBuf, StoredState)>, ExportError> {
    let sequence = next_sequence(selection, last.map(|last| &last.manifest));
    let folder = settings.out.join(names::folder(&selection.site, &selection.name, sequence));
    if !folder.try_exists().map_err(BundleError::io("look at", &folder))? {
        return Ok(None);
    }
    let in_the_way = || ExportError::InTheWay { path: folder.clone() };
    let text = manifest_of(&folder, settings).ok_or_else(in_the_way)?;
    let manifest = Manifest::parse(&text).map_err(|_| in_the_way())?;
    let follows = (manifest.previous, manifest.epoch) == (last.map(|last| last.digest), selection.epoch);
    if !follows {
        return Err(in_the_way());
    }
    let lists = copies_of_lists(&manifest, slice::from_ref(&folder), workspace.scratch()).map_err(|_| in_the_way())?;
    let state = StoredState { digest: Sha256::of(&text), manifest, lists };
    let blobs = state.lists.check(|_, _| Ok(())).map_err(|_| in_the_way())?;
    if !settings.dry_run {
        let noted = NewState { manifest: &state.manifest, text: &text, lists: &state.lists, blobs: &blobs };
        workspace.announce(noted)?;
        workspace.record(&folder, noted, selection.overlap)?;
    }
    Ok(Some((folder, state)))
}

/// Returns the text of the manifest, if the builder's key has signed it, or if nobody is to sign it yet.
fn manifest_of(folder: &Path, settings: &Settings<'_>) -> Option<Vec<u8>> {
    match settings.key {
        Some(key) => {
            let signed = SignedState::open(folder).ok().filter(|signed| *signed.signer() == key.public())?;
            Some(signed.into_bytes())
        }
        None => fs::read(folder.join(names::MANIFEST)).ok(),
    }
}
