//! Finds the workspace that commands use by default, and bundles that are named without their folder.

use std::path::{Path, PathBuf};

use super::history::History;
use super::{Workspace, WorkspaceError};
use crate::bundle::{BundleError, Manifest, Signed};
use crate::numbers::Sequence;

impl Workspace {
    /// The folder that the workspace at `root` wrote the bundle to; `None` if it does not know. Opens nothing.
    pub fn place_of(root: &Path, bundle: &str) -> Result<Option<PathBuf>, WorkspaceError> {
        match split(bundle) {
            Some((stem, sequence)) => History::new(root.join("history").join(stem)).place(sequence),
            None => Ok(None),
        }
    }

    /// Returns the bundle as this workspace remembers it, as if its manifest and signature were in `folder`. `None` if it is not
    /// the last one of its name, or was signed after the export.
    pub fn remembered(&self, bundle: &str, folder: &Path) -> Result<Option<Signed>, WorkspaceError> {
        let Some((stem, _)) = split(bundle) else { return Ok(None) };
        let path = self.root.join("history").join(format!("{stem}.json"));
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(BundleError::io("read", &path))?,
        };
        let manifest = Manifest::parse(&bytes)?;
        if manifest.folder() != bundle {
            return Ok(None);
        }
        let history = self.lists(&manifest.site, &manifest.name);
        let signature = history.signature(manifest.epoch, manifest.sequence)?;
        Ok(signature.map(|signature| Signed::of_bytes(folder, bytes, signature)).transpose()?)
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
