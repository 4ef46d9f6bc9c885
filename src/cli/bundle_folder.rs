//! Finds the folder of a bundle that is named by its path or, as in `dc1-base-000042`, by its name alone.

use std::path::{Path, PathBuf};

use super::error::Failure;
use super::workspace::default_workspace;
use crate::workspace::Workspace;

/// The result of looking for a bundle.
#[derive(Debug)]
pub(super) enum BundleFolder {
    /// It is in this folder, as far as that can be told without opening it.
    Found(PathBuf),
    /// It is in none of the folders where it was looked for.
    Nowhere(Vec<PathBuf>),
}

/// Looks for a bundle at the path `given` and, if that is a bare name, where the workspace at `root` wrote it.
pub(super) fn look(given: &Path, root: Option<&Path>) -> Result<BundleFolder, Failure> {
    let is_bare = given.components().count() == 1 && given.file_name() == Some(given.as_os_str());
    if !is_bare || given.symlink_metadata().is_ok() {
        return Ok(BundleFolder::Found(given.to_owned()));
    }
    let place = match (root, given.to_str()) {
        (Some(root), Some(name)) => Workspace::place_of(root, name)?,
        _ => None,
    };
    let here = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
    match place {
        Some(place) if place.symlink_metadata().is_ok() => Ok(BundleFolder::Found(place)),
        place => Ok(BundleFolder::Nowhere([here].into_iter().chain(place).collect())),
    }
}

/// Finds the folder of the bundle `given`, which must be one; `root` is the workspace, or else the usual one.
pub(super) fn find(given: &Path, root: Option<&Path>) -> Result<PathBuf, Failure> {
    let usual = default_workspace();
    match look(given, root.or(usual.as_deref()))? {
        BundleFolder::Found(folder) => Ok(folder),
        BundleFolder::Nowhere(looked) => {
            let (name, places) = (given.display(), listed(&looked, " and "));
            Err(Failure::usage(format_args!(
                "there is no bundle {name}: it was looked for in {places}; give its folder"
            )))
        }
    }
}

/// Lists folders for a message.
pub(super) fn listed(folders: &[PathBuf], between: &str) -> String {
    folders.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(between)
}
