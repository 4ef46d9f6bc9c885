//! Repairs what marking has left broken: goes from the packages that matter most to those that matter least, and for each
//! broken one changes whatever matters less.

use super::score::scores;
use super::state::{Asker, Extent, Marks, PlannedAction, When};
use super::sweep::mark_garbage;
use super::universe::clause::{Clause, RelationTarget};
use super::universe::{PackageId, Universe};

/// Rounds after which the repair gives up.
const MAX_ROUNDS: usize = 20;

/// Repairs what is broken, as far as it can. See [`Marks::problems`] for what is left.
pub(super) fn repair(marks: &mut Marks<'_, '_>) {
    if marks.broken().is_empty() {
        return;
    }
    mark_garbage(marks);
    reinstall_broken(marks);
    ClosureRepair::new(marks).run();
}

/// Installed packages that are broken now are upgraded first.
fn reinstall_broken(marks: &mut Marks<'_, '_>) {
    loop {
        let mut changed = false;
        for id in marks.universe.installed().to_vec() {
            if marks.state(id).mode != PlannedAction::Install && marks.is_broken(id) {
                marks.mark_install(id, Extent::Alone, 0, Asker::Solver);
                changed |= marks.state(id).mode == PlannedAction::Install;
            }
        }
        if !changed {
            return;
        }
    }
}

struct ClosureRepair<'m, 'u, 'a> {
    marks: &'m mut Marks<'u, 'a>,
    scores: Vec<i64>,
    /// Whether a package may still be tried for an upgrade.
    upgradable: Vec<bool>,
    /// Set if this round has changed anything.
    changed: bool,
}

/// What to do with a package when no alternative of one of its clauses could be had.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fallback {
    Remove,
    Keep,
}

/// What came of one clause.
enum Outcome<'a, 'u> {
    /// Something was changed: look at the package anew.
    Changed,
    /// Go on with the next clause; these packages would have to go for this one.
    Next(Vec<(PackageId, &'u Clause<'a>)>),
}

impl<'u, 'a> ClosureRepair<'_, 'u, 'a> {
    fn new<'m>(marks: &'m mut Marks<'u, 'a>) -> ClosureRepair<'m, 'u, 'a> {
        let scores = scores(marks);
        let upgradable = vec![true; scores.len()];
        ClosureRepair { marks, scores, upgradable, changed: false }
    }

    fn run(&mut self) {
        let mut order: Vec<PackageId> = self.marks.universe.package_ids().collect();
        order.sort_by_key(|id| std::cmp::Reverse(self.scores[id.0]));
        for round in 0..MAX_ROUNDS {
            self.changed = false;
            for id in order.iter().copied() {
                if self.marks.state(id).install.is_some() && self.marks.is_broken(id) {
                    self.investigate(id, round);
                }
            }
            if !self.changed {
                return;
            }
        }
    }

    /// Tries to mend one broken package.
    fn investigate(&mut self, id: PackageId, round: usize) {
        let universe: &'u Universe<'a> = self.marks.universe;
        let Some(version) = self.marks.state(id).install else { return };
        let mut kills = Vec::new();
        for clause in universe.clauses(version).iter().filter(|clause| clause.kind.is_critical()) {
            if self.marks.holds(id, clause, When::Then) {
                continue;
            }
            match self.mend(id, clause, round) {
                Outcome::Changed => break,
                Outcome::Next(more) => kills.extend(more),
            }
        }
        if self.marks.state(id).install.is_some() {
            for (victim, clause) in kills {
                self.changed |= self.kill(id, victim, clause, round);
            }
        }
    }

    fn mend(&mut self, id: PackageId, clause: &'u Clause<'a>, round: usize) -> Outcome<'a, 'u> {
        let in_group = clause.has_alternatives();
        let (mut kills, mut fallback) = (Vec::new(), Fallback::Remove);
        for target in &clause.alternatives {
            if self.marks.holds(id, clause, When::Then) {
                return Outcome::Next(kills);
            }
            let all = self.marks.universe.all_meeting(id, clause.kind, target);
            let hopeless = all.is_empty() && !self.marks.state(id).protected && !clause.kind.is_negative();
            if hopeless && !self.marks.is_broken_now(id) {
                if in_group {
                    continue;
                }
                self.changed = true;
                self.marks.mark_keep(id, 0, Asker::Solver);
                return Outcome::Changed;
            }
            let mut done = false;
            for version in all {
                let other = self.marks.universe.version(version).package;
                if clause.kind.is_negative() && self.marks.state(other).install != Some(version) {
                    continue;
                }
                let was_satisfied = self.marks.is_met(id, clause, target, When::Now) != clause.kind.is_negative();
                if self.scores[id.0] <= self.scores[other.0] || (!was_satisfied && !clause.kind.is_negative()) {
                    if self.marks.state(id).protected {
                        if self.upgrade(other, 0) {
                            self.scores[other.0] = self.scores[other.0].min(self.scores[id.0]);
                            break;
                        }
                        continue;
                    }
                    fallback = self.change_itself(id, other, clause, target, round, fallback);
                    (self.changed, done) = (true, true);
                    break;
                }
                if clause.kind == super::universe::clause::ClauseKind::Breaks
                    && self.marks.holds(id, clause, When::Seen)
                {
                    self.marks.mark_install(other, Extent::Alone, 0, Asker::Solver);
                    continue;
                }
                if self.marks.state(other).protected && self.marks.state(other).mode != PlannedAction::Delete {
                    continue;
                }
                kills.push((other, clause));
                if !clause.kind.is_negative() {
                    break;
                }
            }
            if hopeless {
                fallback = self.give_way(id, clause, fallback);
                (self.changed, done) = (true, true);
            }
            if done && !in_group {
                return Outcome::Changed;
            }
        }
        // Even where the last alternative was mended: apt looks at the group again only in its next round.
        if in_group && kills.is_empty() {
            match fallback {
                Fallback::Remove if self.marks.state(id).protected => {}
                Fallback::Remove => {
                    self.marks.mark_delete(id, 0);
                    self.changed = true;
                }
                Fallback::Keep => {
                    self.marks.mark_keep(id, 0, Asker::Solver);
                    self.changed = true;
                }
            }
        }
        Outcome::Next(kills)
    }

    /// Keeps the broken package back, or upgrades or removes it, or installs what it lacks.
    fn change_itself(
        &mut self,
        id: PackageId,
        other: PackageId,
        clause: &Clause<'a>,
        target: &RelationTarget<'a>,
        round: usize,
        mut fallback: Fallback,
    ) -> Fallback {
        let was_install = self.marks.state(id).mode == PlannedAction::Install;
        self.marks.mark_keep(id, 0, Asker::Solver);
        if !self.marks.is_broken(id) {
            fallback = Fallback::Keep;
            if clause.has_alternatives() && was_install {
                self.marks.mark_install(id, Extent::Alone, 0, Asker::Solver);
            }
            return fallback;
        }
        if self.upgrade(id, 0) {
            return fallback;
        }
        if !clause.has_alternatives() || self.marks.state(id).garbage {
            self.marks.mark_delete(id, 0);
            if round > 1 {
                self.scores[id.0] = self.scores[id.0].max(self.scores[other.0]);
            }
        } else if let Some(missing) = self.installable(target) {
            let before = self.marks.broken().len();
            self.marks.mark_install(missing, Extent::WithNeeds, 1, Asker::Solver);
            if self.marks.is_broken(missing) || self.marks.broken().len() > before {
                self.marks.mark_delete(missing, 1);
            }
        }
        fallback
    }

    /// The real package a target names, if it is not there and can be installed.
    fn installable(&self, target: &RelationTarget<'a>) -> Option<PackageId> {
        let packages = &self.marks.universe.group(target.name?).packages;
        let can = |id: &&PackageId| {
            let state = self.marks.state(**id);
            target.points_at(self.marks.universe.entry(**id).architecture)
                && self.marks.current(**id).is_none()
                && state.mode != PlannedAction::Delete
                && state.candidate.is_some()
        };
        packages.iter().find(can).copied()
    }

    /// Nothing can ever meet a clause of the package.
    fn give_way(&mut self, id: PackageId, clause: &Clause<'a>, fallback: Fallback) -> Fallback {
        let was_install = self.marks.state(id).mode == PlannedAction::Install;
        self.marks.mark_keep(id, 0, Asker::User);
        if !self.marks.is_broken(id) {
            if clause.has_alternatives() && was_install {
                self.marks.mark_install(id, Extent::Alone, 0, Asker::Solver);
            }
            return Fallback::Keep;
        }
        if !clause.has_alternatives() {
            self.marks.mark_delete(id, 0);
        }
        fallback
    }

    /// Takes away a package that stands in the way of one that matters more.
    fn kill(&mut self, id: PackageId, victim: PackageId, clause: &Clause<'a>, round: usize) -> bool {
        let was_fine = self.marks.holds(id, clause, When::Now);
        let done = if was_fine {
            self.marks.mark_keep(victim, 0, Asker::Solver)
        } else {
            clause.kind.is_negative() && self.marks.mark_delete(victim, 0)
        };
        let raised = (!done || round > 1) && self.scores[id.0] > self.scores[victim.0];
        if raised {
            self.scores[victim.0] = self.scores[id.0];
        }
        done || raised
    }

    /// Installs the candidate of a package if all that it needs can be upgraded as well.
    fn upgrade(&mut self, id: PackageId, depth: usize) -> bool {
        let state = *self.marks.state(id);
        let current = self.marks.current(id);
        let has_newer = state.candidate.is_some() && (current.is_none() || state.candidate != current);
        if !self.upgradable[id.0] || !has_newer || state.requested || depth > super::mark::MAX_DEPTH {
            return false;
        }
        self.upgradable[id.0] = false;
        if !self.marks.mark_install(id, Extent::Alone, 0, Asker::Solver) {
            return false;
        }
        let universe: &'u Universe<'a> = self.marks.universe;
        let Some(version) = self.marks.state(id).install else { return false };
        for clause in universe.clauses(version).iter().filter(|clause| clause.kind.is_critical()) {
            if !self.upgrade_for(id, clause, depth) {
                if state.mode == PlannedAction::Keep {
                    self.marks.mark_keep(id, 0, Asker::Solver);
                } else {
                    self.marks.mark_delete(id, 0);
                }
                return false;
            }
        }
        true
    }

    fn upgrade_for(&mut self, id: PackageId, clause: &Clause<'a>, depth: usize) -> bool {
        let mut failed = false;
        for target in &clause.alternatives {
            if self.marks.holds(id, clause, When::Then) {
                return !failed;
            }
            let Some(other) = self.smart_target(id, target) else {
                failed = true;
                continue;
            };
            if self.marks.state(other).protected {
                failed = true;
            } else if self.marks.is_met(id, clause, target, When::Seen) != clause.kind.is_negative() {
                if self.upgrade(other, depth + 1) {
                    return true;
                }
                failed = true;
            } else if clause.kind.is_negative() {
                return !failed;
            } else {
                failed = true;
            }
        }
        !failed
    }

    /// The package a target names, or, where there is none, the one that apt read last of those that provide it.
    fn smart_target(&self, owner: PackageId, target: &RelationTarget<'a>) -> Option<PackageId> {
        let universe = self.marks.universe;
        let group = universe.group(target.name?);
        let exists = |id: &PackageId| !universe.entry(*id).versions.is_empty();
        let mut real = group.packages.iter().copied().filter(exists);
        let named = real.clone().find(|id| target.points_at(universe.entry(*id).architecture));
        let providers = group.providers.iter().rev().filter(|provider| target.covers_provided(provider));
        let mut providers = providers.map(|provider| universe.version(provider.version).package);
        let covers = |id: &PackageId| {
            let entry = universe.entry(*id);
            let mut versions = entry.versions.iter().map(|id| universe.version(*id).multi_arch);
            *id != owner && versions.any(|multi_arch| target.covers(entry.architecture, multi_arch))
        };
        named.or_else(|| providers.find(|id| *id != owner)).or_else(|| real.find(covers))
    }
}
