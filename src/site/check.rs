//! Reads everything that a site holds again, and finds what has changed on disk since it was verified.
//!
//! A blob and the files that are hard links to it share their bytes, so the blob is read once for all of them. A published
//! file with bytes of its own, as in a site that was copied without hard links, is read too, in trees and in `older/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::flaw::{Flaw, FlawedFile, NeededBy, Replacement, blob_flaw, flaw};
use super::older::{OLDER_FOLDER, asked_for_later};
use super::path_map::PathMap;
use super::repair::{blob_inode, has_link, inode, move_away, places};
use super::state::{CURRENT, Generation, MountedTree, generation_folder};
use super::{Site, SiteError};
use crate::bundle::state::stored_state::StoredState;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::path::PublishPath;
use crate::progress::Progress;

/// The treatment of files that are not what they must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawedFiles {
    /// They stay where they are.
    Stay,
    /// Blobs move to `quarantine/`, and their published files go. A published file is linked to its blob again if that is good.
    MoveAway,
}

/// The result of a check.
#[derive(Debug, Default)]
pub struct SiteCheck {
    /// Number of blobs that were read.
    pub blobs: u64,
    /// Number of published files with bytes of their own that were read.
    pub tree_files: u64,
    /// Number of bytes that were read.
    pub bytes: u64,
    /// The files that are not what they must be.
    pub flawed: Vec<FlawedFile>,
}

/// Reads every blob, and every published file that is not a hard link to its blob.
pub fn check(site: &Site, flawed_files: FlawedFiles, progress: &Progress) -> Result<SiteCheck, SiteError> {
    let _lock = (flawed_files == FlawedFiles::MoveAway).then(|| site.lock()).transpose()?;
    let depot = site.depot()?;
    let mut checking = Checking {
        site,
        depot: &depot,
        progress,
        found: SiteCheck::default(),
        blobs: BTreeMap::new(),
        read: BTreeSet::new(),
        older: files_in(&site.root().join(OLDER_FOLDER))?,
    };
    checking.read_blobs()?;
    let current = site.current()?;
    checking.read_generation(&current, current.number)?;
    for number in site.generations()?.into_iter().rev().filter(|number| *number < current.number) {
        checking.read_generation(&site.generation(number)?, current.number)?;
    }
    checking.found.flawed.extend(std::mem::take(&mut checking.blobs).into_values());
    if flawed_files == FlawedFiles::MoveAway && !checking.found.flawed.is_empty() {
        move_away(site, &depot, &checking.found.flawed)?;
    }
    Ok(checking.found)
}

struct Checking<'a> {
    site: &'a Site,
    depot: &'a Depot,
    progress: &'a Progress,
    found: SiteCheck,
    /// The blobs that are not what they must be.
    blobs: BTreeMap<Sha256, FlawedFile>,
    /// The folders whose files were read.
    read: BTreeSet<PathBuf>,
    /// The files in `older/` that no generation was found to have yet.
    older: BTreeSet<PathBuf>,
}

/// A tree at its place in a generation.
struct CheckedTree<'a> {
    generation: u64,
    folder: &'a str,
    /// The bundles of the generation's collections.
    bundles: &'a BTreeMap<String, String>,
}

impl CheckedTree<'_> {
    fn needed(&self, path: &PublishPath) -> NeededBy {
        let (generation, path) = (self.generation, path.to_string());
        let collection = self.folder.strip_prefix("proofs/").unwrap_or(self.folder);
        match self.bundles.get(collection) {
            Some(bundle) => {
                NeededBy { generation, collection: Some(collection.to_owned()), path, bundle: Some(bundle.clone()) }
            }
            None => NeededBy { generation, collection: None, path: format!("{}/{path}", self.folder), bundle: None },
        }
    }
}

impl Checking<'_> {
    fn read_blobs(&mut self) -> Result<(), SiteError> {
        let sizes = self.depot.blob_sizes()?;
        let progress = self.progress.phase("checking blobs", sizes.values().sum());
        for (digest, size) in sizes {
            match blob_flaw(self.depot, &digest, &progress)? {
                Some(Flaw::Missing) => continue, // `gc` has removed it just now
                Some(flaw) => self.note_blob(&digest, flaw),
                None => {}
            }
            self.found.blobs += 1;
            self.found.bytes += size;
        }
        progress.finish();
        Ok(())
    }

    fn read_generation(&mut self, generation: &Generation, current: u64) -> Result<(), SiteError> {
        let (number, bundles) = (generation.number, bundles(self.depot, generation));
        for (folder, mount) in &generation.mounts {
            let tree = CheckedTree { generation: number, folder, bundles: &bundles };
            if !has_link(self.site, number, folder, mount) {
                self.note_link(&tree, mount);
            }
            let mut places = places(self.site, number, folder, mount);
            if number == current && self.site.store().target(CURRENT)?.as_deref() == Some(CURRENT) {
                places.push(self.site.root().join(CURRENT).join(folder)); // scp has made a folder of it
            }
            places.retain(|place| self.read.insert(place.clone()));
            if places.is_empty() {
                continue;
            }
            let Some(map) = self.path_map(&tree, mount)? else { continue };
            places.iter().try_for_each(|place| self.read_files(&tree, &map, |path| Some(place.join(path))))?;
            if number != current {
                let older = self.site.root().join(OLDER_FOLDER);
                let mut waiting = std::mem::take(&mut self.older);
                let file = |path: &PublishPath| waiting.take(&older.join(asked_for_later(folder, path)?));
                self.read_files(&tree, &map, file)?;
                self.older = waiting;
            }
        }
        Ok(())
    }

    /// Reads the files that have bytes of their own; `file_of` returns the file of each path, if there is to be one.
    fn read_files(
        &mut self,
        tree: &CheckedTree<'_>,
        map: &PathMap,
        mut file_of: impl FnMut(&PublishPath) -> Option<PathBuf>,
    ) -> Result<(), SiteError> {
        let mut own = Vec::new();
        for (path, digest) in map.files() {
            let Some(file) = file_of(path) else { continue };
            let (found, blob) = (inode(&file), blob_inode(self.depot, digest));
            if blob.is_none() && !self.depot.holds(digest)? {
                self.note_blob(digest, Flaw::Missing);
            }
            let is_link = found.is_some() && found == blob;
            if let Some(flawed) = self.blobs.get_mut(digest) {
                note(&mut flawed.needed_by, tree.needed(path));
                if let Replacement::Quarantine { links } = &mut flawed.replacement {
                    links.extend(is_link.then(|| file.clone()));
                }
            }
            if !is_link {
                own.push((path, file, digest));
            }
        }
        let progress = self.progress.phase(&format!("checking copies of {}", tree.folder), 0);
        for (path, file, digest) in own {
            self.found.tree_files += 1;
            self.found.bytes += fs::metadata(&file).map_or(0, |data| data.len());
            if let Some(flaw) = flaw(&file, digest, &progress)? {
                let needed_by = vec![tree.needed(path)];
                let path = file.strip_prefix(self.site.root()).unwrap_or(&file).to_owned();
                let replacement = Replacement::Blob;
                self.found.flawed.push(FlawedFile { path, flaw, sha256: *digest, needed_by, replacement });
            }
        }
        progress.finish();
        Ok(())
    }

    /// Reads the tree's path map; `None` if that is what is wrong, which is noted.
    fn path_map(&mut self, tree: &CheckedTree<'_>, mount: &MountedTree) -> Result<Option<PathMap>, SiteError> {
        let digest = &mount.paths;
        if !self.depot.holds(digest)? {
            self.note_blob(digest, Flaw::Missing);
        }
        match self.blobs.get_mut(digest) {
            None => PathMap::load(self.depot, digest).map(Some),
            Some(flawed) => {
                let path = format!("the path map of {}", tree.folder);
                flawed.needed_by.push(NeededBy { generation: tree.generation, collection: None, path, bundle: None });
                Ok(None)
            }
        }
    }

    fn note_blob(&mut self, digest: &Sha256, flaw: Flaw) {
        let path = self.depot.place(digest);
        let path = path.strip_prefix(self.site.root()).unwrap_or(&path).to_owned();
        let new = || FlawedFile {
            path,
            flaw,
            sha256: *digest,
            needed_by: Vec::new(),
            replacement: Replacement::Quarantine { links: Vec::new() },
        };
        self.blobs.entry(*digest).or_insert_with(new);
    }

    fn note_link(&mut self, tree: &CheckedTree<'_>, mount: &MountedTree) {
        let (generation, folder) = (tree.generation, tree.folder.to_owned());
        self.found.flawed.push(FlawedFile {
            path: PathBuf::from(generation_folder(generation)).join(&folder),
            flaw: Flaw::Missing,
            sha256: mount.paths,
            needed_by: Vec::new(),
            replacement: Replacement::Link { generation, folder, mount: *mount },
        });
    }
}

/// Returns all regular files below a folder.
fn files_in(folder: &Path) -> Result<BTreeSet<PathBuf>, SiteError> {
    let mut files = BTreeSet::new();
    for entry in walkdir::WalkDir::new(folder) {
        match entry {
            Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => {}
            entry => {
                let entry = entry.map_err(|error| SiteError::io("list", folder)(error.into()))?;
                files.extend(entry.file_type().is_file().then(|| entry.into_path()));
            }
        }
    }
    Ok(files)
}

/// Notes a file unless a newer generation has it under the same path.
fn note(needed_by: &mut Vec<NeededBy>, file: NeededBy) {
    let is_same = |known: &NeededBy| (&known.collection, &known.path) == (&file.collection, &file.path);
    if !needed_by.iter().any(is_same) {
        needed_by.push(file);
    }
}

/// Returns the bundle of each collection of a generation, as far as the manifests can be read.
fn bundles(depot: &Depot, generation: &Generation) -> BTreeMap<String, String> {
    let mut bundles = BTreeMap::new();
    for state in generation.names.values() {
        let manifest = state.manifest.and_then(|digest| StoredState::manifest(depot, &digest).ok());
        let folders = manifest.into_iter().flat_map(|manifest| manifest.collections).map(|one| one.folder());
        bundles.extend(folders.map(|folder| (folder, state.bundle.clone())));
    }
    bundles
}
