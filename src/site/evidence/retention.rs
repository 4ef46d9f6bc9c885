//! The time for which evidence is kept.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::clock::ClockTrust;
use super::super::journal::journal_manifest;
use super::super::state::Generation;
use super::super::statements::statements_folder;
use super::super::tree_paths::remove_folder;
use super::super::{Site, SiteError};
use super::record::{EvidenceRecord, place};
use crate::digest::Sha256;
use crate::storage::{StorageError, remove_file_if_there, sync_parent};
use crate::time::Time;

/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;
/// The days that evidence is kept if `site.toml` does not say it.
const USUAL_DAYS: u32 = 365;

/// `[evidence]` of `site.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvidenceSettings {
    /// The days for which `gc` keeps the evidence on a bundle after the site used it last.
    pub keep_days: u32,
}

impl Default for EvidenceSettings {
    fn default() -> Self {
        Self { keep_days: USUAL_DAYS }
    }
}

impl EvidenceSettings {
    /// Returns `true` if nobody has changed them.
    pub(in crate::site) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Evidence that `gc` keeps, and that it removes.
#[derive(Debug, Default)]
pub(in crate::site) struct ExpiredEvidence {
    /// The blobs of the evidence that is kept.
    pub(in crate::site) needed: BTreeSet<Sha256>,
    /// The evidence whose time is over.
    pub(in crate::site) over: Vec<EvidenceRecord>,
    /// The number of records whose time is over if the clock is right, which is doubted.
    pub(in crate::site) doubted: usize,
}

/// Finds the evidence whose time is over. That on what kept generations publish, and on what waits, stays whatever its age.
///
/// Nothing is over while the clock is far past all that the site has seen: a wrong clock must not cost evidence.
pub(in crate::site) fn expired(
    site: &Site,
    current: &Generation,
    kept: &BTreeSet<u64>,
) -> Result<ExpiredEvidence, SiteError> {
    let in_use = in_use(site, kept)?;
    let keep_s = i64::from(site.config.evidence.keep_days).saturating_mul(DAY_S);
    let clock_is_doubted = ClockTrust::Doubted.check(current).is_err();
    let now = Time::now();
    let mut expired = ExpiredEvidence::default();
    for record in site.evidence_records()? {
        let is_over = now.unix() - record.newest.unix() >= keep_s;
        let is_over = is_over && !in_use.contains(&record.manifest);
        expired.doubted += usize::from(is_over && clock_is_doubted);
        match is_over && !clock_is_doubted {
            true => expired.over.push(record),
            false => expired.needed.extend(record.files.values()),
        }
    }
    Ok(expired)
}

/// Returns the manifests that kept generations publish or whose approval they rest on, and those of unfinished imports.
fn in_use(site: &Site, kept: &BTreeSet<u64>) -> Result<BTreeSet<Sha256>, SiteError> {
    let mut manifests = BTreeSet::new();
    for number in kept {
        for state in site.generation(*number)?.names.values() {
            manifests.extend(state.manifest);
            manifests.extend(state.review.map(|review| review.manifest));
        }
    }
    for folder in site.journals()? {
        manifests.extend(journal_manifest(&folder)?.map(|(_, digest)| digest));
    }
    Ok(manifests)
}

/// Removes evidence: the statements of reviewers first, so that the record of what a kill has left is there for the next run.
pub(in crate::site) fn remove(site: &Site, record: &EvidenceRecord) -> Result<(), SiteError> {
    let statements = statements_folder(site, &record.manifest);
    if statements.exists() {
        remove_folder(&statements)?;
        sync_parent(&statements).map_err(SiteError::io("sync the folder of", &statements))?;
    }
    let path = place(site, &record.manifest);
    remove_file_if_there(&path).and_then(|()| sync_parent(&path)).map_err(StorageError::io("remove", &path))?;
    Ok(())
}
