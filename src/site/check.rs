//! Reads everything that a site holds again, and finds what has changed on disk since it was verified.
//!
//! A blob and the files that are hard links to it share their bytes, so the blob is read once for all of them. A published
//! file with bytes of its own, as in a site that was copied without hard links, is read too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::flaw::{Flaw, blob_flaw, flaw};
use super::path_map::PathMap;
use super::state::Generation;
use super::{Site, SiteError};
use crate::bundle::state::stored_state::StoredState;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::path::PublishPath;
use crate::progress::Progress;
use crate::storage::audit;

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

/// A file of the site that is not what it must be.
#[derive(Debug, Serialize)]
pub struct FlawedFile {
    /// Its path below the site's folder.
    pub path: PathBuf,
    /// The reason.
    pub flaw: Flaw,
    /// The digest that it must have.
    pub sha256: Sha256,
    /// The published files that need it; each as of the newest generation that has it.
    pub needed_by: Vec<NeededBy>,
    /// The published files that are hard links to it, if it is a blob.
    #[serde(skip)]
    links: Vec<PathBuf>,
}

impl FlawedFile {
    fn new(path: PathBuf, flaw: Flaw, sha256: Sha256) -> Self {
        Self { path, flaw, sha256, needed_by: Vec::new(), links: Vec::new() }
    }
}

/// A published file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeededBy {
    /// The newest generation that has it.
    pub generation: u64,
    /// Its collection, as KIND/NAME; `None` for what belongs to no collection, such as keys.
    pub collection: Option<String>,
    /// Its path below the collection, or below the generation.
    pub path: String,
    /// The bundle that brought it, if that is known.
    pub bundle: Option<String>,
}

/// Reads every blob, and every published file that is not a hard link to its blob.
pub fn check(site: &Site, flawed_files: FlawedFiles, progress: &Progress) -> Result<SiteCheck, SiteError> {
    let _lock = (flawed_files == FlawedFiles::MoveAway).then(|| site.lock()).transpose()?;
    let depot = site.depot()?;
    let mut checking = Checking { site, depot: &depot, progress, found: SiteCheck::default(), blobs: BTreeMap::new() };
    checking.read_blobs()?;
    let current = site.current()?.number;
    for number in site.generations()?.into_iter().rev().filter(|number| *number <= current) {
        checking.read_generation(number)?;
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

    fn read_generation(&mut self, number: u64) -> Result<(), SiteError> {
        let folder = self.site.generation_folder(number);
        let generation = self.site.generation(number)?;
        let Some(map) = self.path_map(&generation)? else { return Ok(()) };
        let bundles = bundles(self.depot, &generation);
        let mut own = Vec::new();
        for (path, digest) in map.files() {
            let (file, blob) = (inode(&folder.join(path)), blob_inode(self.depot, digest));
            if blob.is_none() && self.depot.size(digest).is_none() {
                self.note_blob(digest, Flaw::Missing);
            }
            if let Some(flawed) = self.blobs.get_mut(digest) {
                note(&mut flawed.needed_by, needed(number, path, &bundles));
                flawed.links.extend((file.is_some() && file == blob).then(|| folder.join(path)));
            }
            if file.is_none() || file != blob {
                own.push((path, digest));
            }
        }
        let progress = self.progress.phase(&format!("checking copies in generation {number}"), 0);
        for (path, digest) in own {
            let file = folder.join(path);
            self.found.tree_files += 1;
            self.found.bytes += fs::metadata(&file).map_or(0, |data| data.len());
            if let Some(flaw) = flaw(&file, digest, &progress)? {
                let below = Path::new("generations").join(number.to_string()).join(path);
                let needed_by = vec![needed(number, path, &bundles)];
                self.found.flawed.push(FlawedFile { needed_by, ..FlawedFile::new(below, flaw, *digest) });
            }
        }
        progress.finish();
        Ok(())
    }

    /// Reads the generation's path map; `None` if that is what is wrong, which is noted.
    fn path_map(&mut self, generation: &Generation) -> Result<Option<PathMap>, SiteError> {
        let Some(digest) = generation.paths else { return PathMap::load(self.site, self.depot, generation).map(Some) };
        if self.depot.size(&digest).is_none() {
            self.note_blob(&digest, Flaw::Missing);
        }
        match self.blobs.get_mut(&digest) {
            None => PathMap::load(self.site, self.depot, generation).map(Some),
            Some(flawed) => {
                let path = "the path map".to_owned();
                flawed.needed_by.push(NeededBy { generation: generation.number, collection: None, path, bundle: None });
                Ok(None)
            }
        }
    }

    fn note_blob(&mut self, digest: &Sha256, flaw: Flaw) {
        let path = self.depot.place(digest);
        let path = path.strip_prefix(self.site.root()).unwrap_or(&path).to_owned();
        self.blobs.entry(*digest).or_insert_with(|| FlawedFile::new(path, flaw, *digest));
    }
}

/// Notes a file unless a newer generation has it under the same path.
fn note(needed_by: &mut Vec<NeededBy>, file: NeededBy) {
    let is_same = |known: &NeededBy| (&known.collection, &known.path) == (&file.collection, &file.path);
    if !needed_by.iter().any(is_same) {
        needed_by.push(file);
    }
}

fn needed(generation: u64, path: &PublishPath, bundles: &BTreeMap<String, String>) -> NeededBy {
    let path = path.as_str();
    let below = path.strip_prefix("proofs/").unwrap_or(path);
    let in_collection = |(folder, bundle): (&String, &String)| {
        let rest = below.strip_prefix(folder.as_str())?.strip_prefix('/')?;
        let (collection, path) = (Some(folder.clone()), rest.to_owned());
        Some(NeededBy { generation, collection, path, bundle: Some(bundle.clone()) })
    };
    let of_none = || NeededBy { generation, collection: None, path: path.to_owned(), bundle: None };
    bundles.iter().find_map(in_collection).unwrap_or_else(of_none)
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

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|data| (data.dev(), data.ino()))
}

/// The inode of the blob, if blobs are local files.
fn blob_inode(depot: &Depot, digest: &Sha256) -> Option<(u64, u64)> {
    depot.local_file(digest).and_then(|path| inode(&path))
}

/// Moves flawed blobs to `quarantine/`, and takes the published files away that have their bytes: what is missing is fetched
/// anew by the next import that has it. Published files whose blobs are good are linked to them again.
fn move_away(site: &Site, depot: &Depot, flawed: &[FlawedFile]) -> Result<(), SiteError> {
    let blob_of = |file: &FlawedFile| site.root().join(&file.path) == depot.place(&file.sha256);
    let blobs: Vec<&FlawedFile> = flawed.iter().filter(|file| blob_of(file)).collect();
    let names: Vec<String> = blobs.iter().map(|file| file.sha256.to_hex()).collect();
    let log = site.root().join("audit.jsonl");
    audit::append(
        &log,
        "quarantine",
        site.config.name.as_str(),
        &format!("{} files, blobs {}", flawed.len(), names.join(" ")),
    )?;
    for file in blobs {
        for link in &file.links {
            fs::remove_file(link).map_err(SiteError::io("remove", link))?;
        }
        quarantine(site, depot, &file.sha256)?;
    }
    for file in flawed.iter().filter(|file| !blob_of(file)) {
        let path = site.root().join(&file.path);
        match depot.size(&file.sha256) {
            Some(_) => relink(depot, &file.sha256, &path)?,
            None if file.flaw == Flaw::Missing => {}
            None => fs::remove_file(&path).map_err(SiteError::io("remove", &path))?,
        }
    }
    Ok(())
}

/// Moves the blob to `quarantine/`. Succeeds if it does not exist.
pub(super) fn quarantine(site: &Site, depot: &Depot, digest: &Sha256) -> Result<(), SiteError> {
    Ok(depot.move_away(digest, &site.root().join("quarantine").join(digest.to_hex()))?)
}

/// Replaces the published file by one with its blob's bytes, in one step.
fn relink(depot: &Depot, digest: &Sha256, path: &Path) -> Result<(), SiteError> {
    let scratch = depot.partial_path(digest);
    depot.remove_partial(digest)?;
    depot.write_file(digest, &scratch)?;
    let replace = || {
        fs::File::open(&scratch)?.sync_all()?;
        fs::rename(&scratch, path)
    };
    replace().map_err(SiteError::io("replace", path))
}

/// Links the published files of all generations to their blobs again, as far as these are `verified`: where a blob was
/// replaced, the files still have the bytes that it had before.
pub(super) fn relink_trees(site: &Site, depot: &Depot, verified: &BTreeSet<Sha256>) -> Result<(), SiteError> {
    for number in site.generations()? {
        let folder = site.generation_folder(number);
        // Without its map, `check` says what is wrong with the generation.
        let Ok(map) = site.generation(number).and_then(|generation| PathMap::load(site, depot, &generation)) else {
            continue;
        };
        for (path, digest) in map.files().filter(|(_, digest)| verified.contains(*digest)) {
            let (file, blob) = (folder.join(path), blob_inode(depot, digest));
            if depot.size(digest).is_some() && (blob.is_none() || inode(&file) != blob) {
                relink(depot, digest, &file)?;
            }
        }
    }
    Ok(())
}
