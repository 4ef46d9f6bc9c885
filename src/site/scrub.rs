//! Reads what a site holds again: blobs in the order of their digests, then published files with bytes of their own.
//!
//! It takes no lock, so that imports go on meanwhile; what they change while it is read is looked at again at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::flaw::{Flaw, FlawedFile, NeededBy, Replacement, blob_flaw, flaw};
use super::older::{OLDER_FOLDER, asked_for_later};
use super::pace::Pace;
use super::path_map::PathMap;
use super::repair::{blob_inode, has_link, inode, places};
use super::scrub_note::{CheckScope, ScrubNote};
use super::state::{CURRENT, Generation, MountedTree, generation_folder};
use super::tree::Tree;
use super::{Site, SiteError};
use crate::bundle::state::stored_state::StoredState;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::path::PublishPath;
use crate::progress::Progress;

/// The result of a check.
#[derive(Debug, Default)]
pub struct SiteCheck {
    /// Number of blobs that were read, also by runs before that were interrupted.
    pub blobs: u64,
    /// Number of published files with bytes of their own that were read so.
    pub tree_files: u64,
    /// Number of bytes that were read so.
    pub bytes: u64,
    /// Number of blobs that runs before had read, which were interrupted.
    pub blobs_before: u64,
    /// The files that are not what they must be.
    pub flawed: Vec<FlawedFile>,
    /// Says if the bad blobs were noted, so that the next import takes them from its medium. Only the site's owner can.
    pub is_noted: bool,
    /// Blobs that are noted as bad and good again, of which published files still have the old bytes.
    pub(super) renewed: BTreeSet<Sha256>,
}

/// A check that is under way.
pub(super) struct Scrub<'a> {
    site: &'a Site,
    depot: &'a Depot,
    pace: Option<&'a Pace>,
    progress: &'a Progress,
    note: ScrubNote,
    scope: CheckScope,
    /// The blobs that were noted as bad at the beginning.
    known: BTreeSet<Sha256>,
    /// Those of them that are good again.
    renewed: BTreeSet<Sha256>,
    /// True if the files of a tree are not known, so that they were not looked at.
    has_unread_maps: bool,
    /// Only the owner of the site may write down what is bad.
    is_owner: bool,
    is_noted: bool,
    flawed: Vec<FlawedFile>,
    /// The blobs that are not what they must be.
    blobs: BTreeMap<Sha256, FlawedFile>,
    /// The folders whose files were read.
    read: BTreeSet<PathBuf>,
    /// The files in `older/` that no generation was found to have yet.
    older: BTreeSet<PathBuf>,
}

/// The pace and the scope of a check.
#[derive(Clone, Copy)]
pub(super) struct ScrubOptions<'a> {
    pub(super) pace: Option<&'a Pace>,
    pub(super) scope: CheckScope,
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

impl<'a> Scrub<'a> {
    /// Returns the check that goes on where `note` says.
    pub(super) fn new(
        site: &'a Site,
        depot: &'a Depot,
        note: ScrubNote,
        options: ScrubOptions<'a>,
        progress: &'a Progress,
    ) -> Result<Self, SiteError> {
        let ScrubOptions { pace, scope } = options;
        let mut known = depot.bad_blobs()?;
        known.extend(note.flawed_blobs.iter().copied());
        let is_owner = site.belongs_to_user();
        let older = files_in(&site.root().join(OLDER_FOLDER))?;
        let (flawed, blobs, read) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        let renewed = BTreeSet::new();
        Ok(Self {
            site,
            depot,
            pace,
            progress,
            note,
            scope,
            known,
            renewed,
            has_unread_maps: false,
            is_owner,
            is_noted: true,
            flawed,
            blobs,
            read,
            older,
        })
    }

    /// Reads everything.
    pub(super) fn run(mut self) -> Result<SiteCheck, SiteError> {
        let blobs_before = self.note.blobs;
        self.read_blobs()?;
        let current = self.site.current()?;
        self.read_generation(&current, current.number)?;
        for number in self.site.generations()?.into_iter().rev().filter(|number| *number < current.number) {
            match self.site.generation(number) {
                // `gc` has removed it just now.
                Err(_) if !self.site.generations()?.contains(&number) => {}
                generation => self.read_generation(&generation?, current.number)?,
            }
        }
        let is_noted = self.is_noted;
        let renewed = self.forget_renewed();
        let ScrubNote { blobs, tree_files, bytes, .. } = self.note;
        let mut flawed = self.flawed;
        flawed.extend(self.blobs.into_values());
        Ok(SiteCheck { blobs, tree_files, bytes, blobs_before, flawed, is_noted, renewed })
    }

    fn read_blobs(&mut self) -> Result<(), SiteError> {
        let sizes = self.depot.blob_sizes()?;
        let progress = self.progress.phase("checking blobs", sizes.values().sum());
        for (digest, size) in sizes {
            let was_read = self.note.last_blob.is_some_and(|last| digest <= last);
            if (was_read || self.scope == CheckScope::Known) && !self.known.contains(&digest) {
                progress.add(size);
                continue;
            }
            match blob_flaw(self.depot, &digest, &reader(self.pace, &progress))? {
                Some(Flaw::Missing) => continue, // `gc` has removed it just now
                Some(flaw) => self.note_blob(&digest, flaw),
                None if self.known.contains(&digest) => {
                    self.note.flawed_blobs.remove(&digest);
                    self.renewed.insert(digest);
                }
                None => {}
            }
            if !was_read {
                self.note.blobs += 1;
                self.note.bytes += size;
                self.note.last_blob = Some(digest);
                self.note.note(self.site);
            }
        }
        progress.finish();
        Ok(())
    }

    /// Forgets which blobs were bad, since another run has put good bytes in their places. Returns those that stay noted: it was killed
    /// before it linked the published files to them, so the next import or repair does.
    fn forget_renewed(&mut self) -> BTreeSet<Sha256> {
        let files = self.flawed.iter().filter(|file| matches!(file.replacement, Replacement::Blob));
        let stale: BTreeSet<Sha256> = files.map(|file| file.sha256).collect();
        let (stay, linked): (BTreeSet<_>, BTreeSet<_>) =
            self.renewed.iter().partition(|digest| self.has_unread_maps || stale.contains(*digest));
        if self.is_owner {
            // A note that stays costs no more than one blob that is read from a medium again.
            linked.iter().for_each(|digest| drop(self.depot.forget_bad(digest)));
        }
        stay
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
            places.iter().try_for_each(|place| self.read_files(&tree, &map, place, |path| Some(place.join(path))))?;
            if number != current {
                let older = self.site.root().join(OLDER_FOLDER);
                let mut waiting = std::mem::take(&mut self.older);
                let file = |path: &PublishPath| waiting.take(&older.join(asked_for_later(folder, path)?));
                self.read_files(&tree, &map, &older.join(folder), file)?;
                self.older = waiting;
            }
        }
        Ok(())
    }

    /// Reads the files that have bytes of their own; `file_of` returns the file of each path, if there is to be one. `place` is the
    /// folder that has them.
    fn read_files(
        &mut self,
        tree: &CheckedTree<'_>,
        map: &Tree,
        place: &Path,
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
                if let Replacement::SetAside { links } = &mut flawed.replacement {
                    links.extend(is_link.then(|| file.clone()));
                }
            }
            if !is_link && (self.scope == CheckScope::Everything || self.known.contains(digest)) {
                own.push((path, file, digest));
            }
        }
        let progress = self.progress.phase(&format!("checking copies of {}", tree.folder), 0);
        let place = place.strip_prefix(self.site.root()).unwrap_or(place).join(tree.generation.to_string());
        let last = self.note.places.get(&place).cloned();
        for (tree_path, file, digest) in own {
            let path = file.strip_prefix(self.site.root()).unwrap_or(&file).to_owned();
            let was_read = last.as_ref().is_some_and(|last| tree_path.as_str() <= last.as_str());
            if was_read && !self.note.flawed_files.contains(&path) {
                continue;
            }
            if let Some(flaw) = flaw(&file, digest, &reader(self.pace, &progress))? {
                let needed_by = vec![tree.needed(tree_path)];
                let replacement = Replacement::Blob;
                self.note.flawed_files.insert(path.clone());
                self.flawed.push(FlawedFile { path, flaw, sha256: *digest, needed_by, replacement });
            }
            if !was_read {
                self.note.tree_files += 1;
                self.note.bytes += fs::metadata(&file).map_or(0, |data| data.len());
                self.note.places.insert(place.clone(), tree_path.clone());
                self.note.note(self.site);
            }
        }
        progress.finish();
        Ok(())
    }

    /// Reads the tree's path map; `None` if that is what is wrong, which is noted.
    fn path_map(&mut self, tree: &CheckedTree<'_>, mount: &MountedTree) -> Result<Option<Tree>, SiteError> {
        let digest = &mount.paths;
        if !self.depot.holds(digest)? {
            self.note_blob(digest, Flaw::Missing);
        }
        match self.blobs.get_mut(digest) {
            None => PathMap::tree(self.depot, digest).map(Some),
            Some(flawed) => {
                let path = format!("the path map of {}", tree.folder);
                flawed.needed_by.push(NeededBy { generation: tree.generation, collection: None, path, bundle: None });
                self.has_unread_maps = true;
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
            replacement: Replacement::SetAside { links: Vec::new() },
        };
        self.blobs.entry(*digest).or_insert_with(new);
        if flaw != Flaw::Missing {
            self.note.flawed_blobs.insert(*digest);
        }
        // Imports look at the blobs of a collection that changes, and at those that are noted.
        self.is_noted &= self.is_owner && self.depot.note_bad(digest).is_ok();
    }

    fn note_link(&mut self, tree: &CheckedTree<'_>, mount: &MountedTree) {
        let (generation, folder) = (tree.generation, tree.folder.to_owned());
        self.flawed.push(FlawedFile {
            path: PathBuf::from(generation_folder(generation)).join(&folder),
            flaw: Flaw::Missing,
            sha256: mount.paths,
            needed_by: Vec::new(),
            replacement: Replacement::Link { generation, folder, mount: *mount },
        });
    }
}

/// Returns what is to be told of bytes that were read.
fn reader(pace: Option<&Pace>, progress: &Progress) -> impl Fn(u64) {
    move |bytes| {
        progress.add(bytes);
        pace.iter().for_each(|pace| pace.take(bytes));
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
