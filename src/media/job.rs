//! The task of a copy to media.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::MountCheck;
use crate::bundle::BundleError;
use crate::bundle::packing::found::FoundPacking;
use crate::bundle::state::OpenState;
use crate::progress::Progress;
use crate::storage::capacity::FreeSpace;

/// A bundle to copy, its targets and the options.
#[derive(Clone, Copy)]
pub struct CopyJob<'a> {
    /// The bundle's state, in one folder.
    pub state: &'a OpenState,
    /// All packings in that folder.
    pub packings: &'a [FoundPacking],
    /// The folders of media.
    pub targets: &'a [PathBuf],
    /// The workspace's folder: a bundle on its file system is on no medium.
    pub home: &'a Path,
    /// The workspace that printed commands name; `None` if they use it anyway.
    pub named_workspace: Option<&'a Path>,
    /// Controls the check that each target is a mounted medium.
    pub mount_check: MountCheck,
    /// `true` to forget the volumes that went to media before.
    pub again: bool,
    /// Checks the free space of media first, or ignores it.
    pub free_space: FreeSpace,
    /// The time to wait for a medium that is pulled and put back, after which all is read once more. `None` skips that.
    pub reinsert: Option<Duration>,
    /// Says something to the user while it goes on.
    pub say: &'a dyn Fn(&str),
    /// Shows how far it is.
    pub progress: &'a Progress,
}

impl CopyJob<'_> {
    /// The bundle's folder.
    pub(super) fn folder(&self) -> &Path {
        self.state.folders.first().map_or(Path::new("."), PathBuf::as_path)
    }

    /// Returns the bundle's name, such as `dc1-base-000042`.
    pub(super) fn bundle(&self) -> String {
        self.state.manifest.folder()
    }

    /// Returns the volumes that are not here, by their paths in the bundle's folder.
    pub(super) fn missing_volumes(&self) -> Vec<String> {
        self.packings.iter().flat_map(|packing| packing.files.missing()).collect()
    }

    /// Returns the error for volumes that are not here: they are missing, unless the medium that should have them cannot be read.
    pub(super) fn lacks(&self, missing: Vec<String>) -> BundleError {
        let readable = self.packings.iter().try_for_each(|packing| packing.files.can_be_read());
        readable
            .map_or_else(|gone| gone, |()| BundleError::VolumesMissing { folder: self.folder().to_owned(), missing })
    }
}
