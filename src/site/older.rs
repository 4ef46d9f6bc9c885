//! Files of older generations that the current one no longer has, for web servers that know nothing of generations.
//!
//! A client that began with an older generation asks for what that one names: packages, indexes by hash, snaps. `serve` finds
//! them in the path maps of older generations. nginx and Apache look into `SITE/older`, where they are laid out as below a generation;
//! of several files of one path the newest counts. Only files that never change under their names are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::path_map::{PathMap, ShownFiles};
use super::state::Generation;
use super::tree::Tree;
use super::{Site, SiteError};
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::kind::Kind;
use crate::path::PublishPath;
use crate::storage::{modes, remove_file_if_there};

/// The folder's name below the site's.
pub(crate) const OLDER_FOLDER: &str = "older";

fn folder(site: &Site) -> PathBuf {
    site.root().join(OLDER_FOLDER)
}

/// Returns the path below a generation, if a client of an older one may still ask for the file.
pub(super) fn asked_for_later(folder: &str, path: &PublishPath) -> Option<PublishPath> {
    let path = format!("{folder}/{path}");
    let is_asked_for = Kind::of_path(&path).is_some() && Kind::is_immutable(&path);
    path.parse().ok().filter(|_| is_asked_for)
}

/// Returns the mounts whose files are kept for clients of older generations.
fn kept_mounts(generation: &Generation) -> impl Iterator<Item = (&String, &Sha256)> {
    let mounts = generation.mounts.iter().map(|(folder, mount)| (folder, &mount.paths));
    mounts.filter(|(folder, _)| Kind::of_path(folder).is_some())
}

/// Adds the files of `current` that `next` lacks. They are there before the switch, and `current` has them too until then.
pub(super) fn retain(site: &Site, depot: &Depot, current: &Generation, next: &Generation) -> Result<(), SiteError> {
    for (folder, paths) in kept_mounts(current) {
        let shown = next.mounts.get(folder).map(|mount| &mount.paths);
        if shown == Some(paths) {
            continue;
        }
        // One that cannot be read, such as after a restore of the state alone, must not stop the import that heals it; `site
        // check` names it.
        let Some(mut map) = PathMap::open_unless_rotten(depot, paths)? else { continue };
        let mut shown = ShownFiles::of(shown.map(|paths| PathMap::open(depot, paths)).transpose()?);
        while let Ok(Some((path, digest))) = map.next_file() {
            let later = asked_for_later(folder, &path).filter(|_| shown.digest_of(&path).is_none());
            later.map_or(Ok(()), |path| add(site, depot, &path, &digest))?;
        }
    }
    Ok(())
}

fn has(tree: Option<&Tree>, path: &PublishPath) -> bool {
    tree.is_some_and(|tree| tree.get(path).is_some())
}

/// Lets the folder have what the older ones of the `kept` generations have and the current one lacks, and nothing else.
pub(super) fn settle(site: &Site, depot: &Depot, current: &Generation, kept: &BTreeSet<u64>) -> Result<(), SiteError> {
    let (mut wanted, mut shown, mut seen) = (BTreeMap::<String, Tree>::new(), BTreeMap::new(), BTreeSet::new());
    for (folder, paths) in kept_mounts(current) {
        seen.insert((folder.clone(), *paths));
        shown.insert(folder.clone(), PathMap::tree(depot, paths)?);
    }
    for number in kept.iter().rev().filter(|number| **number != current.number) {
        for (folder, paths) in kept_mounts(&site.generation(*number)?) {
            if seen.insert((folder.clone(), *paths)) {
                let mut withdrawn = Vec::new();
                PathMap::each(depot, paths, |path, digest| {
                    if asked_for_later(folder, &path).is_some() && !has(shown.get(folder), &path) {
                        withdrawn.push((path, digest));
                    }
                    Ok(())
                })?;
                let withdrawn = withdrawn.iter().map(|(path, digest)| (path, digest));
                wanted.entry(folder.clone()).or_default().add_where_free(withdrawn);
            }
        }
    }
    let wanted = wanted.iter().flat_map(|(folder, tree)| {
        tree.files().filter_map(move |(path, digest)| Some((asked_for_later(folder, path)?, *digest)))
    });
    let wanted: BTreeMap<PublishPath, Sha256> = wanted.collect();
    let places = wanted.keys().map(|path| folder(site).join(path)).collect();
    remove_others(&folder(site), &places)?;
    wanted.iter().try_for_each(|(path, digest)| add(site, depot, path, digest))
}

/// Links the blob to its path in the folder, over another blob that is there.
fn add(site: &Site, depot: &Depot, path: &PublishPath, digest: &Sha256) -> Result<(), SiteError> {
    let target = folder(site).join(path);
    if depot.local_file(digest).is_some_and(|blob| is_same_file(&blob, &target)) {
        return Ok(());
    }
    let parent = target.parent().unwrap_or(&target);
    if modes::create_public_folders(parent).is_err() || target.is_dir() {
        // A file and a folder of one name, in two generations: the newer one counts.
        clear_the_way(&folder(site), path).map_err(SiteError::io("remove", &target))?;
        modes::create_public_folders(parent).map_err(SiteError::io("create", parent))?;
    }
    let scratch = site.root().join("older.part");
    remove_file_if_there(&scratch).map_err(SiteError::io("remove", &scratch))?;
    match depot.write_file(digest, &scratch) {
        // A withdrawn file that was lost must not stop what has just come; `site check` names it.
        Err(DepotError::Missing { .. }) => return Ok(()),
        written => written?,
    }
    let write = || {
        fs::rename(&scratch, &target)?;
        remove_file_if_there(&scratch) // a rename of a file to itself does nothing
    };
    write().map_err(SiteError::io("link", &target))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let facts = |path: &Path| fs::symlink_metadata(path).ok().map(|facts| (facts.dev(), facts.ino()));
    facts(one).is_some_and(|one| facts(other) == Some(one))
}

/// Removes a folder that has the name of the file, and a file that has the name of one of its folders.
fn clear_the_way(root: &Path, path: &PublishPath) -> io::Result<()> {
    for folder in path.folders().map(|folder| root.join(folder)) {
        if fs::symlink_metadata(&folder).is_ok_and(|facts| !facts.is_dir()) {
            fs::remove_file(&folder)?;
        }
    }
    let target = root.join(path);
    if target.is_dir() { fs::remove_dir_all(target) } else { Ok(()) }
}

/// Removes what is not `wanted`, and folders that are empty then.
fn remove_others(root: &Path, wanted: &BTreeSet<PathBuf>) -> Result<(), SiteError> {
    for entry in walkdir::WalkDir::new(root).contents_first(true) {
        let entry = match entry {
            Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => continue,
            entry => entry.map_err(|error| SiteError::io("list", root)(error.into()))?,
        };
        let removed = match entry.file_type().is_dir() {
            true => match fs::remove_dir(entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                removed => removed,
            },
            false if wanted.contains(entry.path()) => Ok(()),
            false => fs::remove_file(entry.path()),
        };
        removed.map_err(SiteError::io("remove", entry.path()))?;
    }
    Ok(())
}
