//! What is asked for, as versions: names, priorities and tasks.

use super::universe::{NameGroup, PackageId, Universe, VersionId};
use super::{ClosureError, ClosureRequest, Reason, UnusableEntry, policy};
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
pub(super) fn wanted(universe: &Universe<'_>, request: &ClosureRequest<'_>) -> Result<Vec<Want>, ClosureError> {
    let mut wanted = Vec::new();
    for seed in &request.seeds {
        wanted.push(Want {
            version: by_name(universe, request, seed).map_err(|error| or_unusable(universe, seed, error))?,
            reason: Reason::Requested,
            suite: seed.suite.clone(),
        });
    }
    for priority in &request.priorities {
        wanted.extend(by_priority(universe, *priority)?);
    }
    for task in &request.tasks {
        wanted.extend(by_task(universe, task)?);
    }
    let mut seen = std::collections::HashSet::new();
    wanted.retain(|want| seen.insert(universe.version(want.version).package));
    Ok(wanted)
}

/// An entry of the seed's name that cannot be used says more than that there is none.
fn or_unusable(universe: &Universe<'_>, seed: &Seed, error: ClosureError) -> ClosureError {
    let of_seed = |entry: &&UnusableEntry| entry.index.is_some() && entry.error.place() == seed.name;
    match universe.unusable.iter().find(of_seed) {
        Some(entry) => ClosureError::Unusable { seed: seed.to_string(), source: entry.error.clone() },
        None => error,
    }
}

fn by_name(universe: &Universe<'_>, request: &ClosureRequest<'_>, seed: &Seed) -> Result<VersionId, ClosureError> {
    let unknown = || ClosureError::Unknown { seed: seed.to_string(), near: near(universe, &seed.name) };
    let group = universe.group(universe.name(&seed.name).ok_or_else(unknown)?);
    let mut real: Vec<_> =
        group.packages.iter().copied().filter(|id| !universe.entry(*id).versions.is_empty()).collect();
    if real.is_empty() {
        let providers = providers(universe, group);
        return Err(if providers.is_empty() {
            unknown()
        } else {
            ClosureError::Virtual { seed: seed.to_string(), providers }
        });
    }
    real.sort_by_key(|id| universe.entry(*id).architecture);
    let fitting = real.iter().copied().find(|id| match &seed.architecture {
        Some(architecture) => universe.architecture(architecture) == Some(universe.entry(*id).architecture),
        None => true,
    });
    let chosen = fitting.and_then(|package| choose(universe, request, seed, package));
    chosen.ok_or_else(|| ClosureError::NoSuchVersion { seed: seed.to_string(), known: known(universe, request, &real) })
}

fn choose(universe: &Universe<'_>, request: &ClosureRequest<'_>, seed: &Seed, package: PackageId) -> Option<VersionId> {
    let mut versions = universe.entry(package).versions.iter().copied();
    if let Some(wanted) = &seed.version {
        return versions.find(|id| universe.version(*id).control.version == wanted);
    }
    let Some(suite) = &seed.suite else { return policy::candidate(universe, package) };
    versions.find(|id| is_of_suite(universe, request, *id, suite))
}

/// Whether an index of this suite or codename has the version.
pub(super) fn is_of_suite(universe: &Universe<'_>, request: &ClosureRequest<'_>, id: VersionId, suite: &str) -> bool {
    let indexes = universe.version(id).indexes.iter().filter_map(|index| request.indexes.get(*index));
    indexes.flat_map(|index| &index.suites).any(|own| *own == suite)
}

fn known(universe: &Universe<'_>, request: &ClosureRequest<'_>, packages: &[PackageId]) -> Vec<String> {
    let mut known = Vec::new();
    for package in packages {
        for id in &universe.entry(*package).versions {
            let version = universe.version(*id);
            let suites =
                version.indexes.iter().filter_map(|index| request.indexes.get(*index)?.suites.first().cloned());
            let suites: Vec<_> = suites.collect();
            known.push(format!("{}={} ({})", universe.label(*package), version.control.version, suites.join(", ")));
        }
    }
    known
}

fn providers(universe: &Universe<'_>, group: &NameGroup<'_>) -> Vec<String> {
    let mut names: Vec<_> = group
        .providers
        .iter()
        .map(|provider| (universe.version(provider.version).package, provider.version))
        .filter(|(package, version)| policy::candidate(universe, *package) == Some(*version))
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

fn by_priority(universe: &Universe<'_>, priority: Priority) -> Result<Vec<Want>, ClosureError> {
    let has = |version: VersionId| universe.version(version).control.priority == priority;
    let wanted: Vec<_> = native_candidates(universe)
        .filter(|version| has(*version))
        .map(|version| Want { version, reason: Reason::Priority(priority), suite: None })
        .collect();
    if wanted.is_empty() { Err(ClosureError::NoSuchPriority { priority: priority.to_string() }) } else { Ok(wanted) }
}

fn by_task(universe: &Universe<'_>, task: &str) -> Result<Vec<Want>, ClosureError> {
    let has = |version: VersionId| universe.version(version).control.task.split(',').any(|own| own.trim() == task);
    let wanted: Vec<_> = native_candidates(universe)
        .filter(|version| has(*version))
        .map(|version| Want { version, reason: Reason::Task(task.to_owned()), suite: None })
        .collect();
    if wanted.is_empty() { Err(ClosureError::NoSuchTask { task: task.to_owned() }) } else { Ok(wanted) }
}

fn native_candidates(universe: &Universe<'_>) -> impl Iterator<Item = VersionId> {
    let native = universe.package_ids().filter(|id| universe.entry(*id).architecture == 0);
    native.filter_map(|id| policy::candidate(universe, id))
}
