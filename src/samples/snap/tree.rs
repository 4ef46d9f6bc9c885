//! Files in folders, in the order in which squashfs wants them.

use std::collections::BTreeMap;
use std::io;

use super::SnapFile;

/// A folder, by the names in it.
#[derive(Debug, Default)]
pub(super) struct Folder<'a> {
    pub(super) entries: BTreeMap<&'a str, FolderEntry<'a>>,
}

/// What has a name in a folder.
#[derive(Debug)]
pub(super) enum FolderEntry<'a> {
    Folder(Folder<'a>),
    File(&'a SnapFile),
}

impl<'a> Folder<'a> {
    /// Puts a file where its path says, into folders that are made as needed.
    pub(super) fn insert(&mut self, file: &'a SnapFile) -> io::Result<()> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what}: {:?}", file.path));
        let (parents, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let mut folder = self;
        for part in parents.split('/').filter(|_| !parents.is_empty()) {
            if !is_name(part) {
                return Err(wrong("not a path in a snap"));
            }
            let entry = folder.entries.entry(part).or_insert_with(|| FolderEntry::Folder(Folder::default()));
            let FolderEntry::Folder(next) = entry else { return Err(wrong("a file is in the way of")) };
            folder = next;
        }
        if !is_name(name) {
            return Err(wrong("not a path in a snap"));
        }
        match folder.entries.insert(name, FolderEntry::File(file)) {
            None => Ok(()),
            Some(_) => Err(wrong("twice in a snap")),
        }
    }

    /// How many files and folders there are in it, with itself.
    pub(super) fn count(&self) -> u32 {
        let count = |entry: &FolderEntry<'_>| match entry {
            FolderEntry::Folder(folder) => folder.count(),
            FolderEntry::File(_) => 1,
        };
        1 + self.entries.values().map(count).sum::<u32>()
    }
}

/// Squashfs has names of at most 256 bytes, Linux of at most 255.
fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && !matches!(name, "." | "..") && !name.contains('\0')
}
