//! The task of a copy to media.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::MountCheck;
use crate::bundle::Bundle;
use crate::progress::Progress;
use crate::storage::capacity::FreeSpace;

/// A bundle to copy, its targets and the options.
#[derive(Clone, Copy)]
pub struct CopyJob<'a> {
    /// The bundle.
    pub bundle: &'a Bundle,
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
