//! What a solved closure comes to: the packages to fetch, each with why.
//!
//! The reason is the strongest edge on a way back to what was asked for: a dependency before a recommendation, and that
//! before a suggestion. How the solver came to a package may have been another way, over something given up since.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::seeds::Want;
use super::state::{Marks, PlannedAction, When};
use super::universe::clause::ClauseKind;
use super::universe::{PackageId, VersionId};
use super::{PackageNeed, Pick, Reason, Solution};
use crate::error_class::Fault;
use crate::formats::apt::packages::ControlFields;

/// The packages that will be there and are not yet.
pub(super) fn solution<'a>(marks: &Marks<'_, 'a>, wanted: &[Want]) -> Result<Solution<'a>, Fault> {
    let reasons = reasons(marks, wanted);
    let mut solution = Solution::default();
    for id in marks.universe.package_ids() {
        let state = marks.state(id);
        if state.mode == PlannedAction::Delete {
            solution.removals.push(marks.universe.label(id));
        }
        let Some(version) = state.install.filter(|version| marks.current(id) != Some(*version)) else { continue };
        if let Some(source) = marks.universe.malformed(version) {
            let package = marks.universe.label(id);
            return Err(Fault::unverified(format!("a relation of {package} is malformed")).because(source.clone()));
        }
        let Some(index) = marks.universe.version(version).index else { continue };
        let reason = reasons.get(&id).cloned().unwrap_or_else(|| along_with(marks, id, version, wanted));
        solution.picks.push(Pick { stanza: marks.universe.version(version).stanza, index, reason });
    }
    solution.picks.sort_by_cached_key(|pick| {
        let control = ControlFields::new(pick.stanza).unwrap_or_default();
        (control.name, control.architecture, control.version)
    });
    solution.removals.sort();
    Ok(solution)
}

/// A package of the closure that leads to another one.
#[derive(Clone, Copy)]
struct Edge {
    need: PackageNeed,
    from: PackageId,
}

/// The graph of a closure, with a way back to a request for each package.
struct Paths {
    /// The packages that meet the relations of each package.
    needs: HashMap<PackageId, Vec<(PackageNeed, PackageId)>>,
    /// The edge that leads to each package; `None` for those that were asked for.
    parents: HashMap<PackageId, Option<Edge>>,
    /// The packages as they were reached.
    order: Vec<PackageId>,
}

/// The reasons of all packages that what was asked for leads to.
fn reasons(marks: &Marks<'_, '_>, wanted: &[Want]) -> HashMap<PackageId, Reason> {
    let asked: HashMap<PackageId, &Reason> =
        wanted.iter().map(|want| (marks.universe.version(want.version).package, &want.reason)).collect();
    let mut paths = Paths { needs: HashMap::new(), parents: HashMap::new(), order: Vec::new() };
    paths.walk(marks, wanted);
    paths.strengthen();
    let reason = |(id, edge): (&PackageId, &Option<Edge>)| match (edge, asked.get(id)) {
        (_, Some(reason)) => Some((*id, (*reason).clone())),
        (Some(edge), None) => Some((*id, Reason::Needed { need: edge.need, by: marks.universe.label(edge.from) })),
        (None, None) => None,
    };
    paths.parents.iter().filter_map(reason).collect()
}

impl Paths {
    /// Walks from what was asked for: over dependencies as far as they lead, then over recommendations, then over
    /// suggestions.
    fn walk(&mut self, marks: &Marks<'_, '_>, wanted: &[Want]) {
        let mut queues: [VecDeque<PackageId>; STRENGTHS] = Default::default();
        for want in wanted {
            let package = marks.universe.version(want.version).package;
            self.parents.insert(package, None);
            queues[0].push_back(package);
        }
        while let Some(strength) = queues.iter().position(|queue| !queue.is_empty()) {
            let Some(from) = queues[strength].pop_front() else { return };
            if let Some(weaker) = queues.get_mut(strength + 1) {
                weaker.push_back(from);
            }
            let needs = self.needs.entry(from).or_insert_with(|| needs_of(marks, from));
            for (need, to) in needs.iter().copied().filter(|(need, _)| need.strength() == strength) {
                if let Entry::Vacant(unseen) = self.parents.entry(to) {
                    unseen.insert(Some(Edge { need, from }));
                    self.order.push(to);
                    queues[0].push_back(to);
                }
            }
        }
    }

    /// Gives each package the strongest edge that leads to it on a way back to what was asked for, as `aptitude why` shows
    /// it: the walk may have come to it over a recommendation before it came to what depends on it.
    fn strengthen(&mut self) {
        let mut incoming: HashMap<PackageId, Vec<Edge>> = HashMap::new();
        for from in self.parents.iter().filter(|(_, edge)| edge.is_none()).map(|(id, _)| id).chain(&self.order) {
            for (need, to) in self.needs.get(from).into_iter().flatten() {
                incoming.entry(*to).or_default().push(Edge { need: *need, from: *from });
            }
        }
        for id in self.order.clone() {
            let Some(Some(current)) = self.parents.get(&id).copied() else { continue };
            let stronger = incoming.get(&id).into_iter().flatten();
            let stronger = stronger.filter(|edge| edge.need.strength() < current.need.strength());
            let best = stronger.filter(|edge| !self.leads_back(edge.from, id)).min_by_key(|edge| edge.need.strength());
            if let Some(best) = best.copied() {
                self.parents.insert(id, Some(best));
            }
        }
    }

    /// Returns whether the way from `from` back to a request goes through `id`.
    fn leads_back(&self, from: PackageId, id: PackageId) -> bool {
        let parent = |id: &PackageId| self.parents.get(id).copied().flatten().map(|edge| edge.from);
        std::iter::successors(Some(from), parent).any(|step| step == id)
    }
}

/// The number of strengths of a [`PackageNeed`].
const STRENGTHS: usize = 3;

impl PackageNeed {
    /// Its place among the needs, the strongest first.
    fn strength(self) -> usize {
        match self {
            Self::PreDepends | Self::Depends => 0,
            Self::Recommends => 1,
            Self::Suggests => 2,
        }
    }
}

/// Returns the packages that meet the relations of a package.
fn needs_of(marks: &Marks<'_, '_>, id: PackageId) -> Vec<(PackageNeed, PackageId)> {
    let Some(version) = marks.state(id).install else { return Vec::new() };
    let mut needs = Vec::new();
    for clause in marks.universe.clauses(version) {
        let need = match clause.kind {
            ClauseKind::PreDepends => PackageNeed::PreDepends,
            ClauseKind::Depends => PackageNeed::Depends,
            ClauseKind::Recommends => PackageNeed::Recommends,
            ClauseKind::Suggests => PackageNeed::Suggests,
            ClauseKind::Conflicts | ClauseKind::Breaks => continue,
        };
        for target in &clause.alternatives {
            let versions = marks.meeting(id, clause, target, When::Then);
            needs.extend(versions.into_iter().map(|version| (need, marks.universe.version(version).package)));
        }
    }
    needs
}

/// An installed package that nothing asked for leads to: it changes because it is of one source with something that
/// does, or stands in the way of it.
fn along_with(marks: &Marks<'_, '_>, id: PackageId, version: VersionId, wanted: &[Want]) -> Reason {
    let source = marks.universe.version(version).source.name;
    let changes = |other: &PackageId| {
        let state = marks.state(*other);
        *other != id && state.mode == PlannedAction::Install
    };
    let of_source = |other: &PackageId| {
        let install = marks.state(*other).install;
        install.is_some_and(|install| marks.universe.version(install).source.name == source)
    };
    let excludes = |other: &PackageId| {
        let clauses = marks.state(*other).install.map(|install| marks.universe.clauses(install)).unwrap_or_default();
        let negative = clauses.iter().filter(|clause| clause.kind.is_negative());
        negative
            .flat_map(|clause| &clause.alternatives)
            .any(|target| target.name == Some(marks.universe.entry(id).name))
    };
    let mut others = marks.universe.package_ids().filter(changes);
    let other = others.clone().find(excludes).or_else(|| others.find(of_source));
    let other = other.or_else(|| wanted.first().map(|want| marks.universe.version(want.version).package));
    Reason::UpgradedWith(other.map(|other| marks.universe.label(other)).unwrap_or_default())
}
