//! Repairs published files: takes flawed ones away, and links them to good blobs again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::flaw::{Flaw, FlawedFile, Replacement};
use super::path_map::PathMap;
use super::state::MountedTree;
use super::tree_paths::tree_path;
use super::trees::{lay_link, link_target};
use super::{Site, SiteError};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::storage::{audit, modes, remove_file_if_there};

/// Moves flawed blobs to `rotten/`, and takes the published files away that have their bytes: what is missing is fetched
/// anew by the next import that has it. Published files whose blobs are good are linked to them again.
pub(super) fn move_away(site: &Site, depot: &Depot, flawed: &[FlawedFile]) -> Result<(), SiteError> {
    let is_blob = |file: &&FlawedFile| matches!(file.replacement, Replacement::SetAside { .. });
    let names: Vec<String> = flawed.iter().filter(is_blob).map(|file| file.sha256.to_hex()).collect();
    let log = site.root().join("audit.jsonl");
    let detail = format!("{} files, blobs {}", flawed.len(), names.join(" "));
    audit::append(&log, "set-aside", site.config.name.as_str(), &detail)?;
    for file in flawed.iter().filter(is_blob) {
        if let Replacement::SetAside { links } = &file.replacement {
            // Several trees may share a folder, so a file has several paths.
            links.iter().try_for_each(|link| remove_file_if_there(link).map_err(SiteError::io("remove", link)))?;
        }
        set_aside(site, depot, &file.sha256)?;
    }
    for file in flawed {
        let path = site.root().join(&file.path);
        match &file.replacement {
            Replacement::SetAside { .. } => {}
            Replacement::Link { generation, folder, mount } => {
                super::trees::remove_link(&path)?;
                lay_link(&site.generation_folder(*generation), folder, mount)?;
            }
            Replacement::Blob if depot.holds(&file.sha256)? => relink(depot, &file.sha256, &path)?,
            Replacement::Blob if file.flaw == Flaw::Missing => {}
            Replacement::Blob => remove_file_if_there(&path).map_err(SiteError::io("remove", &path))?,
        }
    }
    Ok(())
}

/// The folder of bad blobs, below the site's.
pub(super) const ROTTEN_FOLDER: &str = "rotten";

/// Moves the bad blob to `rotten/`. Succeeds if it does not exist.
///
/// It stays noted as bad until good bytes come: so collections with it are made anew, and published files are linked to the new blob.
pub(super) fn set_aside(site: &Site, depot: &Depot, digest: &Sha256) -> Result<(), SiteError> {
    depot.note_bad(digest)?;
    let folder = site.root().join(ROTTEN_FOLDER);
    modes::create_private_folder(&folder).map_err(SiteError::io("create", &folder))?;
    Ok(depot.move_away(digest, &folder.join(digest.to_hex()))?)
}

/// Links the published files of bad blobs that this process has put into the depot anew, and forgets that they were bad.
/// Returns their number.
///
/// Last, so that a run that was killed before is made up for by the next: their notes make it take them again.
pub(super) fn settle_renewed(site: &Site, depot: &Depot) -> Result<u64, SiteError> {
    let mut renewed = depot.bad_blobs()?;
    renewed.retain(|digest| depot.hashed_by_this_process(digest));
    if !renewed.is_empty() {
        relink_trees(site, depot, &renewed)?;
        renewed.iter().try_for_each(|digest| depot.forget_bad(digest))?;
    }
    Ok(renewed.len() as u64)
}

/// Replaces the published file by one with its blob's bytes, in one step.
fn relink(depot: &Depot, digest: &Sha256, path: &Path) -> Result<(), SiteError> {
    let scratch = depot.partial_path(digest);
    depot.remove_partial(digest)?;
    depot.write_file(digest, &scratch)?;
    let parent = path.parent().unwrap_or(path);
    clear_lost_link(parent).map_err(SiteError::io("remove", parent))?;
    modes::create_public_folders(parent).map_err(SiteError::io("create", parent))?;
    let replace = || {
        fs::File::open(&scratch)?.sync_all()?;
        fs::rename(&scratch, path)
    };
    replace().map_err(SiteError::io("replace", path))
}

/// Removes a link above a published file that leads nowhere, since the shared folder was lost: a folder takes its place.
fn clear_lost_link(folder: &Path) -> io::Result<()> {
    let lost = folder.ancestors().take_while(|above| !above.is_dir()).find(|above| above.is_symlink());
    lost.map_or(Ok(()), fs::remove_file)
}

/// Links the published files of all generations to their blobs again, as far as these are `verified`: where a blob was
/// replaced, the files still have the bytes that it had before.
pub(super) fn relink_trees(site: &Site, depot: &Depot, verified: &BTreeSet<Sha256>) -> Result<(), SiteError> {
    let mut done = BTreeSet::new();
    for number in site.generations()?.into_iter().rev() {
        // What cannot be read is named by `check`.
        let Ok(generation) = site.generation(number) else { continue };
        for (folder, mount) in &generation.mounts {
            let mut places = places(site, number, folder, mount);
            places.retain(|place| done.insert(place.clone()));
            let Ok(map) = PathMap::tree(depot, &mount.paths) else { continue };
            for (path, digest) in map.files().filter(|(_, digest)| verified.contains(*digest)) {
                for file in places.iter().map(|place| place.join(path)) {
                    let blob = blob_inode(depot, digest);
                    if depot.holds(digest)? && (blob.is_none() || inode(&file) != blob) {
                        relink(depot, digest, &file)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Returns the folders that have the files of a tree: the tree, and a copy in the place of the generation's link, which scp and
/// `cp -L` make.
pub(super) fn places(site: &Site, number: u64, folder: &str, mount: &MountedTree) -> Vec<PathBuf> {
    let (tree, copy) = (site.root().join(tree_path(folder, &mount.paths)), site.generation_folder(number).join(folder));
    let is_copy = fs::symlink_metadata(&copy).is_ok_and(|facts| facts.is_dir());
    // Without symbolic links there is the copy alone.
    let tree = (!is_copy || tree.is_dir()).then_some(tree);
    tree.into_iter().chain(is_copy.then_some(copy)).collect()
}

/// Returns true if the generation has its link to the tree, or a copy in its place.
pub(super) fn has_link(site: &Site, number: u64, folder: &str, mount: &MountedTree) -> bool {
    let link = site.generation_folder(number).join(folder);
    match fs::read_link(&link) {
        Ok(target) => target == Path::new(&link_target(folder, &mount.paths)),
        Err(_) => link.is_dir(),
    }
}

/// Returns what tells a regular file from others, if it is one.
pub(super) fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|data| (data.dev(), data.ino()))
}

/// Returns the inode of the blob, if blobs are local files.
pub(super) fn blob_inode(depot: &Depot, digest: &Sha256) -> Option<(u64, u64)> {
    depot.local_file(digest).and_then(|path| inode(&path))
}
