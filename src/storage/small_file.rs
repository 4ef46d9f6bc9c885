//! Small files: read up to a cap, and written so that a reader sees the old content or the new one.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::sync::sync_parent;
use super::{FileError, NamedBy, StorageError, modes};

/// Reads to the end. Fails with `FileTooLarge` after more than `cap` bytes.
pub(crate) fn read_to_cap(from: impl Read, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(cap.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// Reads a file of at most `cap` bytes.
pub(crate) fn read_capped(path: &Path, cap: u64) -> Result<Vec<u8>, StorageError> {
    File::open(path).and_then(|file| read_to_cap(file, cap)).map_err(StorageError::io("read", path))
}

/// Reads a file that the operator named, of at most `cap` bytes.
pub(crate) fn read_named(path: &Path, cap: u64) -> Result<Vec<u8>, StorageError> {
    read_capped(path, cap).map_err(|error| match error {
        StorageError::File(error) => FileError { named_by: NamedBy::Operator, ..error }.into(),
        other => other,
    })
}

/// Writes a file under its name only when it is complete and synced, with exactly `mode`.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StorageError> {
    place_atomically(path, bytes, mode).map_err(StorageError::io("write", path))
}

/// The same as [`write_atomically`], with the system's own error. Does not follow a link that stands at the scratch name.
pub(crate) fn place_atomically(path: &Path, mut bytes: &[u8], mode: u32) -> io::Result<()> {
    place_atomically_from(path, &mut bytes, mode)
}

/// The same as [`place_atomically`], with all that `from` has.
pub(crate) fn place_atomically_from(path: &Path, from: &mut dyn io::Read, mode: u32) -> io::Result<()> {
    place_atomically_with(path, mode, |file| io::copy(from, file).map(drop))
}

/// The same as [`place_atomically`], with all that `fill` writes.
pub(crate) fn place_atomically_with(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let scratch = part_path(path);
    let write = || {
        let mut file = BufWriter::with_capacity(64 << 10, create_new(&scratch, mode)?);
        fill(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&scratch, path)?;
        sync_parent(path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&scratch); // it is of no use; the first error is what matters
    })
}

/// Returns the name of a file while it is written.
pub(crate) fn part_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Creates a new file with exactly `mode`, in the place of a file or link that is there.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    remove_file_if_there(path)?;
    modes::open_with(File::options().write(true).create_new(true), path, mode)
}

/// Removes a file. Succeeds if it does not exist.
pub(crate) fn remove_file_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Points the symbolic link at `path` at `target`, in one rename. `scratch` is on the same file system.
pub(crate) fn replace_link(target: &Path, path: &Path, scratch: &Path) -> io::Result<()> {
    remove_file_if_there(scratch)?;
    symlink(target, scratch)?;
    fs::rename(scratch, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_whole_file_and_leaves_no_scratch() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        symlink(dir.path().join("elsewhere"), part_path(&path)).unwrap();
        write_atomically(&path, b"longer", 0o644).unwrap();
        write_atomically(&path, b"new", 0o600).unwrap();
        assert_eq!(read_capped(&path, 3).unwrap(), b"new");
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["state"], "no scratch file, and nothing was written through the link");
    }

    #[test]
    fn reads_are_capped_by_what_comes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        fs::write(&path, "1234").unwrap();
        assert!(read_capped(&path, 3).is_err());
        // Its size is 0, whatever comes out of it.
        assert!(read_capped(Path::new("/proc/cpuinfo"), 3).is_err());
        assert!(read_capped(&dir.path().join("gone"), 3).unwrap_err().is_not_found());
    }
}
