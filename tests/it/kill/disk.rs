//! A model of a disk below a cache, which loses what was not synced when the power goes.
//!
//! It promises no more than POSIX: the content of a file lasts once the file is synced, a name once its folder is. All other
//! changes may be on the disk in any combination. A sync of the file system makes all of them last. Modes of files last at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

/// The part of the unsynced content of each file that is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Written {
    Nothing,
    Half,
    All,
    /// One of these for each file, by this number and that of the file.
    Mixed(usize),
}

/// A file, a folder or a symbolic link.
enum Inode {
    File { synced: Vec<u8>, seen: Vec<u8>, mode: u32 },
    Folder { mode: u32 },
    Link(PathBuf),
}

/// The names of each folder, by its inode.
type Names = BTreeMap<usize, BTreeMap<OsString, usize>>;

/// A name in a folder that is given to an inode, or taken from it.
#[derive(Clone)]
struct Entry {
    folder: usize,
    name: OsString,
    inode: usize,
    is_there: bool,
}

/// Names that one call changes together. They last once `folder` is synced.
struct Change {
    folder: usize,
    entries: Vec<Entry>,
}

/// A disk and the cache above it.
pub(super) struct Disk {
    inodes: Vec<Inode>,
    synced: Names,
    seen: Names,
    pending: Vec<Change>,
}

const ROOT: usize = 0;

impl Disk {
    /// A disk that holds what is in this folder, all of it synced.
    pub(super) fn of(folder: &Path) -> Self {
        let mut disk = Self { inodes: Vec::new(), synced: Names::new(), seen: Names::new(), pending: Vec::new() };
        disk.add(Inode::Folder { mode: 0o755 });
        let mut linked: BTreeMap<u64, usize> = BTreeMap::new();
        for entry in walkdir::WalkDir::new(folder).min_depth(1).into_iter().map(Result::unwrap) {
            let (path, metadata) = (entry.path(), entry.path().symlink_metadata().unwrap());
            let below = path.strip_prefix(folder).unwrap();
            let inode = match linked.get(&metadata.ino()) {
                Some(inode) => *inode,
                None => disk.add(Inode::of(path, &metadata)),
            };
            linked.insert(metadata.ino(), inode);
            let (folder, name) = disk.place(below).unwrap();
            disk.change(folder, vec![Entry { folder, name, inode, is_there: true }]);
        }
        disk.sync_all();
        disk
    }

    fn add(&mut self, inode: Inode) -> usize {
        let number = self.inodes.len();
        if matches!(inode, Inode::Folder { .. }) {
            self.seen.insert(number, BTreeMap::new());
            self.synced.insert(number, BTreeMap::new());
        }
        self.inodes.push(inode);
        number
    }

    /// The folder and the name that a path leads to, through links.
    fn place(&self, path: &Path) -> Option<(usize, OsString)> {
        let folder = self.find(path.parent()?)?;
        Some((folder, path.file_name()?.to_owned()))
    }

    /// The inode that a path leads to in the cache, through links of folders.
    fn find(&self, path: &Path) -> Option<usize> {
        let mut folders = vec![ROOT];
        for part in path.components() {
            let Component::Normal(name) = part else {
                if part == Component::ParentDir {
                    folders.pop();
                }
                continue;
            };
            let mut found = *self.seen.get(folders.last()?)?.get(name)?;
            if let Inode::Link(target) = &self.inodes[found] {
                assert!(target.is_relative(), "the model knows relative links: {}", target.display());
                let below: PathBuf = path.components().take(folders.len() - 1).collect();
                found = self.find(&below.join(target))?;
            }
            folders.push(found);
        }
        folders.last().copied()
    }

    fn change(&mut self, folder: usize, entries: Vec<Entry>) {
        let change = Change { folder, entries };
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    fn name(&mut self, path: &Path, inode: usize) {
        let (folder, name) = self.place(path).unwrap_or_else(|| panic!("no folder for {}", path.display()));
        self.change(folder, vec![Entry { folder, name, inode, is_there: true }]);
    }

    /// Opens a file for writing. It is made if it is not there.
    pub(super) fn open(&mut self, path: &Path, mode: u32, truncates: bool) {
        match self.find(path) {
            Some(inode) if truncates => self.inodes[inode].content().clear(),
            Some(_) => {}
            None => {
                let file = self.add(Inode::File { synced: Vec::new(), seen: Vec::new(), mode });
                self.name(path, file);
            }
        }
    }

    /// Makes a folder.
    pub(super) fn make_folder(&mut self, path: &Path, mode: u32) {
        let folder = self.add(Inode::Folder { mode });
        self.name(path, folder);
    }

    /// Makes a symbolic link.
    pub(super) fn make_link(&mut self, path: &Path, target: PathBuf) {
        let link = self.add(Inode::Link(target));
        self.name(path, link);
    }

    /// Gives a file a second name.
    pub(super) fn link(&mut self, file: &Path, path: &Path) {
        let inode = self.find(file).unwrap_or_else(|| panic!("no {}", file.display()));
        self.name(path, inode);
    }

    /// Gives a file or folder another name, at once for those who look on. It lasts once the new name's folder is synced.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        let (old, new) = (self.place(from).unwrap(), self.place(to).unwrap());
        let inode = self.seen[&old.0][&old.1];
        let entry = |(folder, name): &(usize, OsString), is_there| Entry {
            folder: *folder,
            name: name.clone(),
            inode,
            is_there,
        };
        self.change(new.0, vec![entry(&old, false), entry(&new, true)]);
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, path: &Path) {
        let (folder, name) = self.place(path).unwrap();
        let inode = self.seen[&folder][&name];
        self.change(folder, vec![Entry { folder, name, inode, is_there: false }]);
    }

    /// Writes at an offset, or at the end, into a file that has a name.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8], offset: Option<usize>) -> bool {
        let Some(inode) = self.find(path) else { return false };
        let content = self.inodes[inode].content();
        let offset = offset.unwrap_or(content.len());
        content.resize(content.len().max(offset + bytes.len()), 0);
        content[offset..offset + bytes.len()].copy_from_slice(bytes);
        true
    }

    /// Sets the length of a file that has a name.
    pub(super) fn set_length(&mut self, path: &Path, length: usize) -> bool {
        let Some(inode) = self.find(path) else { return false };
        self.inodes[inode].content().resize(length, 0);
        true
    }

    /// Sets the mode of a file or folder.
    pub(super) fn set_mode(&mut self, path: &Path, new: u32) {
        if let Some(Inode::File { mode, .. } | Inode::Folder { mode }) =
            self.find(path).map(|inode| &mut self.inodes[inode])
        {
            *mode = new;
        }
    }

    /// Syncs a file or a folder.
    pub(super) fn sync(&mut self, path: &Path) -> bool {
        let Some(inode) = self.find(path) else { return false };
        match &mut self.inodes[inode] {
            Inode::File { synced, seen, .. } => synced.clone_from(seen),
            Inode::Folder { .. } => self.sync_names(|change| change.folder == inode),
            Inode::Link(_) => {}
        }
        true
    }

    /// Syncs all.
    pub(super) fn sync_all(&mut self) {
        for inode in &mut self.inodes {
            if let Inode::File { synced, seen, .. } = inode {
                synced.clone_from(seen);
            }
        }
        self.sync_names(|_| true);
    }

    fn sync_names(&mut self, lasts: impl Fn(&Change) -> bool) {
        let (synced, pending) = std::mem::take(&mut self.pending).into_iter().partition::<Vec<_>, _>(lasts);
        self.pending = pending;
        synced.iter().for_each(|change| change.apply(&mut self.synced));
    }

    /// The number of changes of names that are not synced.
    pub(super) fn unsynced_names(&self) -> usize {
        self.pending.len()
    }

    /// Lays out in a new folder what the disk may hold: what is synced, the unsynced changes of names for which `chosen` holds, and
    /// so much of the unsynced contents.
    pub(super) fn lay_out(&self, folder: &Path, chosen: impl Fn(usize) -> bool, written: Written) {
        let mut names = self.synced.clone();
        for (_, change) in self.pending.iter().enumerate().filter(|(number, _)| chosen(*number)) {
            change.apply(&mut names);
        }
        let mut laid = BTreeMap::new();
        self.lay_out_folder(folder, ROOT, &names, written, &mut laid);
    }

    fn lay_out_folder(
        &self,
        place: &Path,
        folder: usize,
        names: &Names,
        written: Written,
        laid: &mut BTreeMap<usize, PathBuf>,
    ) {
        fs::create_dir(place).unwrap();
        for (name, inode) in &names[&folder] {
            let path = place.join(name);
            if let Some(first) = laid.get(inode) {
                fs::hard_link(first, path).unwrap();
                continue;
            }
            match &self.inodes[*inode] {
                Inode::Folder { mode } => {
                    self.lay_out_folder(&path, *inode, names, written, laid);
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                }
                Inode::Link(target) => symlink(target, path).unwrap(),
                Inode::File { synced, seen, mode } => {
                    fs::write(&path, after_cut(synced, seen, written.part_of_file(*inode))).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                    laid.insert(*inode, path);
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, names: &mut Names) {
        for Entry { folder, name, inode, is_there } in &self.entries {
            let names = names.get_mut(folder).unwrap();
            if *is_there {
                names.insert(name.clone(), *inode);
            } else if names.get(name) == Some(inode) {
                names.remove(name);
            }
        }
    }
}

impl Inode {
    fn of(path: &Path, metadata: &fs::Metadata) -> Self {
        if metadata.is_dir() {
            return Self::Folder { mode: metadata.mode() & 0o7777 };
        }
        if metadata.is_symlink() {
            return Self::Link(fs::read_link(path).unwrap());
        }
        let content = fs::read(path).unwrap();
        Self::File { synced: content.clone(), seen: content, mode: metadata.mode() & 0o7777 }
    }

    fn content(&mut self) -> &mut Vec<u8> {
        let Self::File { seen, .. } = self else { panic!("no file") };
        seen
    }
}

impl Written {
    fn part_of_file(self, inode: usize) -> Self {
        match self {
            Self::Mixed(number) => [Self::Nothing, Self::Half, Self::All][(inode * 31 + number * 17) % 97 % 3],
            one => one,
        }
    }
}

/// The content of a file after a power cut.
fn after_cut<'a>(synced: &'a [u8], seen: &'a [u8], written: Written) -> &'a [u8] {
    let common = synced.iter().zip(seen).take_while(|(a, b)| a == b).count();
    match written {
        Written::Nothing => synced,
        Written::Half => &seen[..common + (seen.len() - common) / 2],
        Written::All | Written::Mixed(_) => seen,
    }
}
