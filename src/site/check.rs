//! Reads everything that a site holds again, and finds what has changed on disk since it was verified.
//!
//! A blob and the files that are hard links to it share their bytes, so the blob is read once for all of them. A published
//! file with bytes of its own, as in a site that was copied without hard links, is read too, in trees and in `older/`.
//!
//! The depot remembers blobs that are bad until good bytes take their places, so no import takes one for good.

use super::flaw::{Flaw, FlawedFile, Replacement, blob_flaw, flaw};
use super::pace::Pace;
use super::repair::{has_link, move_away};
use super::scrub::{Scrub, ScrubOptions, SiteCheck};
use super::scrub_note::{CheckScope, CheckStart, ScrubNote};
use super::{Site, SiteError};
use crate::depot::Depot;
use crate::progress::Progress;
use crate::units::Bytes;

/// The treatment of files that are not what they must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlawedFiles {
    /// They stay where they are.
    #[default]
    Stay,
    /// Blobs move to `rotten/`, and their published files go. A published file is linked to its blob again if that is good.
    MoveAway,
}

/// Options of a check.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// The treatment of files that are not what they must be.
    pub flawed_files: FlawedFiles,
    /// The number of bytes that are read in a second at most.
    pub rate: Option<Bytes>,
    /// The blobs that it begins with.
    pub start: CheckStart,
    /// The files that it reads.
    pub scope: CheckScope,
}

/// Reads every blob, and every published file that is not a hard link to its blob.
pub fn check(site: &Site, options: CheckOptions, progress: &Progress) -> Result<SiteCheck, SiteError> {
    if options.flawed_files == FlawedFiles::MoveAway {
        drop(site.lock()?); // what only fails at the end of a long check would be told too late
    }
    let depot = if site.belongs_to_user() { site.depot()? } else { site.depot_to_read() };
    let pace = options.rate.map(Pace::new);
    let note = match options.scope {
        CheckScope::Everything => ScrubNote::begin(site, options.start)?,
        CheckScope::Known => ScrubNote::default(), // that of a check which was interrupted stays
    };
    let scrub_options = ScrubOptions { pace: pace.as_ref(), scope: options.scope };
    let mut found = Scrub::new(site, &depot, note, scrub_options, progress)?.run()?;
    {
        let _lock = (options.flawed_files == FlawedFiles::MoveAway).then(|| site.lock()).transpose()?;
        found.flawed = confirmed(site, &depot, found.flawed)?;
        if options.flawed_files == FlawedFiles::MoveAway && !found.flawed.is_empty() {
            move_away(site, &depot, &found.flawed)?;
            found.renewed.iter().try_for_each(|digest| depot.forget_bad(digest))?;
        }
    }
    if options.scope == CheckScope::Everything {
        ScrubNote::end(site)?;
    }
    Ok(found)
}

/// Drops files that are right by now, or that only removed generations had: an import or `gc` ran meanwhile.
fn confirmed(site: &Site, depot: &Depot, found: Vec<FlawedFile>) -> Result<Vec<FlawedFile>, SiteError> {
    let generations = site.generations()?;
    let mut flawed = Vec::new();
    for mut file in found {
        let was_needed = !file.needed_by.is_empty();
        file.needed_by.retain(|needed| generations.contains(&needed.generation));
        if (was_needed && file.needed_by.is_empty()) || !is_flawed(site, depot, &file)? {
            if site.belongs_to_user() && matches!(file.replacement, Replacement::SetAside { .. }) {
                depot.forget_bad(&file.sha256)?;
            }
            continue;
        }
        flawed.push(file);
    }
    Ok(flawed)
}

/// Returns true if the file is not what it must be, or is missing.
pub(super) fn is_flawed(site: &Site, depot: &Depot, file: &FlawedFile) -> Result<bool, SiteError> {
    let quiet = |_: u64| ();
    Ok(match &file.replacement {
        Replacement::SetAside { .. } => match blob_flaw(depot, &file.sha256, &quiet)? {
            Some(Flaw::Missing) => !file.needed_by.is_empty(),
            flaw => flaw.is_some(),
        },
        Replacement::Blob => flaw(&site.root().join(&file.path), &file.sha256, &quiet)?.is_some(),
        Replacement::Link { generation, folder, mount } => {
            site.generations()?.contains(generation) && !has_link(site, *generation, folder, mount)
        }
    })
}
