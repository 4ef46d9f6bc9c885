//! Removes old generations, and blobs that no generation and no unfinished import needs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::generation::remove_folder;
use super::publish::apt::reprepro;
use super::{Site, SiteError, audit};
use crate::collection::Publish;
use crate::digest::Sha256;

/// What a collection of garbage removed.
#[derive(Debug, Default)]
pub struct Collected {
    /// The generations, by number.
    pub generations: Vec<u64>,
    /// How many blobs.
    pub blobs: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

/// Keeps the newest `keep` generations, the current one among them, and removes the others and their blobs.
pub fn gc(site: &Site, keep: usize, dry_run: bool) -> Result<Collected, SiteError> {
    let _lock = site.lock()?;
    let current = site.current()?;
    let numbers = site.generations()?;
    let kept: BTreeSet<u64> =
        numbers.iter().copied().filter(|n| *n <= current.number).rev().take(keep.max(1)).collect();
    let old: Vec<u64> = numbers.into_iter().filter(|number| !kept.contains(number)).collect();
    let mut collected = Collected { generations: old.clone(), ..Collected::default() };
    let needed = needed_by(site, &kept)?;
    if !dry_run {
        let log = site.root().join("audit.jsonl");
        audit::append(&log, "gc", site.config.name.as_str(), &format!("keeps {kept:?}, removes {old:?}"))?;
        old.iter().try_for_each(|number| remove_generation(&site.generation_folder(*number)))?;
        remove_scraps(&site.root().join("generations"))?;
        let by_reprepro = current.published.values().filter(|published| published.publish == Publish::Reprepro);
        reprepro::tidy(site.root(), &by_reprepro.map(|published| &published.name).collect::<Vec<_>>())?;
    }
    let depot = site.depot()?;
    if !dry_run {
        site.tidy_partials()?;
    }
    for digest in depot.blobs()?.into_iter().filter(|digest| !needed.contains(digest)) {
        let path = depot.path(&digest);
        let file = fs::metadata(&path).map_err(SiteError::io("look at", &path))?;
        // A generation holds each of its blobs by a hard link: what is linked is needed, whatever else we believe.
        if !dry_run && file.nlink() > 1 {
            continue;
        }
        collected.blobs += 1;
        collected.bytes += file.len();
        if !dry_run {
            depot.remove(&digest)?;
        }
    }
    Ok(collected)
}

/// Takes the number from it first, so that a kill leaves no half a generation under it.
fn remove_generation(folder: &Path) -> Result<(), SiteError> {
    let scratch = folder.with_extension("part");
    remove_folder(&scratch)?;
    fs::rename(folder, &scratch).map_err(SiteError::io("rename", folder))?;
    remove_folder(&scratch)
}

/// Removes what runs that were killed left half built or half removed.
fn remove_scraps(generations: &Path) -> Result<(), SiteError> {
    let entries = fs::read_dir(generations).map_err(SiteError::io("list", generations))?;
    let mut scraps = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.extension().is_some());
    scraps.try_for_each(|path| remove_folder(&path))
}

/// The blobs of the manifests of kept generations and of unfinished imports.
fn needed_by(site: &Site, kept: &BTreeSet<u64>) -> Result<BTreeSet<Sha256>, SiteError> {
    let depot = site.depot()?;
    let mut needed = BTreeSet::new();
    let generations = kept.iter().map(|number| site.generation_folder(*number));
    // reprepro's pool has links of its own.
    for folder in generations.chain([site.root().join(reprepro::FOLDER)]) {
        for entry in walkdir::WalkDir::new(&folder).into_iter().filter_map(Result::ok) {
            needed.extend(entry.metadata().ok().filter(|m| m.is_file()).map(|m| m.ino()));
        }
    }
    let mut digests = site.unfinished_blobs()?;
    for digest in depot.blobs()? {
        let path = depot.path(&digest);
        let inode = fs::metadata(&path).map_err(SiteError::io("look at", &path))?.ino();
        if needed.contains(&inode) {
            digests.insert(digest);
        }
    }
    Ok(digests)
}
