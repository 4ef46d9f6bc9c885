//! Heals a site from a bundle that it knows: blobs that have changed on disk, or are gone, are read from the medium again.
//!
//! A blob is replaced by a rename, and then the state is published as a new generation, whose tree is linked to the healed
//! blobs. So clients see the old bytes or the right ones, whatever instant a kill picks, and the same command finishes it.

use std::collections::BTreeSet;

use super::flaw::blob_flaw;
use super::generation::{Recipe, publish};
use super::imported::{Imported, note_repairs};
use super::reachable::reachable;
use super::repair::{quarantine, relink_trees};
use super::reuse::Unchanged;
use super::state::Generation;
use super::{Site, SiteError, sheets, unpack};
use crate::bundle::Bundle;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::progress::Progress;
use crate::storage::audit;

/// The treatment of blobs of a bundle that the site holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeldBlobs {
    /// They are taken as they are: whatever has a blob's name was verified when it was written.
    #[default]
    Trusted,
    /// They are read again, and what is wrong is replaced from the medium.
    Reread,
}

/// Heals the site from a bundle that it has imported before, and publishes its state anew.
///
/// Of a bundle that is not the published one, only blobs count that a generation needs.
pub(super) fn heal(
    site: &Site,
    bundle: &Bundle,
    current: Generation,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let depot = site.depot()?;
    let is_published = current.names.values().any(|state| state.manifest == Some(bundle.digest));
    let detail = format!("{}{}", bundle.digest, sheets::custody(bundle));
    audit::append(&site.root().join("audit.jsonl"), "heal", &bundle.manifest.folder(), &detail)?;
    let needed: BTreeSet<Sha256> = match is_published {
        true => bundle.manifest.blobs.iter().map(|blob| blob.sha256).collect(),
        false => reachable(site, &site.generations()?.into_iter().collect())?,
    };
    let wanted = wrong(site, bundle, &depot, |digest| needed.contains(digest), progress)?;
    let healed = wanted.len() as u64;
    let unpacked = unpack::into_depot(site, bundle, &depot, wanted, progress)?;
    note_repairs(site, bundle, &unpacked.repaired)?;
    if is_published {
        let mut batch = depot.batch();
        depot.put(&mut batch, &bundle.bytes)?;
        batch.commit()?;
    }
    let recipe = Recipe {
        reason: format!("heal from {}", bundle.manifest.folder()),
        names: current.names.clone(),
        newest_time: current.newest_time,
        imported: Some(bundle),
        guarded: None,
        second_digests: unpacked.second,
        unchanged: Unchanged::PublishedAnew,
        is_rehearsal: false,
        progress: progress.clone(),
    };
    let generation = publish(site, &depot, recipe)?;
    relink_trees(site, &depot, &blobs_of(bundle, &needed))?;
    site.tidy_journal(bundle)?;
    Ok(Imported { healed, repaired: unpacked.repaired, ..Imported::of(&bundle.manifest, current, generation) })
}

fn blobs_of(bundle: &Bundle, needed: &BTreeSet<Sha256>) -> BTreeSet<Sha256> {
    bundle.manifest.blobs.iter().map(|blob| blob.sha256).filter(|digest| needed.contains(digest)).collect()
}

/// Returns the blobs of the bundle that `counts` and that the depot holds with other bytes, or not at all.
///
/// One that the bundle does not carry moves to `quarantine/`: then the site knows that it lacks the blob, and asks for it.
pub(super) fn wrong(
    site: &Site,
    bundle: &Bundle,
    depot: &Depot,
    counts: impl Fn(&Sha256) -> bool,
    progress: &Progress,
) -> Result<BTreeSet<Sha256>, SiteError> {
    let blobs: Vec<_> = bundle.manifest.blobs.iter().filter(|blob| counts(&blob.sha256)).collect();
    let progress = progress.phase("reading what is here again", blobs.iter().map(|blob| blob.size).sum());
    let mut wrong = BTreeSet::new();
    for blob in blobs {
        if blob_flaw(depot, &blob.sha256, &progress)?.is_none() {
            continue;
        }
        if blob.parts.is_empty() {
            quarantine(site, depot, &blob.sha256)?;
        }
        wrong.insert(blob.sha256);
    }
    progress.finish();
    Ok(wrong)
}
