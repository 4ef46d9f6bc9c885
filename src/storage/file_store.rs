//! The store on a file system: a key is a path below a folder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::store::{ListedObject, NewObject, PutOutcome, Store};
use super::{
    FileError, create_new, modes, part_path, place_atomically, read_to_cap, remove_file_if_there, sync_file_system,
    sync_parent,
};

/// Objects as files below a folder.
#[derive(Clone, Debug)]
pub struct FileStore {
    root: PathBuf,
}

impl FileStore {
    /// Returns the store in the folder `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Store for FileStore {
    fn place(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    fn size(&self, key: &str) -> Result<Option<u64>, FileError> {
        let path = self.place(key);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => {
                let data = other.map_err(FileError::on::<FileError>("look at", &path))?;
                Ok(data.is_file().then_some(data.len()))
            }
        }
    }

    fn get(&self, key: &str, cap: u64) -> Result<Vec<u8>, FileError> {
        let path = self.place(key);
        File::open(&path).and_then(|file| read_to_cap(file, cap)).map_err(FileError::on("read", &path))
    }

    fn get_range(&self, key: &str, start: u64, length: u64) -> Result<Vec<u8>, FileError> {
        let path = self.place(key);
        let read = || {
            let (file, mut bytes) = (File::open(&path)?, vec![0; usize::try_from(length).unwrap_or(usize::MAX)]);
            let mut filled = 0;
            while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, start + filled as u64) {
                    Ok(0) => break,
                    Ok(more) => filled += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        };
        read().map_err(FileError::on("read", &path))
    }

    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.place(key);
        let put = || create_folder_of(&path).and_then(|()| place_atomically(&path, bytes, modes::PUBLIC_FILE));
        put().map_err(FileError::on("write", &path))
    }

    fn put_if_absent(&self, key: &str, bytes: &[u8]) -> Result<PutOutcome, FileError> {
        let path = self.place(key);
        let scratch = part_path(&path);
        let put = || {
            create_folder_of(&path)?;
            let mut file = create_new(&scratch, modes::PUBLIC_FILE)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            let outcome = rename_if_free(&scratch, &path)?;
            sync_parent(&path).map(|()| outcome)
        };
        let outcome = put();
        if !matches!(outcome, Ok(PutOutcome::Stored)) {
            let _ = fs::remove_file(&scratch); // it is of no use; the first error is what matters
        }
        outcome.map_err(FileError::on("write", &path))
    }

    fn put_files(&self, files: &[NewObject]) -> Result<(), FileError> {
        let Some(first) = files.first() else { return Ok(()) };
        let folder = first.file.parent().unwrap_or(&self.root);
        sync_file_system(folder).map_err(FileError::on::<FileError>("sync", folder))?;
        files.iter().try_for_each(|file| name(&file.file, &self.place(&file.key)))
    }

    fn sync(&self, folder: &str) -> Result<(), FileError> {
        let folder = self.place(folder);
        sync_file_system(&folder).map_err(FileError::on("sync", &folder))
    }

    fn delete(&self, key: &str) -> Result<(), FileError> {
        let path = self.place(key);
        remove_file_if_there(&path).map_err(FileError::on("remove", &path))
    }

    fn list(&self, folder: &str, depth: usize) -> Result<Vec<ListedObject>, FileError> {
        let root = self.place(folder);
        let mut listed = Vec::new();
        for entry in walkdir::WalkDir::new(&root).min_depth(depth).max_depth(depth).sort_by_file_name() {
            match entry.and_then(|entry| self.listed(&entry)) {
                Ok(object) => listed.extend(object),
                Err(error) if error.depth() > 0 && is_gone(&error) => {} // it was removed just now
                Err(error) => return Err(FileError::on("list", &root)(error.into())),
            }
        }
        Ok(listed)
    }

    fn point(&self, key: &str, target: &str) -> Result<(), FileError> {
        let link = self.place(key);
        let scratch = link.with_extension("part");
        let point = || {
            remove_file_or_folder(&scratch)?;
            match symlink(target, &scratch) {
                Err(error) if has_no_links(&error) => return point_by_file(&link, target),
                linked => linked?,
            }
            // scp and `cp -L` make a folder of the link: it changes places with the new link, and goes.
            match fs::symlink_metadata(&link).is_ok_and(|data| data.is_dir()) {
                true => renameat_with(CWD, &scratch, CWD, &link, RenameFlags::EXCHANGE)?,
                false => fs::rename(&scratch, &link)?,
            }
            remove_file_or_folder(&scratch)?;
            sync_parent(&link)
        };
        point().map_err(FileError::on("switch", &link))
    }

    fn target(&self, key: &str) -> Result<Option<String>, FileError> {
        let link = self.place(key);
        let found = match fs::read_link(&link) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => match link.is_dir() {
                true => Ok(Some(key.to_owned())),
                false => read_pointer(&link).map(Some),
            },
            Err(error) => Err(error),
            Ok(target) => {
                let text = target.into_os_string().into_string();
                text.map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "its target is no UTF-8"))
            }
        };
        found.map_err(FileError::on("read", &link))
    }

    fn local_file(&self, key: &str) -> Option<PathBuf> {
        Some(self.place(key))
    }
}

impl FileStore {
    /// Returns the object that a folder's entry is; `None` for a folder or a link.
    fn listed(&self, entry: &walkdir::DirEntry) -> Result<Option<ListedObject>, walkdir::Error> {
        let key = entry.path().strip_prefix(&self.root).ok().and_then(Path::to_str).map(str::to_owned);
        let Some(key) = key.filter(|_| entry.file_type().is_file()) else { return Ok(None) };
        Ok(Some(ListedObject { key, size: entry.metadata()?.len() }))
    }
}

/// Returns true if a link is impossible, so that a copy must take its place: FAT and exFAT have neither hard links nor symbolic
/// ones, a file of ext4 can have 65,000 names, and a name is on the file system of its file.
pub(crate) fn has_no_links(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    matches!(error.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
}

/// The longest text of a pointer that is a file, in bytes.
const MAX_POINTER_BYTES: u64 = 1 << 10;

/// Writes a pointer on a file system without symbolic links: a file that has its target.
fn point_by_file(path: &Path, target: &str) -> io::Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    }
    place_atomically(path, format!("{target}\n").as_bytes(), modes::PUBLIC_FILE)
}

fn read_pointer(path: &Path) -> io::Result<String> {
    let bytes = read_to_cap(File::open(path)?, MAX_POINTER_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))?;
    Ok(text.trim_end().to_owned())
}

fn is_gone(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Makes a finished file read-only for everyone, since objects are shared by hard links, and moves it to its name.
fn name(from: &Path, to: &Path) -> Result<(), FileError> {
    modes::seal(from).map_err(FileError::on::<FileError>("set the mode of", from))?;
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    create_folder_of(to).and_then(|()| fs::rename(from, to)).map_err(FileError::on("rename", from))
}

fn create_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| if folder.is_dir() { Ok(()) } else { modes::create_public_folders(folder) })
}

/// Renames a file unless something has the new name. Where the file system cannot do both in one step, the one writer of the
/// store holds its lock.
fn rename_if_free(from: &Path, to: &Path) -> io::Result<PutOutcome> {
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(PutOutcome::Stored),
        Err(Errno::EXIST) => Ok(PutOutcome::Taken),
        Err(Errno::INVAL | Errno::NOSYS) => match to.symlink_metadata().is_ok() {
            true => Ok(PutOutcome::Taken),
            false => fs::rename(from, to).map(|()| PutOutcome::Stored),
        },
        Err(error) => Err(error.into()),
    }
}

fn remove_file_or_folder(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path).is_ok_and(|data| data.is_dir()) {
        true => fs::remove_dir_all(path),
        false => remove_file_if_there(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, FileStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::new(dir.path());
        (dir, store)
    }

    #[test]
    fn objects_are_put_read_listed_and_deleted() {
        let (_dir, store) = store();
        store.put("a/b/c", b"old").unwrap();
        store.put("a/b/c", b"newer").unwrap();
        store.put("a/d", b"").unwrap();
        assert_eq!(store.get("a/b/c", 5).unwrap(), b"newer");
        assert_eq!(store.get("a/b/c", 4).unwrap_err().source.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(store.get_range("a/b/c", 3, 10).unwrap(), b"er");
        assert_eq!(store.get_range("a/b/c", 9, 10).unwrap(), b"");
        let listed = |folder, depth| store.list(folder, depth).unwrap();
        assert_eq!(listed("a", 2), [ListedObject { key: "a/b/c".to_owned(), size: 5 }]);
        assert_eq!(listed("a", 1), [ListedObject { key: "a/d".to_owned(), size: 0 }], "folders are no objects");
        assert_eq!((store.size("a/d").unwrap(), store.size("a/b").unwrap()), (Some(0), None));
        store.delete("a/d").unwrap();
        store.delete("a/d").unwrap();
        assert_eq!(store.get("a/d", 1).unwrap_err().source.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_taken_key_keeps_its_object() {
        let (dir, store) = store();
        assert_eq!(store.put_if_absent("n/1", b"mine").unwrap(), PutOutcome::Stored);
        assert_eq!(store.put_if_absent("n/1", b"other").unwrap(), PutOutcome::Taken);
        assert_eq!(store.get("n/1", 9).unwrap(), b"mine");
        assert_eq!(fs::read_dir(dir.path().join("n")).unwrap().count(), 1, "no scratch file stays");
    }

    #[test]
    fn pointers_lead_to_folders_in_one_step() {
        let (dir, store) = store();
        assert_eq!(store.target("current").unwrap(), None);
        store.point("current", "generations/1").unwrap();
        store.point("current", "generations/2").unwrap();
        assert_eq!(store.target("current").unwrap().as_deref(), Some("generations/2"));
        fs::remove_file(dir.path().join("current")).unwrap();
        fs::create_dir_all(dir.path().join("current/full")).unwrap();
        assert_eq!(store.target("current").unwrap().as_deref(), Some("current"), "a folder leads to itself");
        store.point("current", "generations/3").unwrap();
        assert_eq!(store.target("current").unwrap().as_deref(), Some("generations/3"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the folder is gone");
    }

    #[test]
    fn a_pointer_may_be_a_file_on_a_file_system_without_links() {
        let (dir, store) = store();
        point_by_file(&dir.path().join("current"), "generations/1").unwrap();
        assert_eq!(store.target("current").unwrap().as_deref(), Some("generations/1"));
        store.point("current", "generations/2").unwrap();
        assert_eq!(store.target("current").unwrap().as_deref(), Some("generations/2"));
        fs::remove_file(dir.path().join("current")).unwrap();
        fs::create_dir(dir.path().join("current")).unwrap();
        point_by_file(&dir.path().join("current"), "generations/3").unwrap();
        assert_eq!(store.target("current").unwrap().as_deref(), Some("generations/3"));
    }

    #[test]
    fn finished_files_become_read_only_objects() {
        let (dir, store) = store();
        let file = dir.path().join("scratch");
        fs::write(&file, "bytes").unwrap();
        store.put_files(&[NewObject { key: "x/y".to_owned(), file: file.clone() }]).unwrap();
        store.sync("x").unwrap();
        assert_eq!(store.get("x/y", 5).unwrap(), b"bytes");
        let local = store.local_file("x/y").unwrap();
        assert!(!file.exists() && fs::metadata(local).unwrap().permissions().readonly());
    }
}
