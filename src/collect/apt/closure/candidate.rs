//! Candidates of packages: the versions that apt would install (apt_preferences(5)).

use super::state::{Marks, When};
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
    let current = entry.current.map(|id| universe.version(id).control.version);
    let mut best: Option<(i32, VersionId)> = None;
    // The highest version comes first, so that a later one must have a higher priority.
    for id in entry.versions.iter().copied() {
        let priority = priority(universe, id);
        let lower =
            current.is_some_and(|current| version::compare(universe.version(id).control.version, current).is_lt());
        if priority > best.map_or(0, |(best, _)| best) && (!lower || priority >= DOWNGRADES) {
            best = Some((priority, id));
        }
    }
    best.map(|(_, id)| id)
}

fn priority(universe: &Universe<'_>, id: VersionId) -> i32 {
    let version = universe.version(id);
    if let Some((_, priority)) = version.record {
        return priority;
    }
    let of_archives = version.priority.unwrap_or(0);
    let is_current = universe.entry(version.package).current == Some(id);
    if is_current { of_archives.max(INSTALLED) } else { of_archives }
}

impl<'u, 'a> Marks<'u, 'a> {
    /// Changes candidates so that what `version` needs can come from the suite that `is_of_suite` tells.
    ///
    /// As in apt, a package asked for from one suite takes along what it needs from there: if no candidate meets a
    /// versioned dependency and the suite's version does, that becomes the candidate.
    pub(super) fn follow_suite(&mut self, version: VersionId, is_of_suite: &dyn Fn(VersionId) -> bool) {
        let universe: &'u Universe<'a> = self.universe;
        let mut open = vec![version];
        while let Some(version) = open.pop() {
            let owner = universe.version(version).package;
            for clause in universe.clauses(version) {
                let met = self.holds(owner, clause, When::Now) || self.holds(owner, clause, When::Possible);
                if met || clause.kind.is_negative() || !self.is_important(clause.kind) {
                    continue;
                }
                let better = clause.alternatives.iter().find_map(|target| {
                    let versions = universe.all_meeting(owner, clause.kind, target);
                    versions.into_iter().find(|id| is_of_suite(*id))
                });
                if let Some(better) = better {
                    self.set_candidate(universe.version(better).package, Some(better));
                    open.push(better);
                }
            }
        }
    }
}
