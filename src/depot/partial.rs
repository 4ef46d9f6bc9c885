//! Blobs under construction: local files, whatever store the blobs are in.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::{Depot, DepotError};
use crate::digest::Sha256;
use crate::storage::{has_no_links, remove_file_if_there};

impl Depot {
    /// The place of the blob before it is complete.
    pub fn partial_path(&self, digest: &Sha256) -> PathBuf {
        self.root.join("partial").join(digest.to_hex())
    }

    /// Creates an empty partial file for the blob, over whatever was left there.
    pub fn create_partial(&self, digest: &Sha256) -> Result<File, DepotError> {
        let path = self.partial_path(digest);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o644).custom_flags(no_follow());
        let created = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove_if_there(&path)?; // it may be read-only already, see `unseal`
                options.open(&path)
            }
            created => created,
        };
        created.map_err(DepotError::io("create", &path))
    }

    /// Opens the blob's partial file as it is, creating it when there is none: for parts that arrive one by one.
    pub fn open_partial(&self, digest: &Sha256) -> Result<File, DepotError> {
        let path = self.partial_path(digest);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644).custom_flags(no_follow());
        unseal(&path).and_then(|()| options.open(&path)).map_err(DepotError::io("open", &path))
    }

    /// Gives a blob under construction the digest that it was found to have.
    pub fn rename_partial(&self, from: &Sha256, to: &Sha256) -> Result<(), DepotError> {
        let path = self.partial_path(from);
        if from == to {
            return Ok(());
        }
        fs::rename(&path, self.partial_path(to)).map_err(DepotError::io("rename", &path))
    }

    /// The digests of all blobs under construction, in order.
    pub fn partials(&self) -> Result<Vec<Sha256>, DepotError> {
        let folder = self.root.join("partial");
        let mut digests = Vec::new();
        for entry in fs::read_dir(&folder).map_err(DepotError::io("list", &folder))? {
            let entry = entry.map_err(DepotError::io("list", &folder))?;
            digests.extend(entry.file_name().to_str().and_then(|name| name.parse::<Sha256>().ok()));
        }
        digests.sort();
        Ok(digests)
    }

    /// Returns whether files of this file system can have two names. FAT and exFAT know no hard links.
    pub fn has_hard_links(&self) -> Result<bool, DepotError> {
        let [one, other] = [&b"one name"[..], b"another name"].map(Sha256::of);
        self.create_partial(&one)?;
        self.remove_partial(&other)?;
        let (file, name) = (self.partial_path(&one), self.partial_path(&other));
        let linked = match fs::hard_link(&file, &name) {
            Err(error) if has_no_links(&error) => Ok(false),
            linked => linked.map(|()| true).map_err(DepotError::io("link", &name)),
        };
        self.remove_partial(&one)?;
        self.remove_partial(&other)?;
        linked
    }

    /// Returns whether this file system has symbolic links. FAT and exFAT do not.
    pub fn has_symbolic_links(&self) -> Result<bool, DepotError> {
        let link = Sha256::of(b"a link");
        self.remove_partial(&link)?;
        let path = self.partial_path(&link);
        let linked = match symlink("nowhere", &path) {
            Err(error) if has_no_links(&error) => Ok(false),
            linked => linked.map(|()| true).map_err(DepotError::io("link", &path)),
        };
        self.remove_partial(&link)?;
        linked
    }

    /// Removes the blob's partial file. Succeeds if it does not exist.
    pub fn remove_partial(&self, digest: &Sha256) -> Result<(), DepotError> {
        remove_if_there(&self.partial_path(digest))
    }
}

fn no_follow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits() as i32
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), DepotError> {
    remove_file_if_there(path).map_err(DepotError::io("remove", path))
}

/// Makes a partial file writable again: a run that was killed between sealing it and naming it leaves it read-only.
pub(crate) fn unseal(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.permissions().readonly() => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        }
        _ => Ok(()), // nothing, or something that is for the caller to refuse
    }
}
