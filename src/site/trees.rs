//! The published trees on disk.
//!
//! `trees/KIND-NAME-DIGEST` has the files that one path map lists: hard links to blobs, or copies. A generation is a folder of
//! relative links into `trees/`. A tree is written under a scratch name, synced and renamed, so a tree with a final name is whole.
//! One that is there already costs a new generation nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::addresses;
use super::path_map::{MappedFile, PathMap};
use super::state::{Generation, MountedTree};
use super::tree::{GenerationTrees, Tree};
use super::{Site, SiteError};
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::kind::Kind;
use crate::next_command;
use crate::path::PublishPath;
use crate::storage::{
    FileError, StorageError, has_no_links, modes, remove_file_if_there, sync_file_system, sync_folder, sync_folders,
    sync_parent,
};
use crate::time::Time;

/// The folder of all trees, below the site's.
const TREES_FOLDER: &str = "trees";

/// Returns the path below the site of the tree that stands at `folder` of a generation.
pub(super) fn tree_path(folder: &str, paths: &Sha256) -> String {
    format!("{TREES_FOLDER}/{}-{paths}", folder.replace('/', "-"))
}

/// Returns the target of the link at `folder` of a generation. It is relative, so that a site can be moved.
pub(super) fn link_target(folder: &str, paths: &Sha256) -> String {
    let depth = folder.split('/').count() + 1;
    "../".repeat(depth) + &tree_path(folder, paths)
}

/// Builds the trees of the next generation that are not there, and its folder with links to all of them.
///
/// The folder of links is written first, and synced: where a run was interrupted, it tells the next one that trees may be there which no
/// generation has.
pub(super) fn build(
    site: &Site,
    depot: &Depot,
    next: &Generation,
    layout: &GenerationTrees,
    current: &Generation,
) -> Result<(), SiteError> {
    let folder = site.generation_folder(next.number);
    let scratch = folder.with_extension("part");
    remove_interrupted(site, current.number, &[&scratch, &folder])?;
    let serve = &site.config.serve;
    let answers_as_before = addresses::answering(next, serve) == addresses::answering(current, serve);
    let links = lay_links(&scratch, next)?;
    let mut built = Vec::new();
    for (below, mount) in &next.mounts {
        let path = match links {
            TreeLinks::Symbolic => site.root().join(tree_path(below, &mount.paths)),
            TreeLinks::Impossible => scratch.join(below),
        };
        let read;
        let tree = match layout.get(below) {
            Some(tree) => tree,
            None if mount.since == next.made || !path.is_dir() => {
                read = PathMap::tree(depot, &mount.paths)?;
                &read
            }
            None => continue,
        };
        if links == TreeLinks::Impossible {
            write(site, depot, below, tree, &path)?;
        } else if !path.is_dir() {
            write(site, depot, below, tree, &part_of(&path))?;
            built.push(path.clone());
        }
        // On a file system without links, the copies are new in each generation.
        if mount.since == next.made || links == TreeLinks::Impossible {
            let written = if built.contains(&path) { part_of(&path) } else { path };
            // Files that clients see now have times that they know, unless another collection answers, or a clock was wrong.
            let shown = current.mounts.get(below).filter(|shown| {
                answers_as_before
                    && shown.since <= next.made
                    && shown.paths != mount.paths
                    && links == TreeLinks::Symbolic
            });
            set_times(
                &written,
                below,
                tree,
                mount.since,
                shown.map_or(Ok(None), |shown| PathMap::open_unless_rotten(depot, &shown.paths))?,
            )?;
        }
    }
    name(site, &built)?;
    match links {
        TreeLinks::Symbolic => sync_folders(&scratch).map_err(SiteError::io("sync", &scratch))?,
        TreeLinks::Impossible => sync_file_system(&scratch).map_err(SiteError::io("sync", &scratch))?,
    }
    fs::rename(&scratch, &folder).map_err(SiteError::io("rename", &scratch))?;
    sync_parent(&folder).map_err(SiteError::io("sync", &folder))
}

/// Removes what a run left that was interrupted before its switch.
fn remove_interrupted(site: &Site, current: u64, folders: &[&Path]) -> Result<(), SiteError> {
    if folders.iter().all(|folder| folder.symlink_metadata().is_err()) {
        return Ok(());
    }
    let numbers = site.generations()?.into_iter().filter(|number| *number <= current);
    // If a generation cannot be read, its trees are not known. Then all stay until `gc` can read it.
    if let Ok(named) = named_by(site, numbers) {
        remove_others(site, &named)?;
    }
    folders.iter().try_for_each(|folder| remove_folder(folder))
}

/// Returns the paths below the site of all trees that these generations have.
pub(super) fn named_by(site: &Site, numbers: impl Iterator<Item = u64>) -> Result<BTreeSet<PathBuf>, SiteError> {
    let mut named = BTreeSet::new();
    for number in numbers {
        let mounts = site.generation(number)?.mounts;
        named.extend(mounts.iter().map(|(folder, MountedTree { paths, .. })| PathBuf::from(tree_path(folder, paths))));
    }
    Ok(named)
}

/// Removes the trees that are not `named`, and those that are half built.
pub(super) fn remove_others(site: &Site, named: &BTreeSet<PathBuf>) -> Result<(), SiteError> {
    let folder = site.root().join(TREES_FOLDER);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(SiteError::io("list", &folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(SiteError::io("list", &folder))?;
        if !named.contains(&Path::new(TREES_FOLDER).join(entry.file_name())) {
            remove_folder(&entry.path())?;
        }
    }
    Ok(())
}

/// The way in which a generation has its trees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TreeLinks {
    /// By symbolic links.
    Symbolic,
    /// Its folder has their files, since the file system has no symbolic links.
    Impossible,
}

/// Writes the folder of a generation: a link to each of its trees, if that is possible.
fn lay_links(scratch: &Path, next: &Generation) -> Result<TreeLinks, SiteError> {
    modes::create_public_folders(scratch).map_err(SiteError::io("create", scratch))?;
    for (folder, mount) in &next.mounts {
        match lay_link(scratch, folder, mount) {
            Err(SiteError::Storage(StorageError::File(error))) if has_no_links(&error.source) => {
                return Ok(TreeLinks::Impossible);
            }
            laid => laid?,
        }
    }
    Ok(TreeLinks::Symbolic)
}

/// Writes the link to one tree of the generation in `folder`.
pub(super) fn lay_link(generation: &Path, folder: &str, mount: &MountedTree) -> Result<(), SiteError> {
    let link = generation.join(folder);
    let parent = link.parent().unwrap_or(&link);
    modes::create_unsynced_folders(parent).map_err(SiteError::io("create", parent))?;
    symlink(link_target(folder, &mount.paths), &link).map_err(SiteError::io("create", &link))
}

/// Writes a tree into `scratch`, as hard links or copies.
fn write(site: &Site, depot: &Depot, below: &str, tree: &Tree, scratch: &Path) -> Result<(), SiteError> {
    remove_folder(scratch)?;
    modes::create_unsynced_folders(scratch).map_err(SiteError::io("create", scratch))?;
    let mut last_parent = String::new();
    for (path, digest) in tree.files() {
        let target = scratch.join(path);
        let parent = path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        if parent != last_parent {
            let parent_path = scratch.join(parent);
            let created = modes::create_unsynced_folders(&parent_path);
            created.map_err(|error| of_name(site, below, path, error, SiteError::io("create", &parent_path)))?;
            parent.clone_into(&mut last_parent);
        }
        depot.write_file(digest, &target).map_err(|error| match error {
            DepotError::Missing { .. } => {
                let check = next_command::site_check(site.root());
                Fault::new(
                    ErrorClass::VolumesMissing,
                    format!(
                        "{below}/{path} cannot be published, since its blob {digest} is not here: import the bundle that has it \
                         with --reread; `{check}` names that bundle"
                    ),
                )
                .into()
            }
            DepotError::File(FileError { action, path: file, source, .. }) => {
                of_name(site, below, path, source, SiteError::io(action, &file))
            }
            other => SiteError::from(other),
        })?;
    }
    Ok(())
}

/// Returns the error of a file that cannot be written below a folder that was made just before. exFAT and FAT take no `:` and other
/// characters, and take `A` and `a` for the same; what they answer depends on the driver.
fn of_name(
    site: &Site,
    below: &str,
    path: &PublishPath,
    error: io::Error,
    otherwise: impl FnOnce(io::Error) -> SiteError,
) -> SiteError {
    use io::ErrorKind::{AlreadyExists, InvalidFilename, InvalidInput, NotADirectory, NotFound};
    match error.kind() {
        AlreadyExists | InvalidFilename | InvalidInput | NotADirectory | NotFound => Fault::failed(format!(
            "{below}/{path} cannot be published here: the file system of {} does not take the name, or takes it for that of another \
             file, as exFAT does with `:` and with `A` beside `a`. Move the site to a file system of Linux, such as ext4 or XFS, by \
             `cp -r`; then import again",
            site.root().display()
        ))
        .because(error)
        .into(),
        _ => otherwise(error),
    }
}

/// Metadata and keys change under their names, and HTTP caches compare its time by the second: that of a tree that clients have
/// not seen just before is newer than all before, also where it has old content again. What older generations share of it changes its
/// time too, which costs a client that comes just now one download.
///
/// Files that are the same in `shown`, the tree that clients see at this place now, keep the time that they have there.
fn set_times(folder: &Path, below: &str, tree: &Tree, time: Time, shown: Option<PathMap>) -> Result<(), SiteError> {
    let time = UNIX_EPOCH + Duration::from_secs(time.unix().unsigned_abs());
    let mut shown = ShownFiles { map: shown, next: None };
    for (path, digest) in tree.files() {
        if shown.has(path, digest) || !Kind::is_replaced(&format!("{below}/{path}")) {
            continue;
        }
        let file = folder.join(path);
        match File::open(&file).and_then(|file| file.set_modified(time)) {
            // It was lost from a tree that was there already; `site check` names it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(SiteError::io("set the time of", &file))?,
        }
    }
    Ok(())
}

/// The files of a tree that clients see, which are asked for in the order of their paths.
struct ShownFiles {
    map: Option<PathMap>,
    next: Option<MappedFile>,
}

impl ShownFiles {
    /// Returns `true` if the file is the same there. A map that cannot be read has no files.
    fn has(&mut self, path: &PublishPath, digest: &Sha256) -> bool {
        while let Some(map) = &mut self.map {
            match &self.next {
                Some((next, shown)) if next >= path => return (next, shown) == (path, digest),
                _ => {}
            }
            self.next = map.next_file().ok().flatten();
            if self.next.is_none() {
                self.map = None;
            }
        }
        false
    }
}

fn part_of(tree: &Path) -> PathBuf {
    let mut name = OsString::from(tree);
    name.push(".part");
    name.into()
}

/// Syncs trees that are written, and gives them their names.
fn name(site: &Site, built: &[PathBuf]) -> Result<(), SiteError> {
    let folder = site.root().join(TREES_FOLDER);
    if !built.is_empty() {
        sync_file_system(&folder).map_err(SiteError::io("sync", &folder))?;
        built.iter().try_for_each(|tree| fs::rename(part_of(tree), tree).map_err(SiteError::io("rename", tree)))?;
        sync_folder(&folder).map_err(SiteError::io("sync", &folder))?;
    }
    Ok(())
}

/// Removes what stands in the place of a generation's link, unless it is a folder with files.
pub(super) fn remove_link(path: &Path) -> Result<(), SiteError> {
    let removed = match fs::symlink_metadata(path).is_ok_and(|facts| facts.is_dir()) {
        true => fs::remove_dir(path),
        false => remove_file_if_there(path),
    };
    removed.map_err(SiteError::io("remove", path))
}

/// Removes a folder with all that is in it. Succeeds if it does not exist.
pub(super) fn remove_folder(folder: &Path) -> Result<(), SiteError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(SiteError::io("remove", folder)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_clients_see_are_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let path = |text: &str| text.parse::<PublishPath>().unwrap();
        let digest = |text: &str| Sha256::of(text.as_bytes());
        let tree: Tree = ["a", "b/c", "d"].map(|name| (path(name), digest(name))).into_iter().collect();
        let mut batch = depot.batch();
        let map = PathMap::store(&tree, &depot, &mut batch).unwrap();
        batch.commit().unwrap();
        let mut shown = ShownFiles { map: PathMap::open(&depot, &map).ok(), next: None };
        for (name, content, is_known) in [
            ("0", "0", false),
            ("a", "a", true),
            ("a-b", "a", false),
            ("b/c", "x", false),
            ("d", "d", true),
            ("e", "d", false),
        ] {
            assert_eq!(shown.has(&path(name), &digest(content)), is_known, "{name}");
        }
        assert!(!ShownFiles { map: None, next: None }.has(&path("a"), &digest("a")));
    }

    #[test]
    fn links_lead_from_a_generation_to_its_trees() {
        let digest = Sha256::of(b"map");
        for (folder, up) in [("keys", "../../"), ("apt/debian", "../../../"), ("proofs/os-images/maas", "../../../../")]
        {
            assert_eq!(link_target(folder, &digest), format!("{up}trees/{}-{digest}", folder.replace('/', "-")));
        }
    }
}
