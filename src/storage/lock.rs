//! Locks of sites and workspaces.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::StorageError;
use super::owner::other_owner;

/// An exclusive lock on a file. Released on drop, and by the kernel when the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock at `path`. Fails at once if another process has it, or if its folder belongs to another user.
    pub fn take(path: &Path) -> Result<Self, StorageError> {
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        if let Some(owner) = other_owner(folder) {
            let command = owner.command();
            return Err(StorageError::OtherOwner { path: folder.to_owned(), owner, command });
        }
        let open = File::options().create(true).truncate(false).write(true).open(path);
        let file = open.map_err(StorageError::io("open", path))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StorageError::Locked { path: path.to_owned() })?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    /// Releases the lock. Closing is not enough while a child process that is just being started has a copy of the file.
    fn drop(&mut self) {
        let _ = flock(&self.file, FlockOperation::Unlock); // what is left then is closing it
    }
}
