//! Selects packages and, one by one, what they need: the first solution of each clause that can be installed, with all
//! that it needs in turn. What fails on the way is given up and the next solution tried.

use super::state::{Asker, Extent, Marks, PlannedAction, Standing, When};
use super::universe::clause::{Clause, ClauseKind};
use super::universe::{PackageId, Universe, VersionId};
use crate::formats::apt::packages::MultiArch;

/// Deepest chain of dependencies that is followed; real ones stay below 200.
pub(super) const MAX_DEPTH: usize = 3000;

impl<'u, 'a> Marks<'u, 'a> {
    /// Asks for a version: it will be installed and nothing may take it away.
    pub(super) fn request(&mut self, version: VersionId) {
        let package = self.universe.version(version).package;
        self.set_candidate(package, Some(version));
        let state = self.state_mut(package);
        state.requested = true;
        state.protected = true;
        self.mark_install(package, Extent::Alone, 0, Asker::User);
    }

    /// Selects what the requested packages need, after all of them have been selected themselves.
    pub(super) fn request_dependencies(&mut self, packages: impl Iterator<Item = PackageId>) {
        for package in packages {
            self.mark_install(package, Extent::WithNeeds, 0, Asker::User);
        }
    }

    /// Makes another version the candidate.
    pub(super) fn set_candidate(&mut self, package: PackageId, version: Option<VersionId>) {
        let state = self.state_mut(package);
        if state.candidate == state.install && state.mode == PlannedAction::Install {
            state.install = version;
        }
        state.candidate = version;
        state.seen = version;
    }

    /// Whether a package may change to `mode`.
    pub(super) fn may_change(&self, package: PackageId, mode: PlannedAction, depth: usize, by: Asker) -> bool {
        if depth > MAX_DEPTH {
            return false;
        }
        let (entry, state) = (self.universe.entry(package), self.state(package));
        if by == Asker::User || state.mode == mode {
            return true;
        }
        let needed = mode == PlannedAction::Delete && (entry.essential || entry.protected);
        let held = mode != PlannedAction::Keep && entry.hold;
        !(state.protected || held || needed)
    }

    /// Leaves a package as it is on the target.
    pub(super) fn mark_keep(&mut self, package: PackageId, depth: usize, by: Asker) -> bool {
        if !self.may_change(package, PlannedAction::Keep, depth, by) {
            return false;
        }
        let current = self.current(package);
        let state = self.state_mut(package);
        if state.mode != PlannedAction::Keep {
            state.mode = PlannedAction::Keep;
            state.install = current;
            state.seen = state.candidate;
        }
        true
    }

    /// Removes a package, or takes back that it would be installed.
    pub(super) fn mark_delete(&mut self, package: PackageId, depth: usize) -> bool {
        if !self.may_change(package, PlannedAction::Delete, depth, Asker::Solver) {
            return false;
        }
        let is_new = self.current(package).is_none();
        if self.state(package).mode == PlannedAction::Delete || self.state(package).install.is_none() {
            return true;
        }
        if !self.may_delete(package) {
            return false;
        }
        let state = self.state_mut(package);
        state.mode = if is_new { PlannedAction::Keep } else { PlannedAction::Delete };
        state.install = None;
        state.seen = state.candidate;
        true
    }

    /// What was asked for is not taken back.
    pub(super) fn may_delete(&self, package: PackageId) -> bool {
        let state = self.state(package);
        !(self.current(package).is_none() && state.install.is_some() && !state.auto)
    }

    /// Selects the candidate of a package, to this extent. Tells whether that worked.
    pub(super) fn mark_install(&mut self, package: PackageId, extent: Extent, depth: usize, by: Asker) -> bool {
        let current = self.current(package);
        let state = *self.state(package);
        let only_protects =
            state.protected && state.mode == PlannedAction::Keep && current.is_some() && state.candidate == current;
        if !only_protects && !self.may_change(package, PlannedAction::Install, depth, by) {
            return false;
        }
        let Some(candidate) = state.candidate else { return false };
        if !state.protected && !self.is_incomplete(package) {
            if Some(candidate) == current {
                return state.install.is_some() || self.mark_keep(package, depth + 1, by);
            }
            if state.mode == PlannedAction::Install {
                return true;
            }
        }
        if !self.may_install(package, candidate, extent, by) {
            return false;
        }
        if by == Asker::User || extent == Extent::Alone {
            self.select(package, by);
        }
        extent == Extent::Alone || self.install_with_needs(package, candidate, depth, by)
    }

    fn install_with_needs(&mut self, package: PackageId, candidate: VersionId, depth: usize, by: Asker) -> bool {
        let standing = Standing { was_protected: self.state(package).protected, by };
        let (needs, excludes) = self.open_clauses(package, candidate);
        let Some(mut changes) = self.make_room(package, &excludes, depth, standing) else { return false };
        let mut failed = changes.failed;
        self.collect_reverse(package, candidate, &mut changes.upgrade);
        if by == Asker::Solver {
            self.select(package, by);
        }
        self.state_mut(package).protected = true;
        failed |= !self.finish_install(package, candidate, &needs, &changes, depth, standing);
        self.state_mut(package).protected = standing.was_protected;
        if failed && !standing.is_stubborn() {
            self.give_up(package);
        }
        !failed
    }

    /// The part of an installation during which the package itself is protected.
    fn finish_install(
        &mut self,
        package: PackageId,
        candidate: VersionId,
        needs: &[&Clause<'a>],
        changes: &super::conflicts::Changes,
        depth: usize,
        standing: Standing,
    ) -> bool {
        let stubborn = standing.is_stubborn();
        self.upgrade_same_source(package, candidate, depth);
        let mut worked = self.upgrade_or_remove(&changes.upgrade, depth, standing);
        if !worked && !stubborn {
            return false;
        }
        worked &= self.install_needs(package, needs, depth, standing);
        if !worked && !stubborn {
            return false;
        }
        for removed in &changes.remove {
            worked &= self.mark_delete(*removed, depth);
            if !worked && !stubborn {
                return false;
            }
        }
        worked
    }

    /// The clauses of a version that are to be acted on: those that do not hold, or all if it is protected. First what it
    /// needs, then what it excludes.
    fn open_clauses(&self, package: PackageId, version: VersionId) -> (Vec<&'u Clause<'a>>, Vec<&'u Clause<'a>>) {
        let all = self.state(package).protected;
        let universe: &'u Universe<'a> = self.universe;
        let clauses = universe.clauses(version).iter();
        let open = clauses
            .filter(|clause| self.is_important(clause.kind) && (all || !self.holds(package, clause, When::Then)));
        open.partition(|clause| !clause.kind.is_negative())
    }

    fn select(&mut self, package: PackageId, by: Asker) {
        let current = self.current(package);
        let state = self.state_mut(package);
        if state.protected && state.install.is_some() && state.install == state.candidate {
            return;
        }
        state.mode = if state.candidate == current { PlannedAction::Keep } else { PlannedAction::Install };
        state.install = state.candidate;
        state.seen = state.candidate;
        if current.is_none() {
            state.auto = by == Asker::Solver;
        }
    }

    fn give_up(&mut self, package: PackageId) {
        let current = self.current(package);
        let state = self.state_mut(package);
        if !(state.mode == PlannedAction::Keep && state.install == state.candidate && state.candidate == current) {
            state.mode = PlannedAction::Keep;
            state.install = current;
            state.seen = state.candidate;
            state.candidate = current;
        }
    }

    fn may_install(&mut self, package: PackageId, candidate: VersionId, extent: Extent, by: Asker) -> bool {
        if by == Asker::Solver && !self.is_in_step(package, candidate) {
            return false;
        }
        if extent == Extent::Alone || Some(candidate) == self.current(package) || self.is_possible(package, candidate) {
            return true;
        }
        // What cannot be had at all is no candidate, so that nothing tries again.
        if !self.state(package).protected {
            match self.current(package) {
                None => self.state_mut(package).candidate = None,
                current => self.set_candidate(package, current),
            }
            let state = self.state_mut(package);
            if state.mode != PlannedAction::Delete {
                state.mode = PlannedAction::Keep;
            }
        }
        false
    }

    /// Whether each thing that a version needs is there or is some candidate.
    fn is_possible(&self, package: PackageId, candidate: VersionId) -> bool {
        let mut needs = self.universe.clauses(candidate).iter();
        needs.all(|clause| {
            clause.kind.is_negative()
                || !clause.kind.is_critical()
                || self.holds(package, clause, When::Then)
                || self.holds(package, clause, When::Seen)
        })
    }

    /// Whether all architectures of a `Multi-Arch: same` package that the target has can be of one version.
    fn is_in_step(&self, package: PackageId, candidate: VersionId) -> bool {
        let state = self.state(package);
        let wanted = self.universe.version(candidate);
        if (state.mode == PlannedAction::Install && state.install == state.candidate)
            || Some(candidate) == self.current(package)
            || wanted.multi_arch != MultiArch::Same
        {
            return true;
        }
        let group = self.universe.group(self.universe.entry(package).name);
        let mut siblings = group.packages.iter().filter(|other| **other != package && self.current(**other).is_some());
        siblings.all(|other| {
            let Some(version) = self.state(*other).candidate.map(|id| self.universe.version(id)) else { return true };
            version.version == wanted.version || version.multi_arch != MultiArch::Same || version.index.is_none()
        })
    }

    fn install_needs(&mut self, package: PackageId, needs: &[&Clause<'a>], depth: usize, standing: Standing) -> bool {
        let mut worked = true;
        for clause in needs.iter().copied() {
            let critical = clause.kind.is_critical();
            if self.holds(package, clause, When::Then) {
                if standing.was_protected && critical {
                    worked &= self.protect_only_solution(package, clause, depth);
                }
                continue;
            }
            if !critical && self.current(package).is_some() && !self.is_news(package, clause) {
                continue;
            }
            if !self.install_first(package, clause, depth, standing) && critical {
                worked = false;
                if !standing.is_stubborn() {
                    break;
                }
            }
        }
        worked
    }

    /// Where a protected package has only one way to have what it needs, that is protected too.
    fn protect_only_solution(&mut self, package: PackageId, clause: &Clause<'a>, depth: usize) -> bool {
        let [only] = self.count_solutions(package, clause)[..] else { return true };
        let other = self.universe.version(only).package;
        if self.state(other).protected {
            return true;
        }
        self.state_mut(other).protected = true;
        self.mark_install(other, Extent::WithNeeds, depth + 1, Asker::Solver)
    }

    fn install_first(&mut self, package: PackageId, clause: &Clause<'a>, depth: usize, standing: Standing) -> bool {
        let solutions = self.solutions(package, clause, When::Possible);
        let protects = standing.was_protected && clause.kind.is_critical() && solutions.len() == 1;
        for version in solutions {
            let other = self.universe.version(version).package;
            if self.state(other).candidate != Some(version) {
                continue;
            }
            if protects {
                if !self.mark_install(other, Extent::Alone, depth + 1, Asker::Solver) {
                    continue;
                }
                self.state_mut(other).protected = true;
            }
            if self.mark_install(other, Extent::WithNeeds, depth + 1, Asker::Solver) {
                return true;
            }
        }
        false
    }

    /// Whether something that the installed version of a package recommends is to be followed now that it is upgraded: it
    /// was not recommended before, or was there.
    fn is_news(&self, package: PackageId, clause: &Clause<'a>) -> bool {
        let (Some(current), Some(wanted)) = (self.current(package), clause.alternatives.first()) else { return true };
        let same = |old: &&Clause<'a>| {
            let mut targets = old.alternatives.iter();
            old.kind == ClauseKind::Recommends
                && targets.any(|target| (target.name, target.architecture) == (wanted.name, wanted.architecture))
        };
        let mut old = self.universe.clauses(current).iter().filter(same).peekable();
        old.peek().is_none() || old.any(|clause| self.holds(package, clause, When::Now))
    }
}
