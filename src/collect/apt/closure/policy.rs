//! Which version of a package is its candidate, by apt's default priorities (apt_preferences(5)).

use super::Pin;
use super::universe::{PackageId, Universe, VersionId};
use crate::formats::apt::version;

/// The version that would be installed: the one of the highest priority, among these the highest, but none below the
/// installed one. Phased updates count as out for everyone.
pub(super) fn candidate(universe: &Universe<'_>, package: PackageId) -> Option<VersionId> {
    let entry = universe.entry(package);
    let current = entry.current.map(|id| universe.version(id).control.version);
    let mut best: Option<(u16, VersionId)> = None;
    // The highest version comes first, so that a later one must have a higher priority.
    for id in entry.versions.iter().copied() {
        let priority = priority(universe, id, entry.current == Some(id));
        let lower =
            current.is_some_and(|current| version::compare(universe.version(id).control.version, current).is_lt());
        if priority > best.map_or(0, |(best, _)| best) && !lower {
            best = Some((priority, id));
        }
    }
    best.map(|(_, id)| id)
}

fn priority(universe: &Universe<'_>, id: VersionId, is_current: bool) -> u16 {
    let of_archive = match universe.version(id).pin {
        None => 0,
        Some(Pin::NotAutomatic) => 1,
        Some(Pin::ButAutomaticUpgrades) => 100,
        Some(Pin::Normal) => 500,
    };
    if is_current { of_archive.max(100) } else { of_archive }
}
