//! What a solved closure comes to: the packages to fetch, each with why.
//!
//! The reason is the shortest way from what was asked for, over dependencies before recommendations; how the solver came
//! to a package may have been another way, over something given up since.

use std::collections::{HashMap, VecDeque};

use super::clause::Kind;
use super::seeds::Want;
use super::state::{Marks, Mode, When};
use super::universe::{PackageId, VersionId};
use super::{ClosureError, Need, Pick, Reason, Solution};

/// The packages that will be there and are not yet.
pub(super) fn solution<'a>(marks: &Marks<'_, 'a>, wanted: &[Want]) -> Result<Solution<'a>, ClosureError> {
    let reasons = reasons(marks, wanted);
    let mut solution = Solution::default();
    for id in marks.universe.package_ids() {
        let state = marks.state(id);
        if state.mode == Mode::Delete {
            solution.removals.push(marks.universe.label(id));
        }
        let Some(version) = state.install.filter(|version| marks.current(id) != Some(*version)) else { continue };
        if let Some(source) = marks.universe.malformed(version) {
            return Err(ClosureError::Relation { package: marks.universe.label(id), source: source.clone() });
        }
        let Some(available) = marks.universe.version(version).source else { continue };
        let reason = reasons.get(&id).cloned().unwrap_or_else(|| along_with(marks, id, version, wanted));
        let package = available.package(marks.universe.version(version).control);
        solution.picks.push(Pick { package, index: available.index, reason });
    }
    let key = |pick: &Pick<'a>| {
        let control = pick.package.control;
        (control.name, control.architecture, control.version)
    };
    solution.picks.sort_by(|a, b| key(a).cmp(&key(b)));
    solution.removals.sort();
    Ok(solution)
}

/// Walks from what was asked for over what each package needs.
fn reasons(marks: &Marks<'_, '_>, wanted: &[Want]) -> HashMap<PackageId, Reason> {
    let mut reasons = HashMap::new();
    let (mut firm, mut soft) = (VecDeque::new(), VecDeque::new());
    for want in wanted {
        let package = marks.universe.version(want.version).package;
        reasons.insert(package, want.reason.clone());
        firm.push_back(package);
    }
    loop {
        let (id, is_firm) = match (firm.pop_front(), soft.is_empty()) {
            (Some(id), _) => (id, true),
            (None, false) => (soft.pop_front().unwrap_or(PackageId(0)), false),
            (None, true) => return reasons,
        };
        if is_firm {
            soft.push_back(id);
        }
        for (need, other) in needed(marks, id, is_firm) {
            reasons.entry(other).or_insert_with(|| {
                firm.push_back(other);
                Reason::Needed { need, by: marks.universe.label(id) }
            });
        }
    }
}

/// What meets the dependencies of a package, or else its recommendations.
fn needed(marks: &Marks<'_, '_>, id: PackageId, firm: bool) -> Vec<(Need, PackageId)> {
    let Some(version) = marks.state(id).install else { return Vec::new() };
    let mut needed = Vec::new();
    for clause in marks.universe.clauses(version) {
        let need = match clause.kind {
            Kind::PreDepends if firm => Need::PreDepends,
            Kind::Depends if firm => Need::Depends,
            Kind::Recommends if !firm => Need::Recommends,
            Kind::Suggests if !firm => Need::Suggests,
            _ => continue,
        };
        for target in &clause.alternatives {
            let versions = marks.meeting(id, clause, target, When::Then);
            needed.extend(versions.into_iter().map(|version| (need, marks.universe.version(version).package)));
        }
    }
    needed
}

/// An installed package that nothing asked for leads to: it changes because it is of one source with something that
/// does, or stands in the way of it.
fn along_with(marks: &Marks<'_, '_>, id: PackageId, version: VersionId, wanted: &[Want]) -> Reason {
    let source = marks.universe.version(version).control.source;
    let changes = |other: &PackageId| {
        let state = marks.state(*other);
        *other != id && state.mode == Mode::Install
    };
    let of_source = |other: &PackageId| {
        let install = marks.state(*other).install;
        install.is_some_and(|install| marks.universe.version(install).control.source == source)
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
