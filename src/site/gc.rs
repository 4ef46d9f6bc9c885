//! Removes old generations, evidence whose time is over, and blobs that no generation, no unfinished import and no evidence needs.

use std::collections::BTreeSet;
use std::fs;

use super::evidence::{self, EvidenceRecord};
use super::older;
use super::publish::apt::reprepro;
use super::reachable::reachable;
use super::repair::ROTTEN_FOLDER;
use super::state::generation_key;
use super::tree_paths::remove_folder;
use super::trees;
use super::{Site, SiteError};
use crate::collection::Publish;
use crate::depot::RemovedBlobs;
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::storage::RunMode;
use crate::storage::{StorageError, audit};

/// Generations and blobs that [`gc`] removed.
#[derive(Debug)]
pub struct RemovedState {
    /// The numbers of the generations.
    pub generations: Vec<u64>,
    /// The blobs.
    pub blobs: RemovedBlobs,
    /// The bundles on which evidence was removed, since its time is over.
    pub evidence: Vec<String>,
    /// The number of bundles on which evidence stays although its time is over by the clock, since the clock is doubted.
    pub doubted_evidence: usize,
}

/// Keeps the newest `keep` generations, the current one among them, and removes the others and their blobs.
///
/// Removes the evidence on bundles whose time is over, too. Removes nothing if it cannot read what the site still needs.
pub fn gc(site: &Site, keep: usize, mode: RunMode) -> Result<RemovedState, SiteError> {
    let _lock = site.lock()?;
    let current = site.current()?;
    let numbers = site.generations()?;
    let kept = kept(&numbers, current.number, keep);
    let old: Vec<u64> = numbers.into_iter().filter(|number| !kept.contains(number)).collect();
    let unknown = |source| SiteError::NothingCollected { site: site.root().to_owned(), source: Box::new(source) };
    let evidence = evidence::expired(site, &current, &kept).map_err(unknown)?;
    let mut needed = needed_by(site, &kept).map_err(unknown)?;
    needed.extend(evidence.needed);
    let over: Vec<String> = evidence.over.iter().map(EvidenceRecord::bundle).collect();
    let log = site.root().join("audit.jsonl");
    let record = || audit::append(&log, "gc", site.config.name.as_str(), &removal(&kept, &old, &over));
    // A full file system may have no room for the line. Then it is written as soon as there is.
    let unrecorded = mode == RunMode::Apply && recorded_or_full(record())?;
    if mode == RunMode::Apply {
        // First, so that a kill leaves no half a generation that counts as one.
        old.iter().try_for_each(|number| site.store().delete(&generation_key(*number)))?;
        remove_folders(site, &kept)?;
        evidence.over.iter().try_for_each(|record| evidence::remove(site, record))?;
        trees::remove_others(site, &trees::named_by(site, kept.iter().copied())?)?;
        older::settle(site, &site.depot()?, &current, &kept)?;
        let by_reprepro = current.published.values().filter(|published| published.publish == Publish::Reprepro);
        reprepro::tidy(site.root(), &by_reprepro.map(|published| &published.name).collect::<Vec<_>>())?;
        site.tidy_partials()?;
        remove_folder(&site.root().join(ROTTEN_FOLDER))?;
    }
    let depot = site.depot()?;
    let blobs = depot.remove_all_but(&needed, mode)?;
    if mode == RunMode::Apply {
        // One that nobody needs need not be fetched again.
        let forgotten: Vec<Sha256> = depot.bad_blobs()?.difference(&needed).copied().collect();
        forgotten.iter().try_for_each(|digest| depot.forget_bad(digest))?;
    }
    if unrecorded {
        record()?;
    }
    Ok(RemovedState { generations: old, blobs, evidence: over, doubted_evidence: evidence.doubted })
}

/// Returns the line of the audit log.
fn removal(kept: &BTreeSet<u64>, old: &[u64], evidence: &[String]) -> String {
    let of_evidence = match evidence {
        [] => String::new(),
        bundles => format!(", and the evidence on {}", bundles.join(", ")),
    };
    format!("keeps {kept:?}, removes {old:?}{of_evidence}")
}

/// Returns whether the line could not be written because the file system is full.
fn recorded_or_full(recorded: Result<(), StorageError>) -> Result<bool, StorageError> {
    match recorded {
        Err(error) if error.class() == ErrorClass::NoSpace => Ok(true),
        other => other.map(|()| false),
    }
}

/// Returns the newest `keep` generations up to the current one. Without a current one, the first import was killed before its
/// switch: then all stay.
fn kept(numbers: &[u64], current: u64, keep: usize) -> BTreeSet<u64> {
    match current {
        0 => numbers.iter().copied().collect(),
        _ => numbers.iter().copied().filter(|number| *number <= current).rev().take(keep.max(1)).collect(),
    }
}

/// The blobs of kept generations and of unfinished imports.
fn needed_by(site: &Site, kept: &BTreeSet<u64>) -> Result<BTreeSet<Sha256>, SiteError> {
    let mut needed = reachable(site, kept)?;
    needed.append(&mut site.unfinished_blobs()?);
    Ok(needed)
}

/// Removes the folders of all generations but those that are kept, also what killed runs left half built or half removed.
fn remove_folders(site: &Site, kept: &BTreeSet<u64>) -> Result<(), SiteError> {
    let folder = site.root().join("generations");
    for entry in fs::read_dir(&folder).map_err(SiteError::io("list", &folder))? {
        let path = entry.map_err(SiteError::io("list", &folder))?.path();
        if !kept.iter().any(|number| path == site.generation_folder(*number)) {
            remove_folder(&path)?;
        }
    }
    Ok(())
}
