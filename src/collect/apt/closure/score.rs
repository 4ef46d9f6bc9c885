//! How much damage it would do to change a package: the repair changes those that matter least.

use super::state::{Marks, When};
use super::universe::PackageId;
use super::universe::clause::{Clause, ClauseKind, RelationTarget};
use crate::formats::apt::packages::Priority;

/// The score of each package, by its id. The weights are apt's.
pub(super) fn scores(marks: &Marks<'_, '_>) -> Vec<i64> {
    let own = own_scores(marks);
    let mut scores = own.clone();
    inherit_from_dependents(marks, &own, &mut scores);
    pass_to_providers(marks, &own, &mut scores);
    for id in marks.universe.package_ids() {
        let entry = marks.universe.entry(id);
        scores[id.0] += if marks.state(id).requested { 10_000 } else { 0 };
        scores[id.0] += if entry.essential || entry.protected { 5_000 } else { 0 };
    }
    scores
}

/// By what a package is, and by how many others point at it.
fn own_scores(marks: &Marks<'_, '_>) -> Vec<i64> {
    let mut scores = vec![0; marks.universe.package_ids().count()];
    for id in marks.universe.package_ids() {
        let Some(install) = marks.state(id).install else { continue };
        let (entry, version) = (marks.universe.entry(id), marks.universe.version(install));
        scores[id.0] += if entry.essential || entry.protected { 100 } else { 0 };
        scores[id.0] += match version.importance {
            _ if version.index.is_none() => -2,
            Priority::Required => 3,
            Priority::Important => 2,
            Priority::Standard => 1,
            Priority::Optional => -1,
            Priority::Extra => -2,
        };
        let candidate = marks.state(id).candidate.map(|candidate| marks.universe.version(candidate));
        let is_kept_current = entry.current.is_some() && candidate.is_some_and(|version| version.index.is_some());
        scores[id.0] += i64::from(is_kept_current);
        for clause in marks.universe.clauses(install) {
            let weight = match clause.kind {
                ClauseKind::PreDepends | ClauseKind::Depends | ClauseKind::Recommends => 1,
                ClauseKind::Conflicts | ClauseKind::Breaks => -1,
                ClauseKind::Suggests => continue,
            };
            for target in &clause.alternatives {
                for other in pointed_at(marks, id, clause, target) {
                    scores[other.0] += weight;
                }
            }
        }
    }
    scores
}

/// The packages that gain or lose by a relation: those that meet it, and those it names without a version even if they
/// are not there. One with a version counts only if the named package itself meets it.
fn pointed_at<'a>(
    marks: &Marks<'_, 'a>,
    owner: PackageId,
    clause: &Clause<'a>,
    target: &RelationTarget<'a>,
) -> Vec<PackageId> {
    let package = |id| marks.universe.version(id).package;
    let mut packages: Vec<_> = marks.meeting(owner, clause, target, When::Then).into_iter().map(package).collect();
    let Some(name) = target.name else { return packages };
    let is_named = |id: &PackageId| target.names(marks.universe.entry(*id).architecture);
    let mut named = marks.universe.group(name).packages.iter().copied().filter(is_named);
    if target.relation.version.is_some() || target.except.is_some() {
        let meets = named.any(|id| packages.contains(&id));
        return if meets { packages } else { Vec::new() };
    }
    let counts = !clause.kind.is_negative() || marks.universe.entry(owner).name != name;
    packages.extend(named.filter(|id| counts && marks.state(*id).install.is_none()));
    packages
}

/// What something important depends on is important.
fn inherit_from_dependents(marks: &Marks<'_, '_>, own: &[i64], scores: &mut [i64]) {
    for id in marks.universe.package_ids().filter(|id| own[id.0] > 0) {
        let Some(install) = marks.state(id).install else { continue };
        let needs = marks.universe.clauses(install).iter();
        for clause in needs.filter(|clause| !clause.kind.is_negative() && clause.kind != ClauseKind::Suggests) {
            for target in &clause.alternatives {
                let Some(name) = target.name else { continue };
                let packages = &marks.universe.group(name).packages;
                let named = packages.iter().filter(|other| target.names(marks.universe.entry(**other).architecture));
                for other in named.filter(|other| marks.state(**other).install.is_some()) {
                    scores[other.0] += own[id.0];
                }
            }
        }
    }
}

/// What provides something important is important.
fn pass_to_providers(marks: &Marks<'_, '_>, own: &[i64], scores: &mut [i64]) {
    for group in marks.universe.groups().iter().filter(|group| !group.providers.is_empty()) {
        let gained: i64 = group.packages.iter().map(|id| (scores[id.0] - own[id.0]).abs()).sum();
        let mut providers: Vec<_> = group
            .providers
            .iter()
            .map(|provider| (marks.universe.version(provider.version).package, provider.version))
            .filter(|(package, version)| gained > 0 && marks.state(*package).install == Some(*version))
            .map(|(package, _)| package)
            .collect();
        providers.sort();
        providers.dedup();
        for provider in providers {
            scores[provider.0] += gained;
        }
    }
}
