//! Folders that the trees of several generations share, so that a change of a few files does not link all others anew.
//!
//! A folder with many files is a tree of its own in `trees/`, named by the digest of its path map like any other, and stands in
//! the tree above as a link: `pool -> ../apt-debian-DIGEST`. Such a tree is laid out in the same way. All folders above a shared
//! one have as many files at least, so they are shared too, and all links are at the top of a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::path_map::{MapCursor, PathMap};
use super::tree_paths::{part_of, remove_folder, tree_path};
use super::{Site, SiteError};
use crate::depot::{Depot, DepotError};
use crate::digest::{Hashing, Sha256};
use crate::error_class::{ErrorClass, Fault};
use crate::next_command;
use crate::storage::{FileError, modes};

/// A folder with this many files is shared.
const SHARED_FILES: u64 = 256;
/// Only folders of the first levels are shared: a path may have hundreds.
const SHARED_LEVELS: usize = 8;

/// The shared folders of a tree: paths with a slash behind, each with the digest of its path map.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SharedFolders(BTreeMap<String, Sha256>);

/// A folder whose files are being counted.
struct CountedFolder {
    /// Length of its path, with a slash behind.
    length: usize,
    map: Hashing<io::Sink>,
    files: u64,
}

impl SharedFolders {
    /// Finds the folders that have many files.
    pub(super) fn of(mut map: PathMap) -> Result<Self, SiteError> {
        let (mut shared, mut open, mut last) = (BTreeMap::new(), Vec::<CountedFolder>::new(), String::new());
        while let Some((path, digest)) = map.next_file()? {
            let path = path.as_str();
            while let Some(folder) = open.pop_if(|folder| path.get(..folder.length) != last.get(..folder.length)) {
                folder.close(&last, &mut shared);
            }
            let start = open.last().map_or(0, |folder| folder.length);
            let new = path.match_indices('/').map(|(at, _)| at + 1).filter(|length| *length > start);
            open.extend(new.take(SHARED_LEVELS - open.len()).map(CountedFolder::new));
            let hex = digest.to_hex();
            open.iter_mut().for_each(|folder| folder.add(&hex, path));
            path.clone_into(&mut last);
        }
        open.into_iter().for_each(|folder| folder.close(&last, &mut shared));
        Ok(Self(shared))
    }
}

impl CountedFolder {
    fn new(length: usize) -> Self {
        Self { length, map: Hashing::new(io::sink()), files: 0 }
    }

    fn add(&mut self, digest: &str, path: &str) {
        self.files += 1;
        let _ = writeln!(self.map, "{digest}  {}", &path[self.length..]); // a sink takes everything
    }

    /// Notes the folder if it is shared; `path` is that of one of its files.
    fn close(self, path: &str, shared: &mut BTreeMap<String, Sha256>) {
        if self.files >= SHARED_FILES {
            shared.insert(path[..self.length].to_owned(), self.map.finish().1);
        }
    }
}

/// The trees that are written under scratch names, those in front of which others link to.
#[derive(Debug, Default)]
pub(super) struct BuiltTrees {
    order: Vec<PathBuf>,
    names: BTreeSet<PathBuf>,
}

impl BuiltTrees {
    /// Adds a tree behind those that it links to.
    pub(super) fn add(&mut self, tree: PathBuf) {
        self.order.push(tree.clone());
        self.names.insert(tree);
    }

    /// Returns `true` if the tree is written.
    pub(super) fn has(&self, tree: &Path) -> bool {
        self.names.contains(tree)
    }

    /// The trees, in the order in which they may get their names.
    pub(super) fn in_order(&self) -> &[PathBuf] {
        &self.order
    }
}

/// Writes trees, as hard links to blobs or as copies of them.
pub(super) struct TreeWriter<'a> {
    pub(super) site: &'a Site,
    pub(super) depot: &'a Depot,
    /// The trees that it has written under scratch names.
    pub(super) built: BuiltTrees,
}

/// A tree that is being written.
pub(super) struct NewTree<'a> {
    /// The folder of a generation that it is for, such as `apt/debian`.
    pub(super) below: &'a str,
    pub(super) shared: SharedFolders,
    pub(super) files: MapCursor,
}

impl TreeWriter<'_> {
    /// Writes the files of the tree that are below `folder`, which is empty or ends with a slash, into `target`.
    pub(super) fn write(&mut self, tree: &mut NewTree<'_>, folder: &str, target: &Path) -> Result<(), SiteError> {
        remove_folder(target)?;
        modes::create_unsynced_folders(target).map_err(SiteError::io("create", target))?;
        let mut last_parent = String::new();
        while let Some((path, digest)) = tree.files.peek() {
            let Some(below) = path.as_str().strip_prefix(folder) else { break };
            if let Some((top, _)) = below.split_once('/')
                && let Some(map) = tree.shared.0.get(&format!("{folder}{top}/")).copied()
            {
                let (inner, link) = (format!("{folder}{top}/"), target.join(top));
                let shared = Path::new("..").join(self.share(tree, &inner, &map)?);
                symlink(shared, &link).map_err(SiteError::io("create", &link))?;
                continue;
            }
            let parent = below.rsplit_once('/').map_or("", |(parent, _)| parent);
            if parent != last_parent {
                let parent_path = target.join(parent);
                let created = modes::create_unsynced_folders(&parent_path);
                created.map_err(|error| {
                    let file = format!("{}/{path}", tree.below);
                    name_error(self.site, &file, error, SiteError::io("create", &parent_path))
                })?;
                parent.clone_into(&mut last_parent);
            }
            let written = self.depot.write_file(digest, &target.join(below));
            written.map_err(|error| self.unpublished(&format!("{}/{path}", tree.below), error))?;
            tree.files.advance()?;
        }
        Ok(())
    }

    /// Writes the files below `folder` as a tree of their own, unless there is one with the same files. Returns its name.
    fn share(&mut self, tree: &mut NewTree<'_>, folder: &str, map: &Sha256) -> Result<PathBuf, SiteError> {
        let place = self.site.root().join(tree_path(tree.below, map));
        if self.built.has(&place) || place.is_dir() {
            while tree.files.peek().is_some_and(|(path, _)| path.as_str().starts_with(folder)) {
                tree.files.advance()?;
            }
        } else {
            self.write(tree, folder, &part_of(&place))?;
            self.built.add(place.clone());
        }
        Ok(place.file_name().map(PathBuf::from).unwrap_or_default())
    }

    fn unpublished(&self, path: &str, error: DepotError) -> SiteError {
        let digest = match error {
            DepotError::Missing { digest } => digest,
            DepotError::File(FileError { action, path: file, source, .. }) => {
                return name_error(self.site, path, source, SiteError::io(action, &file));
            }
            other => return other.into(),
        };
        let check = next_command::site_check(self.site.root());
        let message = format!(
            "{path} cannot be published, since its blob {digest} is not here: import the bundle that has it with --reread; \
             `{check}` names that bundle"
        );
        Fault::new(ErrorClass::VolumesMissing, message).into()
    }
}

/// Returns the error of a file that cannot be written below a folder that was made just before. exFAT and FAT take no `:` and other
/// characters, and take `A` and `a` for the same; what they answer depends on the driver.
fn name_error(site: &Site, path: &str, error: io::Error, otherwise: impl FnOnce(io::Error) -> SiteError) -> SiteError {
    use io::ErrorKind::{AlreadyExists, InvalidFilename, InvalidInput, NotADirectory, NotFound};
    match error.kind() {
        AlreadyExists | InvalidFilename | InvalidInput | NotADirectory | NotFound => Fault::failed(format!(
            "{path} cannot be published here: the file system of {} does not take the name, or takes it for that of another \
             file, as exFAT does with `:` and with `A` beside `a`. Move the site to a file system of Linux, such as ext4 or XFS, by \
             `cp -r`; then import again",
            site.root().display()
        ))
        .because(error)
        .into(),
        _ => otherwise(error),
    }
}

/// Adds the trees that `tree` links to, below the site, and those that they link to.
pub(super) fn add_shared(site: &Site, tree: &Path, named: &mut BTreeSet<PathBuf>) -> Result<(), SiteError> {
    let folder = site.root().join(tree);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(SiteError::io("list", &folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(SiteError::io("list", &folder))?;
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            let target = fs::read_link(entry.path()).map_err(SiteError::io("read", &entry.path()))?;
            let shared = target.file_name().map(|name| tree.with_file_name(name));
            if let Some(shared) = shared.filter(|shared| !named.contains(shared)) {
                named.insert(shared.clone());
                add_shared(site, &shared, named)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::PublishPath;
    use crate::site::tree::Tree;

    fn shared(files: &[(String, &str)]) -> SharedFolders {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let file =
            |(path, content): &(String, &str)| (path.parse::<PublishPath>().unwrap(), Sha256::of(content.as_bytes()));
        let tree: Tree = files.iter().map(file).collect();
        let mut batch = depot.batch();
        let map = PathMap::store(&tree, &depot, &mut batch).unwrap();
        batch.commit().unwrap();
        SharedFolders::of(PathMap::open(&depot, &map).unwrap()).unwrap()
    }

    fn numbered(folder: &str, count: u64) -> impl Iterator<Item = (String, &'static str)> {
        (0..count).map(move |number| (format!("{folder}{number:04}"), "x"))
    }

    #[test]
    fn folders_with_many_files_are_shared() {
        let files = numbered("a/b/", SHARED_FILES).chain(numbered("a/c/", SHARED_FILES - 1)).chain(numbered("d", 1000));
        let many = shared(&files.collect::<Vec<_>>());
        assert_eq!(many.0.keys().collect::<Vec<_>>(), ["a/", "a/b/"]);
        let map: String = numbered("", SHARED_FILES)
            .map(|(path, content)| format!("{}  {path}\n", Sha256::of(content.as_bytes())))
            .collect();
        assert_eq!(many.0["a/b/"], Sha256::of(map.as_bytes()), "the digest of a path map");
    }

    #[test]
    fn folders_far_below_are_not_shared() {
        let many = shared(&numbered("1/2/3/4/5/6/7/8/9/", SHARED_FILES).collect::<Vec<_>>());
        assert_eq!(many.0.len(), SHARED_LEVELS);
        assert_eq!(many.0.keys().next_back().unwrap(), "1/2/3/4/5/6/7/8/");
    }

    #[test]
    fn a_change_is_seen_in_the_folders_above_alone() {
        let files: Vec<_> = numbered("a/b/", SHARED_FILES).chain(numbered("a/c/", SHARED_FILES)).collect();
        let (before, mut changed) = (shared(&files), files);
        changed[0].1 = "y";
        let after = shared(&changed);
        let is_same = |folder: &str| before.0[folder] == after.0[folder];
        assert_eq!(["a/", "a/b/", "a/c/"].map(is_same), [false, false, true]);
    }
}
