//! What has to give way when a package is installed: what it excludes, and what depends on the version it replaces.

use super::state::{Asker, Extent, Marks, PlannedAction, Standing, When};
use super::universe::clause::Clause;
use super::universe::{PackageId, VersionId};

/// What has to change with a package.
#[derive(Default)]
pub(super) struct Changes {
    /// Upgraded, or removed where that cannot be.
    pub(super) upgrade: Vec<PackageId>,
    /// Removed when all else has worked.
    pub(super) remove: Vec<PackageId>,
    /// Something could not give way.
    pub(super) failed: bool,
}

impl<'a> Marks<'_, 'a> {
    /// Makes everything give way that `excludes` names; nothing where that fails and the package was not asked for.
    pub(super) fn make_room(
        &mut self,
        package: PackageId,
        excludes: &[&Clause<'a>],
        depth: usize,
        standing: Standing,
    ) -> Option<Changes> {
        let mut changes = Changes::default();
        let mut bad_candidates = Vec::new();
        for clause in excludes {
            changes.failed |=
                !self.exclude_candidates(package, clause, depth, standing, &mut changes, &mut bad_candidates);
            if changes.failed && !standing.is_stubborn() {
                return None;
            }
            changes.failed |= !self.exclude_installed(package, clause, depth, standing, &mut changes, &bad_candidates);
            if changes.failed && !standing.is_stubborn() {
                return None;
            }
        }
        Some(changes)
    }

    fn exclude_candidates(
        &mut self,
        package: PackageId,
        clause: &Clause<'a>,
        depth: usize,
        standing: Standing,
        changes: &mut Changes,
        bad_candidates: &mut Vec<PackageId>,
    ) -> bool {
        let mut worked = true;
        for version in self.solutions(package, clause, When::Possible) {
            let other = self.universe.version(version).package;
            if self.state(other).candidate != Some(version) {
                continue;
            }
            if self.current(other) == Some(version) {
                worked &= self.remove_instead(other, depth, standing, changes);
            } else if self.state(other).mode == PlannedAction::Install && !self.mark_keep(other, depth, Asker::Solver) {
                worked = false;
            } else if standing.was_protected {
                let state = self.state_mut(other);
                state.candidate = state.install;
                if self.current(other).is_none() {
                    self.state_mut(other).protected = true;
                }
            } else {
                bad_candidates.push(other);
            }
            if !worked && !standing.is_stubborn() {
                break;
            }
        }
        worked
    }

    fn exclude_installed(
        &mut self,
        package: PackageId,
        clause: &Clause<'a>,
        depth: usize,
        standing: Standing,
        changes: &mut Changes,
        bad_candidates: &[PackageId],
    ) -> bool {
        let mut worked = true;
        for version in self.solutions(package, clause, When::Now) {
            let other = self.universe.version(version).package;
            let candidate = self.state(other).candidate;
            if candidate.is_some() && candidate != Some(version) && !bad_candidates.contains(&other) {
                changes.upgrade.push(other);
            } else if candidate != self.current(other) && !self.remove_instead(other, depth, standing, changes) {
                worked = false;
                if !standing.is_stubborn() {
                    break;
                }
            }
        }
        worked
    }

    /// Removes what cannot be upgraded out of the way: at once for a protected package, or else when all else has worked.
    fn remove_instead(&mut self, other: PackageId, depth: usize, standing: Standing, changes: &mut Changes) -> bool {
        let deleted = self.state(other).mode == PlannedAction::Delete;
        if !standing.was_protected {
            if deleted {
                return true;
            }
            let may = self.may_change(other, PlannedAction::Delete, depth, Asker::Solver) && self.may_delete(other);
            if may {
                changes.remove.push(other);
            }
            return may;
        }
        if !deleted && !self.mark_delete(other, depth + 1) {
            return false;
        }
        let state = self.state_mut(other);
        state.candidate = state.install;
        state.protected = true;
        true
    }

    /// Adds the installed packages that depend on the installed version of a package and not on its candidate.
    pub(super) fn collect_reverse(&self, package: PackageId, candidate: VersionId, upgrade: &mut Vec<PackageId>) {
        let Some(current) = self.current(package).filter(|current| *current != candidate) else { return };
        for other in self.universe.installed().iter().copied() {
            let Some(version) = self.current(other) else { continue };
            if self.state(other).mode == PlannedAction::Install || upgrade.contains(&other) {
                continue;
            }
            let needs = self.universe.clauses(version).iter();
            let mut needs = needs.filter(|clause| self.is_important(clause.kind) && !clause.kind.is_negative());
            if needs.any(|clause| self.is_lost(package, clause, current, candidate)) {
                upgrade.push(other);
            }
        }
    }

    /// Whether a clause names `package`, is met by its current version and is not by its candidate.
    fn is_lost(&self, package: PackageId, clause: &Clause<'a>, current: VersionId, candidate: VersionId) -> bool {
        let name = self.universe.entry(package).name;
        let version = |id| self.universe.version(id).version;
        clause.alternatives.iter().any(|target| {
            target.name == Some(name) && target.admits(version(current)) && !target.admits(version(candidate))
        })
    }

    /// Upgrades what is in the way of a package; what cannot be upgraded is removed.
    pub(super) fn upgrade_or_remove(&mut self, upgrade: &[PackageId], depth: usize, standing: Standing) -> bool {
        let mut worked = true;
        for other in upgrade.iter().copied() {
            let is_upgraded = self.state(other).mode == PlannedAction::Install
                || self.mark_install(other, Extent::WithNeeds, depth + 1, Asker::Solver);
            if is_upgraded {
                continue;
            }
            if !self.mark_delete(other, depth + 1) {
                worked = false;
                if !standing.is_stubborn() {
                    break;
                }
            } else if standing.was_protected {
                self.state_mut(other).protected = true;
            }
        }
        worked
    }

    /// Installed packages built from the same source go along to the same version.
    pub(super) fn upgrade_same_source(&mut self, package: PackageId, candidate: VersionId, depth: usize) {
        let source = self.universe.version(candidate).source;
        let mut along: Vec<PackageId> = Vec::new();
        for other in self.universe.installed().iter().copied() {
            let (Some(current), Some(newer)) = (self.current(other), self.state(other).candidate) else { continue };
            let goes = other != package
                && current != newer
                && self.universe.version(newer).source == source
                && !(self.state(other).mode == PlannedAction::Install && self.state(other).install == Some(newer));
            if goes {
                along.push(other);
            }
        }
        if along.len() > 1 {
            along.sort_by_key(|other| self.universe.mention(*other));
        }
        for extent in [Extent::Alone, Extent::WithNeeds] {
            for other in along.iter().copied() {
                self.mark_install(other, extent, depth + 1, Asker::Solver);
            }
        }
    }
}
