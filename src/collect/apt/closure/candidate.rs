//! Candidates of packages: the versions that apt would install (apt_preferences(5)).

use super::universe::{PackageId, Universe, VersionId};
use crate::formats::apt::version;

/// The priority from which on a version is taken even if it is lower than the installed one.
const DOWNGRADES: i32 = 1000;
/// The priority of the installed version.
const INSTALLED: i32 = 100;

/// Returns the version that apt would install: the highest one of the highest priority. It is not below the installed
/// one unless its priority allows that. Phased updates count as out for everyone.
pub(super) fn of_package(universe: &Universe<'_>, package: PackageId) -> Option<VersionId> {
    let entry = universe.entry(package);
    let current = entry.current.map(|id| universe.version(id).version);
    let mut best: Option<(i32, VersionId)> = None;
    // The highest version comes first, so that a later one must have a higher priority.
    for id in entry.versions.iter().copied() {
        let priority = priority(universe, id);
        let lower = current.is_some_and(|current| version::compare(universe.version(id).version, current).is_lt());
        if priority > best.map_or(0, |(best, _)| best) && (!lower || priority >= DOWNGRADES) {
            best = Some((priority, id));
        }
    }
    best.map(|(_, id)| id)
}

fn priority(universe: &Universe<'_>, id: VersionId) -> i32 {
    let version = universe.version(id);
    if let Some((_, priority)) = version.record.as_deref().copied() {
        return priority;
    }
    let of_archives = version.priority.unwrap_or(0);
    let is_current = universe.entry(version.package).current == Some(id);
    if is_current { of_archives.max(INSTALLED) } else { of_archives }
}
