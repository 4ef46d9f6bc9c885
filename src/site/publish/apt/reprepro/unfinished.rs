//! Whether what reprepro has in its base folder can be relied upon.
//!
//! reprepro writes its database in place, and Berkeley DB without transactions makes no promise about one whose writer was
//! killed or met a full disk: it may look whole and fail later. So a file says while we have reprepro write, and until what it
//! wrote has reached the disk; whoever finds it, or a lock that was left, has everything built again from the depot.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::base::{remove_file, remove_folder};
use super::{PublishError, lock};
use crate::storage;
use crate::storage::FileError;

/// The file's name in the base folder.
const NAME: &str = "unfinished";
/// What reprepro makes there. `conf` is an operator's, too.
const MADE: [&str; 5] = ["db", "dists", "incoming", "lists", "pool"];

/// A run that has not ended yet.
#[derive(Debug)]
#[must_use = "it ends with `end`"]
pub(super) struct Unfinished {
    base: PathBuf,
}

impl Unfinished {
    /// Begins a run in the base folder. What an earlier one left in doubt is removed first; whether there was any comes back.
    pub(super) fn begin(base: &Path) -> Result<(Self, bool), PublishError> {
        let file = base.join(NAME);
        let in_doubt = lock::is_left(base)? || file.symlink_metadata().is_ok();
        File::create(&file).map_err(FileError::on::<FileError>("create", &file))?;
        storage::sync_folder(base).map_err(FileError::on::<FileError>("sync", base))?;
        if in_doubt {
            MADE.iter().try_for_each(|name| remove_folder(&base.join(name)))?;
        }
        Ok((Self { base: base.to_owned() }, in_doubt))
    }

    /// Ends it, when all that reprepro wrote is on the disk.
    pub(super) fn end(self) -> Result<(), PublishError> {
        storage::sync_file_system(&self.base).map_err(FileError::on::<FileError>("sync", &self.base))?;
        Ok(remove_file(&self.base.join(NAME))?)
    }
}
