//! What is asked for, as versions: names, priorities and tasks.

use super::state::{Marks, When};
use super::universe::{NameGroup, PackageId, Universe, VersionId};
use super::{AbsentSeeds, ClosureRequest, Reason, UnusableEntry, candidate};
use crate::error_class::Fault;
use crate::formats::apt::packages::Priority;
use crate::formats::apt::seed::Seed;

/// A version that is asked for.
pub(super) struct Want {
    pub(super) version: VersionId,
    pub(super) reason: Reason,
    /// The suite it was asked for from, from which comes what it needs.
    pub(super) suite: Option<String>,
}

/// How alike a name must be to be suggested, from 0 to 1.
const ALIKE: f64 = 0.88;

/// All that `request` asks for, each package once.
pub(super) fn wanted(universe: &Universe<'_>, request: &ClosureRequest<'_>) -> Result<Vec<Want>, Fault> {
    let mut wanted = Vec::new();
    let refuse = |absent: Fault| if request.absent == AbsentSeeds::LeaveOut { Ok(()) } else { Err(absent) };
    for seed in &request.seeds {
        match (by_name(universe, request, seed), unusable(universe, seed)) {
            (Ok(version), _) => wanted.push(Want { version, reason: Reason::Requested, suite: seed.suite.clone() }),
            // This says more than that there is none.
            (Err(_), Some(entry)) => {
                return Err(Fault::unverified(format!("cannot carry {seed}")).because(entry.error.clone()));
            }
            (Err(absent), None) => refuse(absent)?,
        }
    }
    for priority in &request.priorities {
        let found = by_priority(universe, *priority);
        if found.is_empty() {
            refuse(Fault::usage(format!("no package has priority {priority}")))?;
        }
        wanted.extend(found);
    }
    for task in &request.tasks {
        let found = by_task(universe, task);
        if found.is_empty() {
            refuse(Fault::usage(format!("no package belongs to task {task}")))?;
        }
        wanted.extend(found);
    }
    let mut seen = std::collections::HashSet::new();
    wanted.retain(|want| seen.insert(universe.version(want.version).package));
    Ok(wanted)
}

/// Returns an entry of the seed's name that cannot be used.
fn unusable<'u>(universe: &'u Universe<'_>, seed: &Seed) -> Option<&'u UnusableEntry> {
    universe.unusable.iter().find(|entry| entry.index.is_some() && entry.error.place() == seed.name)
}

fn by_name(universe: &Universe<'_>, request: &ClosureRequest<'_>, seed: &Seed) -> Result<VersionId, Fault> {
    let unknown = || {
        let near = near(universe, &seed.name).join(", ");
        let hint = if near.is_empty() { String::new() } else { format!("; did you mean {near}?") };
        Fault::usage(format!("no package is called {seed}{hint}"))
    };
    let group = universe.group(universe.name(&seed.name).ok_or_else(unknown)?);
    let mut real: Vec<_> =
        group.packages.iter().copied().filter(|id| !universe.entry(*id).versions.is_empty()).collect();
    if real.is_empty() {
        let providers = providers(universe, group);
        let is_virtual = || {
            let providers = providers.join(", ");
            Fault::usage(format!("{seed} is a virtual package; choose one of its providers: {providers}"))
        };
        return Err(if providers.is_empty() { unknown() } else { is_virtual() });
    }
    real.sort_by_key(|id| universe.entry(*id).architecture);
    let fitting = real.iter().copied().find(|id| match &seed.architecture {
        Some(architecture) => universe.architecture(architecture) == Some(universe.entry(*id).architecture),
        None => true,
    });
    let chosen = fitting.and_then(|package| choose(universe, request, seed, package));
    let known = || known(universe, request, &real).join(", ");
    chosen.ok_or_else(|| Fault::usage(format!("there is no {seed}; there is: {}", known())))
}

fn choose(universe: &Universe<'_>, request: &ClosureRequest<'_>, seed: &Seed, package: PackageId) -> Option<VersionId> {
    let mut versions = universe.entry(package).versions.iter().copied();
    if let Some(wanted) = &seed.version {
        return versions.find(|id| universe.version(*id).version == wanted);
    }
    let Some(suite) = &seed.suite else { return candidate::of_package(universe, package) };
    versions.find(|id| is_of_suite(universe, request, *id, suite))
}

/// Whether an index of this suite or codename has the version.
pub(super) fn is_of_suite(universe: &Universe<'_>, request: &ClosureRequest<'_>, id: VersionId, suite: &str) -> bool {
    let indexes = universe.indexes(id).filter_map(|index| request.indexes.get(index));
    indexes.flat_map(|index| &index.suites).any(|own| *own == suite)
}

fn known(universe: &Universe<'_>, request: &ClosureRequest<'_>, packages: &[PackageId]) -> Vec<String> {
    let mut known = Vec::new();
    for package in packages {
        for id in &universe.entry(*package).versions {
            let version = universe.version(*id);
            let suites = universe.indexes(*id).filter_map(|index| request.indexes.get(index)?.suites.first().cloned());
            let suites: Vec<_> = suites.collect();
            known.push(format!("{}={} ({})", universe.label(*package), version.version, suites.join(", ")));
        }
    }
    known
}

fn providers(universe: &Universe<'_>, group: &NameGroup<'_>) -> Vec<String> {
    let mut names: Vec<_> = group
        .providers
        .iter()
        .map(|provider| (universe.version(provider.version).package, provider.version))
        .filter(|(package, version)| candidate::of_package(universe, *package) == Some(*version))
        .map(|(package, _)| universe.label(package))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Up to five names that are like `name`, the nearest first.
fn near(universe: &Universe<'_>, name: &str) -> Vec<String> {
    let likeness = |group: &NameGroup<'_>| strsim::jaro_winkler(group.name, name);
    let mut alike: Vec<_> = universe
        .groups()
        .iter()
        .filter(|group| !group.packages.is_empty() || !group.providers.is_empty())
        .map(|group| (likeness(group), group.name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    alike.into_iter().take(5).map(|(_, name)| name.to_owned()).collect()
}

fn by_priority(universe: &Universe<'_>, priority: Priority) -> Vec<Want> {
    let has = |version: VersionId| universe.version(version).importance == priority;
    native_candidates(universe)
        .filter(|version| has(*version))
        .map(|version| Want { version, reason: Reason::Priority(priority), suite: None })
        .collect()
}

fn by_task(universe: &Universe<'_>, task: &str) -> Vec<Want> {
    let has = |version: VersionId| universe.version(version).control().task.split(',').any(|own| own.trim() == task);
    native_candidates(universe)
        .filter(|version| has(*version))
        .map(|version| Want { version, reason: Reason::Task(task.to_owned()), suite: None })
        .collect()
}

fn native_candidates(universe: &Universe<'_>) -> impl Iterator<Item = VersionId> {
    let native = universe.package_ids().filter(|id| universe.entry(*id).architecture == 0);
    native.filter_map(|id| candidate::of_package(universe, id))
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
