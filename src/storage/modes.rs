//! Modes of what other users must read, such as the server: the umask of the process has no say in them.
//!
//! A file system without modes, such as FAT, takes them from its mount options and refuses to change them: that is no error.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::sync::sync_parent;

/// Mode of a folder that everyone may enter and list.
pub const PUBLIC_FOLDER: u32 = 0o755;
/// Mode of a file that everyone may read.
pub const PUBLIC_FILE: u32 = 0o644;
/// Mode of a file that shares its bytes with others by hard links.
pub const SEALED_FILE: u32 = 0o444;
/// Mode of a folder for its owner alone.
pub const PRIVATE_FOLDER: u32 = 0o700;

/// Creates the folder, and those above it that are missing, for everyone to enter. What is there stays as it is. New folders outlive
/// a power cut.
pub fn create_public_folders(path: &Path) -> io::Result<()> {
    create_folders(path, PUBLIC_FOLDER, sync_parent)
}

/// The same as [`create_public_folders`], for a caller that syncs the file system, or all folders, after it.
pub fn create_unsynced_folders(path: &Path) -> io::Result<()> {
    create_folders(path, PUBLIC_FOLDER, |_| Ok(()))
}

/// Creates the folder for its owner alone, unless it is there. It outlives a power cut.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    create_folders(path, PRIVATE_FOLDER, sync_parent)
}

fn create_folders(path: &Path, mode: u32, sync: fn(&Path) -> io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{AlreadyExists, NotFound};
    match fs::create_dir(path) {
        // A folder that may be written and not read cannot be opened to be synced.
        Ok(()) => set_folder(path, mode).and_then(|()| ignore_unsupported(sync(path))),
        Err(error) if error.kind() == AlreadyExists && path.is_dir() => Ok(()),
        Err(error) if error.kind() == NotFound => match path.parent().filter(|parent| *parent != Path::new("")) {
            Some(parent) => {
                create_folders(parent, PUBLIC_FOLDER, sync)?;
                create_folders(path, mode, sync)
            }
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Creates the file, over one that is there, for everyone to read.
pub fn create_public_file(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().write(true).create(true).truncate(true), path, PUBLIC_FILE)
}

/// Opens the file as `options` say, and gives it exactly `mode`.
pub fn open_with(options: &mut OpenOptions, path: &Path, mode: u32) -> io::Result<File> {
    let file = options.mode(mode).open(path)?;
    if file.metadata()?.permissions().mode() & 0o7777 != mode {
        ignore_unsupported(file.set_permissions(Permissions::from_mode(mode)))?;
    }
    Ok(file)
}

fn set_folder(path: &Path, mode: u32) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o777 == mode {
        return Ok(());
    }
    ignore_unsupported(fs::set_permissions(path, Permissions::from_mode(mode)))
}

/// Makes a finished file read-only for everyone.
pub fn seal(path: &Path) -> io::Result<()> {
    ignore_unsupported(fs::set_permissions(path, Permissions::from_mode(SEALED_FILE)))
}

fn ignore_unsupported(result: io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{PermissionDenied, Unsupported};
    match result {
        Err(error) if matches!(error.kind(), PermissionDenied | Unsupported) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn new_folders_and_files_get_their_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (private, deep) = (dir.path().join("a/private"), dir.path().join("b/c"));
        create_private_folder(&private).unwrap();
        create_public_folders(&deep).unwrap();
        assert_eq!((mode(&private), mode(&dir.path().join("a")), mode(&deep)), (0o700, 0o755, 0o755));
        create_public_folders(&private).unwrap();
        assert_eq!(mode(&private), 0o700, "what is there stays as it is");
        let file = deep.join("file");
        fs::write(&file, "longer").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        create_public_file(&file).unwrap();
        assert_eq!((mode(&file), fs::read(&file).unwrap().len()), (0o644, 0));
        assert!(create_public_folders(&file.join("below")).is_err());
    }
}
