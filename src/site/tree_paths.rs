//! The places of published trees below the site.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::SiteError;
use crate::digest::Sha256;

/// The folder of all trees, below the site's.
pub(super) const TREES_FOLDER: &str = "trees";

/// Returns the path below the site of the tree that stands at `folder` of a generation.
pub(super) fn tree_path(folder: &str, paths: &Sha256) -> String {
    format!("{TREES_FOLDER}/{}-{paths}", folder.replace('/', "-"))
}

/// Returns the scratch name of a tree that is being written.
pub(super) fn part_of(tree: &Path) -> PathBuf {
    let mut name = OsString::from(tree);
    name.push(".part");
    name.into()
}

/// Removes a folder with all that is in it. Succeeds if it does not exist.
pub(super) fn remove_folder(folder: &Path) -> Result<(), SiteError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(SiteError::io("remove", folder)(e)),
        _ => Ok(()),
    }
}
