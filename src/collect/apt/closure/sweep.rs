//! Takes back what was selected on the way to something that was given up: new packages that nothing needs, recommends or
//! suggests any more.

use std::collections::BTreeMap;

use super::state::{Asker, Extent, Marks, PlannedAction, When};
use super::universe::clause::{Clause, RelationTarget};
use super::universe::{PackageId, VersionId};
use crate::formats::apt::version;

/// Takes back garbage.
pub(super) fn sweep(marks: &mut Marks<'_, '_>) {
    mark_garbage(marks);
    let is_new = |id: &PackageId| marks.state(*id).mode == PlannedAction::Install && marks.current(*id).is_none();
    let mut removed: Vec<_> =
        marks.universe.package_ids().filter(|id| marks.state(*id).garbage).filter(is_new).collect();
    for id in &removed {
        marks.mark_delete(*id, 0);
    }
    let is_incomplete = |id| marks.is_incomplete(id);
    if removed.is_empty() || !marks.universe.package_ids().any(is_incomplete) {
        return;
    }
    // Where anything at all is incomplete, what others name comes back, whether or not they lack it.
    while let Some(place) = removed.iter().position(|id| is_missed(marks, *id)) {
        let back = removed.remove(place);
        marks.mark_install(back, Extent::Alone, 0, Asker::Solver);
    }
}

/// Sets the garbage flag of each package that is there in the end and that nothing wanted leads to.
pub(super) fn mark_garbage(marks: &mut Marks<'_, '_>) {
    let there = |id: &PackageId| marks.state(*id).install.is_some();
    let is_root = |id: &PackageId| {
        let entry = marks.universe.entry(*id);
        !marks.state(*id).auto || entry.essential || entry.protected
    };
    let mut reached = vec![false; marks.universe.package_ids().count()];
    let mut open: Vec<PackageId> = marks.universe.package_ids().filter(there).filter(is_root).collect();
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut reached[id.0], true) {
            continue;
        }
        let Some(install) = marks.state(id).install else { continue };
        let needs = marks.universe.clauses(install).iter().filter(|clause| !clause.kind.is_negative());
        for clause in needs {
            for target in &clause.alternatives {
                open.extend(useful(marks, id, clause, target));
            }
        }
    }
    for id in marks.universe.package_ids().collect::<Vec<_>>() {
        let garbage = marks.state(id).install.is_some() && !reached[id.0];
        marks.state_mut(id).garbage = garbage;
    }
}

/// The packages that meet a target; of several built from one source only those of its highest version.
fn useful<'a>(
    marks: &Marks<'_, 'a>,
    owner: PackageId,
    clause: &Clause<'a>,
    target: &RelationTarget<'a>,
) -> Vec<PackageId> {
    let mut by_source: BTreeMap<&str, Vec<VersionId>> = BTreeMap::new();
    for id in marks.meeting(owner, clause, target, When::Then) {
        by_source.entry(marks.universe.version(id).source.name).or_default().push(id);
    }
    let source_version = |id: &VersionId| marks.universe.version(*id).source.version;
    let mut packages = Vec::new();
    for versions in by_source.into_values() {
        let highest = versions.iter().map(source_version).max_by(|a, b| version::compare(a, b));
        let kept = versions.iter().filter(|id| Some(source_version(id)) == highest);
        packages.extend(kept.map(|id| marks.universe.version(*id).package));
    }
    packages
}

/// Whether something that is there names a package, or what it provides, in a clause that apt acts on.
fn is_missed(marks: &Marks<'_, '_>, id: PackageId) -> bool {
    let entry = marks.universe.entry(id);
    let Some(candidate) = marks.state(id).candidate else { return false };
    let multi_arch = marks.universe.version(candidate).multi_arch;
    let provides = |target: &RelationTarget<'_>| {
        let Some(name) = target.name else { return false };
        let mut providers = marks.universe.group(name).providers.iter();
        (name == entry.name && target.covers(entry.architecture, multi_arch))
            || providers.any(|provider| provider.version == candidate && target.covers_provided(provider))
    };
    marks.universe.package_ids().any(|other| {
        let Some(install) = marks.state(other).install else { return false };
        marks.universe.clauses(install).iter().any(|clause| {
            !clause.kind.is_negative() && marks.is_important(clause.kind) && clause.alternatives.iter().any(provides)
        })
    })
}
