//! Finds the workspace that commands use by default, and bundles that are named without their folder.

use std::path::{Path, PathBuf};

use super::history::History;
use super::{Workspace, WorkspaceError};
use crate::bundle::state::manifest::MAX_MANIFEST_BYTES;
use crate::bundle::state::{Manifest, SignedState};
use crate::numbers::Sequence;

impl Workspace {
    /// The folder that the workspace at `root` wrote the bundle to; `None` if it does not know. Opens nothing.
    pub fn place_of(root: &Path, bundle: &str) -> Result<Option<PathBuf>, WorkspaceError> {
        match split(bundle) {
            Some((stem, sequence)) => History::new(root.join("history").join(stem)).place(sequence),
            None => Ok(None),
        }
    }

    /// Returns the state of a bundle as this workspace remembers it, as if its manifest and signature were in `folder`. `None` if it
    /// does not, or if the bundle was signed after the export.
    pub fn remembered(&self, bundle: &str, folder: &Path) -> Result<Option<SignedState>, WorkspaceError> {
        let Some((stem, sequence)) = split(bundle) else { return Ok(None) };
        let history = History::new(self.root.join("history").join(stem));
        let Some((epoch, digest)) = history.newest_manifest(sequence)? else { return Ok(None) };
        let Some(signature) = history.signature(epoch, sequence)? else { return Ok(None) };
        let bytes = self.depot.read(&digest, MAX_MANIFEST_BYTES)?;
        Ok(Some(SignedState::of_bytes(folder, bytes, signature)?))
    }

    pub(super) fn note_place(&self, folder: &Path, manifest: &Manifest) -> Result<(), WorkspaceError> {
        self.lists(&manifest.site, &manifest.name).note_place(folder, manifest)
    }
}

/// SITE-NAME and the sequence of a bundle's name; `None` if it is no bundle's name.
fn split(bundle: &str) -> Option<(&str, Sequence)> {
    let (stem, number) = bundle.rsplit_once('-')?;
    let sequence: Sequence = number.parse().ok()?;
    let is_plain = stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (is_plain && !stem.is_empty() && bundle == format!("{stem}-{sequence:06}")).then_some((stem, sequence))
}
