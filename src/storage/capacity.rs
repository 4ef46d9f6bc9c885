//! What a file system has room for: asked before anything is written to it, by `export` and by `copy` alike.

use std::path::Path;

use super::FileError;

/// The largest file on FAT file systems, in bytes.
const FAT_FILE_BYTES: u64 = (4 << 30) - 1;
const MSDOS_SUPER_MAGIC: i64 = 0x4d44; // linux/magic.h

/// What a file system has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes that an unprivileged process can still write.
    pub free: u64,
    /// Files take up multiples of so many bytes.
    pub block: u64,
    /// The largest file that it can hold, in bytes; none if that is beyond any volume.
    pub file_limit: Option<u64>,
    /// Whether nothing can be written at all.
    pub read_only: bool,
}

/// The weight of a file system's word on its free space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreeSpace {
    /// Nothing is begun that does not fit.
    #[default]
    Checked,
    /// The word is ignored, since some FUSE drivers always say 0. A write that fails still ends the run.
    Ignored,
}

/// The free space that is assumed where the file system's word does not count, in bytes: beyond any medium.
const UNKNOWN_FREE_BYTES: u64 = 1 << 60;

impl Capacity {
    /// Returns the same capacity with more free space than any bundle needs if it is not to be checked.
    #[must_use]
    pub fn with(self, free_space: FreeSpace) -> Self {
        match free_space {
            FreeSpace::Checked => self,
            FreeSpace::Ignored => Self { free: UNKNOWN_FREE_BYTES, ..self },
        }
    }

    /// Asks the file system that `folder` is on.
    pub fn of(folder: &Path) -> Result<Self, FileError> {
        let failed = |e: rustix::io::Errno| FileError::on::<FileError>("look at the file system of", folder)(e.into());
        let kind = rustix::fs::statfs(folder).map_err(failed)?.f_type;
        let stat = rustix::fs::statvfs(folder).map_err(failed)?;
        Ok(Self {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            block: stat.f_frsize.max(512),
            file_limit: (kind == MSDOS_SUPER_MAGIC).then_some(FAT_FILE_BYTES),
            read_only: stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        })
    }

    /// Whether it can hold a file of `size` bytes, were there space enough.
    pub fn holds(&self, size: u64) -> bool {
        self.file_limit.is_none_or(|limit| size <= limit)
    }
}
