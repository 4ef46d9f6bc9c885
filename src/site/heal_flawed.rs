//! Heals the files that a check has found: blobs from bundles on media, generated files from what is published.
//!
//! Each blob is replaced by a rename, and stays noted as bad until its published files are linked to it. Nothing is published anew
//! but what the site itself has generated. So a run that is killed leaves all that it has healed, and the same command goes on.

use std::collections::BTreeSet;

use super::check::is_flawed;
use super::flaw::FlawedFile;
use super::generation::DateRule;
use super::incoming::Incoming;
use super::repair::settle_renewed;
use super::republish::republish;
use super::search::BundleSearch;
use super::state::Generation;
use super::tree_paths::remove_folder;
use super::unpack::into_depot;
use super::{Site, SiteError, sheets};
use crate::bundle::BundleError;
use crate::bundle::state::OpenState;
use crate::bundle::state::blob_table::BlobMark;
use crate::bundle::state::stored_state::StoredState;
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::error_class::causes;
use crate::progress::Progress;
use crate::storage::{Lock, audit};

/// The result of healing.
#[derive(Debug, Default)]
pub struct HealedFiles {
    /// The number of files that were flawed and are right now.
    pub healed: u64,
    /// The files that are flawed still.
    pub left: Vec<FlawedFile>,
    /// The generation that was published, if generated files were made again.
    pub generation: Option<u64>,
}

/// Heals the files that a check has moved away. `media` are the bundles that may have their blobs; `say` is told of bundles that
/// cannot be used.
pub fn heal_flawed(
    site: &Site,
    flawed: Vec<FlawedFile>,
    media: Option<BundleSearch>,
    say: &dyn Fn(&str),
    progress: &Progress,
) -> Result<HealedFiles, SiteError> {
    let lock = site.lock()?;
    let (depot, found) = (site.depot()?, flawed.len() as u64);
    let wanted: BTreeSet<Sha256> = flawed.iter().map(|file| file.sha256).collect();
    let media = media.unwrap_or_default();
    for bundle in &media.bundles {
        let taken = take_blobs(site, &depot, bundle, &wanted, progress);
        tidy_past(site, bundle)?;
        match taken {
            Err(error) if error.class() == ErrorClass::NoSpace => return Err(error),
            Err(error) => say(&format!("{}: {}", bundle.manifest.folder(), causes(&error).join(": "))),
            Ok(()) => {}
        }
    }
    media.failure.iter().for_each(|error| say(&causes(error).join(": ")));
    settle_renewed(site, &depot)?;
    let generation = make_again(site, &lock, &depot, &wanted, progress)?.map(|generation| generation.number);
    let mut left = Vec::new();
    for file in flawed {
        if is_flawed(site, &depot, &file)? {
            left.push(file);
        }
    }
    Ok(HealedFiles { healed: found - left.len() as u64, left, generation })
}

/// Takes those of the `wanted` blobs that are lacking from a bundle. What is on no medium stays lacking.
fn take_blobs(
    site: &Site,
    depot: &Depot,
    bundle: &OpenState,
    wanted: &BTreeSet<Sha256>,
    progress: &Progress,
) -> Result<(), SiteError> {
    let incoming = Incoming::on_media(bundle);
    let mut content = incoming.lists(site.root())?;
    let mut failed = Ok(());
    content.blobs.mark_where(BlobMark::Lacking, |blob| {
        wanted.contains(&blob.sha256)
            && depot.has_good(&blob.sha256, blob.size).map_or_else(
                |error| {
                    failed = Err(error);
                    true
                },
                |has| !has,
            )
    });
    failed?;
    if content.blobs.marked(BlobMark::Lacking).next().is_none() {
        return Ok(());
    }
    let detail = format!("{}{}", bundle.digest, sheets::custody(incoming));
    audit::append(&site.root().join("audit.jsonl"), "heal", &bundle.manifest.folder(), &detail)?;
    incoming.store(&content, depot)?;
    let room_of_files = 0; // they are linked to the blobs again
    match into_depot(site, incoming, &mut content, depot, room_of_files, progress) {
        // It has some of them at most, which are here now.
        Err(SiteError::Bundle(BundleError::BlobsMissing { .. })) => Ok(()),
        other => other.map(drop),
    }
}

/// Removes the notes of what was taken from a bundle that the site has imported, also those of a run that was killed. The notes of a
/// newer bundle stay: its import goes on with what is here now.
fn tidy_past(site: &Site, bundle: &OpenState) -> Result<(), SiteError> {
    let manifest = &bundle.manifest;
    let known = site.current()?.names.get(&manifest.name).map(|known| (known.epoch, known.sequence));
    if known >= Some((manifest.epoch, manifest.sequence)) {
        remove_folder(&site.journal_folder(bundle))?;
        site.tidy_partials()?;
    }
    Ok(())
}

/// Publishes the current state anew if generated files of it are lacking, and nothing else of it is.
fn make_again(
    site: &Site,
    lock: &Lock,
    depot: &Depot,
    wanted: &BTreeSet<Sha256>,
    progress: &Progress,
) -> Result<Option<Generation>, SiteError> {
    let current = site.current()?;
    let Some(of_states) = blobs_of_states(depot, &current)? else { return Ok(None) };
    let mut is_generated_lacking = false;
    for digest in wanted {
        let is_lacking = !depot.holds(digest)? || (depot.is_bad(digest)? && !depot.hashed_by_this_process(digest));
        match (is_lacking, of_states.contains(digest)) {
            (true, true) => return Ok(None), // the import that brings it publishes all of it anew
            (is_lacking, _) => is_generated_lacking |= is_lacking,
        }
    }
    if !is_generated_lacking {
        return Ok(None);
    }
    republish(site, lock, "heal generated files", DateRule::Rising, progress).map(Some)
}

/// Returns all blobs of the published states; `None` if a state itself is lacking.
fn blobs_of_states(depot: &Depot, current: &Generation) -> Result<Option<BTreeSet<Sha256>>, SiteError> {
    let mut blobs = BTreeSet::new();
    for digest in current.names.values().filter_map(|state| state.manifest) {
        let mut read = || {
            let state = StoredState::open(depot, &digest)?;
            blobs.extend(state.own_blobs());
            blobs.extend(state.blobs(depot)?.iter().map(|blob| blob.sha256));
            Ok(())
        };
        match read() {
            Err(BundleError::Depot(DepotError::Missing { .. } | DepotError::DigestMismatch { .. })) => return Ok(None),
            read => read?,
        }
    }
    Ok(Some(blobs))
}
