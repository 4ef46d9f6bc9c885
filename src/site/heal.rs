//! Heals a site from a bundle that it knows: blobs that have changed on disk, or are gone, are read from the medium again.
//!
//! A blob is replaced by a rename, and then the state is published as a new generation, whose tree is linked to the healed
//! blobs. So clients see the old bytes or the right ones, whatever instant a kill picks, and the same command finishes it.

use std::collections::BTreeSet;

use super::flaw::blob_flaw;
use super::generation::{DateRule, Recipe, publish};
use super::imported::{Imported, note_repairs};
use super::incoming::{Incoming, IncomingState};
use super::reachable::reachable;
use super::repair::{relink_trees, set_aside};
use super::reuse::Unchanged;
use super::room::NextFiles;
use super::state::Generation;
use super::unpack::{into_depot, mark_lacking};
use super::{Site, SiteError, sheets};
use crate::bundle::state::blob_table::{BlobEntry, BlobMark};
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
    incoming: Incoming<'_>,
    current: Generation,
    held: HeldBlobs,
    progress: &Progress,
) -> Result<Imported, SiteError> {
    let (depot, state) = (site.depot()?, incoming.state);
    let is_published = current.names.values().any(|name| name.manifest == Some(state.digest));
    let detail = format!("{}{}", state.digest, sheets::custody(incoming));
    audit::append(&site.root().join("audit.jsonl"), "heal", &state.manifest.folder(), &detail)?;
    let mut content = incoming.lists(site.root())?;
    incoming.store(&content, &depot)?;
    let needed = match is_published {
        true => None,
        false => Some(reachable(site, &site.generations()?.into_iter().collect())?),
    };
    let counts = |blob: &BlobEntry| needed.as_ref().is_none_or(|needed| needed.contains(&blob.sha256));
    let healed = match held {
        HeldBlobs::Reread => mark_wrong(site, incoming, &mut content, &depot, counts, progress)?,
        HeldBlobs::Trusted => {
            mark_lacking(&mut content.blobs, &depot)?;
            content.blobs.marked(BlobMark::Lacking).count() as u64
        }
    };
    let unchanged = Unchanged::PublishedAnew;
    let files = NextFiles { depot: &depot, current: &current, unchanged: &BTreeSet::new() };
    let room_of_files = files.room(&content)?;
    let unpacked = into_depot(site, incoming, &mut content, &depot, room_of_files, progress)?;
    note_repairs(site, state, &unpacked.repaired)?;
    let recipe = Recipe {
        reason: format!("heal from {}", state.manifest.folder()),
        names: current.names.clone(),
        newest_time: current.newest_time,
        imported: Some(&content.state),
        guarded: None,
        second_digests: unpacked.second,
        unchanged,
        is_rehearsal: false,
        dates: DateRule::Rising,
        progress: progress.clone(),
    };
    let generation = publish(site, &depot, recipe)?;
    let of_bundle = content.blobs.iter().filter(|blob| counts(blob)).map(|blob| blob.sha256);
    relink_trees(site, &depot, &of_bundle.collect())?;
    site.tidy_journal(state)?;
    Ok(Imported { healed, repaired: unpacked.repaired, ..Imported::of(&content, current, generation) })
}

/// Reads the blobs of the bundle that `counts`, and marks as lacking those that the depot holds with other bytes, or not at all.
/// Returns their number.
///
/// One that the bundle does not carry moves to `rotten/`: then the site knows that it lacks the blob, and asks for it.
pub(super) fn mark_wrong(
    site: &Site,
    incoming: Incoming<'_>,
    content: &mut IncomingState,
    depot: &Depot,
    counts: impl Fn(&BlobEntry) -> bool,
    progress: &Progress,
) -> Result<u64, SiteError> {
    let carried = carried(site, incoming)?;
    let blobs = &mut content.blobs;
    let counted: Vec<BlobEntry> = blobs.iter().filter(|blob| counts(blob)).copied().collect();
    let progress = progress.phase("reading what is here again", counted.iter().map(|blob| blob.size).sum());
    let mut wrong = 0;
    for blob in counted {
        if blob_flaw(depot, &blob.sha256, &|bytes| progress.add(bytes))?.is_none() {
            continue;
        }
        // Of a stream nobody knows yet what it carries.
        if carried.as_ref().is_some_and(|carried| !carried.contains(&blob.sha256)) {
            set_aside(site, depot, &blob.sha256)?;
        }
        blobs.mark(&blob.sha256, BlobMark::Lacking);
        wrong += 1;
    }
    progress.finish();
    Ok(wrong)
}

/// The blobs that the volumes of a bundle on media carry; `None` for a stream.
fn carried(site: &Site, incoming: Incoming<'_>) -> Result<Option<BTreeSet<Sha256>>, SiteError> {
    if incoming.stream.is_some() {
        return Ok(None);
    }
    let mut carried = BTreeSet::new();
    for packing in site.packings(incoming.state)?.found {
        for index in 0..packing.packing.volumes.len() {
            packing.each_part(index, site.root(), |part| {
                carried.insert(part.blob);
            })?;
        }
    }
    Ok(Some(carried))
}
