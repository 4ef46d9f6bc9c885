//! The state of every package while a closure is solved, and what holds in it.

use super::universe::clause::{Clause, ClauseKind, RelationTarget};
use super::universe::{PackageId, Universe, VersionId};
use super::{ClosureRequest, candidate};

use crate::formats::apt::packages::MultiArch;

/// What is to happen to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlannedAction {
    Keep,
    Install,
    Delete,
}

/// The origin of a change to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// The request names it.
    User,
    /// Another package needs the change.
    Solver,
}

/// The packages that one selection covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The package alone.
    Alone,
    /// The package, and all that it needs in turn.
    WithNeeds,
}

/// The weight of a package that is being installed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Set if it was protected before.
    pub(super) was_protected: bool,
    pub(super) by: Asker,
}

impl Standing {
    /// Returns whether it stays selected whatever fails. Anything else is given up at the first failure.
    pub(super) fn is_stubborn(self) -> bool {
        self.was_protected || self.by == Asker::User
    }
}

/// The state of one package.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackageState {
    pub(super) mode: PlannedAction,
    /// The version that will be there in the end.
    pub(super) install: Option<VersionId>,
    /// The version that can be installed.
    pub(super) candidate: Option<VersionId>,
    /// The candidate as dependencies see it: apt tells them of a lost candidate only when the package changes.
    pub(super) seen: Option<VersionId>,
    /// Not to be changed any more, except by request.
    pub(super) protected: bool,
    /// Not asked for.
    pub(super) auto: bool,
    /// Asked for.
    pub(super) requested: bool,
    /// Nothing needs it.
    pub(super) garbage: bool,
}

/// In which state of the packages a relation is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// As the target is now.
    Now,
    /// As it will be.
    Then,
    /// If all candidates were installed.
    Possible,
    /// As [`When::Possible`], by what dependencies see.
    Seen,
}

/// The states of all packages.
pub(super) struct Marks<'u, 'a> {
    pub(super) universe: &'u Universe<'a>,
    pub(super) recommends: bool,
    states: Vec<PackageState>,
}

impl<'u, 'a> Marks<'u, 'a> {
    /// Everything stays as it is.
    pub(super) fn new(universe: &'u Universe<'a>, request: &ClosureRequest<'a>) -> Self {
        let state = |id, candidate| PackageState {
            mode: PlannedAction::Keep,
            install: universe.entry(id).current,
            candidate,
            seen: candidate,
            protected: false,
            auto: false,
            requested: false,
            garbage: false,
        };
        let states = universe.package_ids().map(|id| state(id, candidate::of_package(universe, id))).collect();
        Self { universe, recommends: request.recommends, states }
    }

    pub(super) fn state(&self, id: PackageId) -> &PackageState {
        &self.states[id.0]
    }

    pub(super) fn state_mut(&mut self, id: PackageId) -> &mut PackageState {
        &mut self.states[id.0]
    }

    pub(super) fn current(&self, id: PackageId) -> Option<VersionId> {
        self.universe.entry(id).current
    }

    /// The version of a package in a state.
    pub(super) fn version_when(&self, id: PackageId, when: When) -> Option<VersionId> {
        match when {
            When::Now => self.current(id),
            When::Then => self.state(id).install,
            When::Possible => self.state(id).candidate,
            When::Seen => self.state(id).seen,
        }
    }

    /// The versions that meet a target in a state: the real packages, then those that provide it.
    pub(super) fn meeting(
        &self,
        owner: PackageId,
        clause: &Clause<'a>,
        target: &RelationTarget<'a>,
        when: When,
    ) -> Vec<VersionId> {
        let mut found = Vec::new();
        self.each_meeting(owner, clause.kind, target, when, |version| {
            found.push(version);
            false
        });
        found
    }

    /// Whether some version meets a target in a state.
    pub(super) fn is_met(
        &self,
        owner: PackageId,
        clause: &Clause<'a>,
        target: &RelationTarget<'a>,
        when: When,
    ) -> bool {
        self.each_meeting(owner, clause.kind, target, when, |_| true)
    }

    /// Calls `enough` for each version that meets `target`, until it says so; tells whether it did.
    fn each_meeting(
        &self,
        owner: PackageId,
        kind: ClauseKind,
        target: &RelationTarget<'a>,
        when: When,
        mut enough: impl FnMut(VersionId) -> bool,
    ) -> bool {
        let Some(name) = target.name else { return false };
        let group = self.universe.group(name);
        let own_group = self.universe.entry(owner).name == name;
        let own_multi_arch_same = || {
            let version = self.state(owner).install.or(self.state(owner).candidate);
            version.is_some_and(|id| self.universe.version(id).multi_arch == MultiArch::Same)
        };
        for package in group.packages.iter().copied() {
            // Nothing excludes itself, nor its own name if that can be installed for several architectures.
            if kind.is_negative() && own_group && (package == owner || (!target.implicit && own_multi_arch_same())) {
                continue;
            }
            let Some(version) = self.version_when(package, when) else { continue };
            let known = self.universe.version(version);
            let covered = target.covers(self.universe.entry(package).architecture, known.multi_arch);
            if covered && target.admits(known.version) && enough(version) {
                return true;
            }
        }
        if kind.is_negative() && target.implicit {
            return false;
        }
        for provider in &group.providers {
            let package = self.universe.version(provider.version).package;
            if kind.is_negative() && self.universe.entry(package).name == self.universe.entry(owner).name {
                continue;
            }
            if self.version_when(package, when) == Some(provider.version)
                && target.covers_provided(provider)
                && target.admits_provided(provider.provided)
                && enough(provider.version)
            {
                return true;
            }
        }
        false
    }

    /// Whether a clause holds: one alternative is met, or, of one that excludes, none.
    pub(super) fn holds(&self, owner: PackageId, clause: &Clause<'a>, when: When) -> bool {
        let met = clause.alternatives.iter().any(|target| self.is_met(owner, clause, target, when));
        met != clause.kind.is_negative()
    }

    /// Whether apt acts on this kind of clause.
    pub(super) fn is_important(&self, kind: ClauseKind) -> bool {
        kind.is_critical() || (kind == ClauseKind::Recommends && self.recommends)
    }

    /// Whether a package that will be there lacks something it depends on, or clashes with something.
    pub(super) fn is_broken(&self, id: PackageId) -> bool {
        self.lacks(id, When::Then, ClauseKind::is_critical)
    }

    /// Whether a package is broken on the target now.
    pub(super) fn is_broken_now(&self, id: PackageId) -> bool {
        self.lacks(id, When::Now, ClauseKind::is_critical)
    }

    /// Whether a package is broken or lacks what it recommends.
    pub(super) fn is_incomplete(&self, id: PackageId) -> bool {
        self.lacks(id, When::Then, |kind| self.is_important(kind))
    }

    fn lacks(&self, id: PackageId, when: When, counts: impl Fn(ClauseKind) -> bool) -> bool {
        let Some(version) = self.version_when(id, when) else { return false };
        let clauses = self.universe.clauses(version);
        clauses.iter().any(|clause| counts(clause.kind) && !self.holds(id, clause, when))
    }

    /// The packages that will be there and are broken.
    pub(super) fn broken(&self) -> Vec<PackageId> {
        self.universe.package_ids().filter(|id| self.is_broken(*id)).collect()
    }

    /// Lists the relations that would be broken.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for id in self.broken() {
            let Some(version) = self.state(id).install else { continue };
            let clauses = self.universe.clauses(version).iter();
            let broken = clauses.filter(|clause| clause.kind.is_critical() && !self.holds(id, clause, When::Then));
            problems.extend(broken.map(|clause| self.problem(id, clause)));
        }
        problems
    }

    /// One relation that does not hold, in words.
    fn problem(&self, id: PackageId, clause: &Clause<'a>) -> String {
        let verb = match clause.kind {
            ClauseKind::PreDepends | ClauseKind::Depends => "depends on",
            ClauseKind::Conflicts => "conflicts with",
            ClauseKind::Breaks => "breaks",
            ClauseKind::Recommends => "recommends",
            ClauseKind::Suggests => "suggests",
        };
        let alternatives: Vec<_> = clause.alternatives.iter().map(|target| target.relation.to_string()).collect();
        let remark = if clause.kind.is_negative() {
            "which is needed too"
        } else if clause.alternatives.iter().all(|target| target.name.is_none()) {
            "which no index has"
        } else {
            "which cannot be installed with the rest"
        };
        format!("{} {verb} {}, {remark}", self.universe.label(id), alternatives.join(" | "))
    }
}
