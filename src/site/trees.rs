//! The published trees on disk.
//!
//! `trees/KIND-NAME-DIGEST` has the files that one path map lists: hard links to blobs, or copies. A generation is a folder of
//! relative links into `trees/`. A tree is written under a scratch name, synced and renamed, so a tree with a final name is whole.
//! One that is there already costs a new generation nothing; neither does a folder with many files that is there
//! ([`super::shared_folders`]).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::addresses;
use super::path_map::{MapCursor, PathMap, ShownFiles};
use super::shared_folders::{BuiltTrees, NewTree, SharedFolders, TreeWriter, add_shared};
use super::state::{Generation, MountedTree};
use super::tree_paths::{TREES_FOLDER, part_of, remove_folder, tree_path};
use super::{Site, SiteError};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::kind::Kind;
use crate::storage::{
    StorageError, has_no_links, modes, remove_file_if_there, sync_file_system, sync_folder, sync_parent,
};
use crate::time::Time;

/// Returns the target of the link at `folder` of a generation. It is relative, so that a site can be moved.
pub(super) fn link_target(folder: &str, paths: &Sha256) -> String {
    let depth = folder.split('/').count() + 1;
    "../".repeat(depth) + &tree_path(folder, paths)
}

/// Builds the trees of the next generation that are not there, and its folder with links to all of them. All path maps are in the
/// depot.
///
/// The folder of links is written first, and synced: where a run was interrupted, it tells the next one that trees may be there
/// which no generation has.
pub(super) fn build(site: &Site, depot: &Depot, next: &Generation, current: &Generation) -> Result<(), SiteError> {
    let folder = site.generation_folder(next.number);
    let scratch = folder.with_extension("part");
    remove_interrupted(site, current.number, &[&scratch, &folder])?;
    let serve = &site.config.serve;
    let answers_as_before = addresses::answering(next, serve) == addresses::answering(current, serve);
    let links = lay_links(&scratch, next)?;
    let place = |below: &str, mount: &MountedTree| match links {
        TreeLinks::Symbolic => site.root().join(tree_path(below, &mount.paths)),
        TreeLinks::Impossible => scratch.join(below),
    };
    let mut writer = TreeWriter { site, depot, built: BuiltTrees::default() };
    for (below, mount) in &next.mounts {
        let (open, path) = (|| PathMap::open(depot, &mount.paths), place(below, mount));
        match links {
            TreeLinks::Symbolic if path.is_dir() => {}
            TreeLinks::Symbolic => {
                let shared = SharedFolders::of(open()?)?;
                let mut tree = NewTree { below, shared, files: MapCursor::new(open()?)? };
                writer.write(&mut tree, "", &part_of(&path))?;
                writer.built.add(path);
            }
            TreeLinks::Impossible => {
                let shared = SharedFolders::default();
                writer.write(&mut NewTree { below, shared, files: MapCursor::new(open()?)? }, "", &path)?;
            }
        }
    }
    name(site, writer.built.in_order())?;
    // On a file system without links, the copies are new in each generation.
    let is_new = |mount: &MountedTree| mount.since == next.made || links == TreeLinks::Impossible;
    for (below, mount) in next.mounts.iter().filter(|(_, mount)| is_new(mount)) {
        // Files that clients see now have times that they know, unless another collection answers, or a clock was wrong.
        let is_known = |shown: &&MountedTree| shown.since <= next.made && shown.paths != mount.paths;
        let shown = current.mounts.get(below).filter(is_known);
        let shown = shown.filter(|_| answers_as_before && links == TreeLinks::Symbolic);
        let shown = shown.map_or(Ok(None), |shown| PathMap::open_unless_rotten(depot, &shown.paths))?;
        set_times(&place(below, mount), below, PathMap::open(depot, &mount.paths)?, mount.since, shown)?;
    }
    sync_file_system(&scratch).map_err(SiteError::io("sync", &scratch))?;
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
        for (folder, MountedTree { paths, .. }) in &mounts {
            let tree = PathBuf::from(tree_path(folder, paths));
            add_shared(site, &tree, &mut named)?;
            named.insert(tree);
        }
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

/// Metadata and keys change under their names, and HTTP caches compare its time by the second: that of a tree that clients have
/// not seen just before is newer than all before, also where it has old content again. What older generations share of it changes its
/// time too, which costs a client that comes just now one download.
///
/// Files that are the same in `shown`, the tree that clients see at this place now, keep the time that they have there.
fn set_times(
    folder: &Path,
    below: &str,
    mut files: PathMap,
    time: Time,
    shown: Option<PathMap>,
) -> Result<(), SiteError> {
    let time = UNIX_EPOCH + Duration::from_secs(time.unix().unsigned_abs());
    let mut shown = ShownFiles::of(shown);
    while let Some((path, digest)) = files.next_file()? {
        if shown.digest_of(&path) == Some(&digest) || !Kind::is_replaced(&format!("{below}/{path}")) {
            continue;
        }
        let file = folder.join(&path);
        match File::open(&file).and_then(|file| file.set_modified(time)) {
            // It was lost from a tree that was there already; `site check` names it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(SiteError::io("set the time of", &file))?,
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_a_generation_to_its_trees() {
        let digest = Sha256::of(b"map");
        for (folder, up) in [("keys", "../../"), ("apt/debian", "../../../"), ("proofs/os-images/maas", "../../../../")]
        {
            assert_eq!(link_target(folder, &digest), format!("{up}trees/{}-{digest}", folder.replace('/', "-")));
        }
    }
}
