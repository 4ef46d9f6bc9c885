//! Decides which packages to take: by architecture, and of each name the newest where that is asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::collect::CollectError;
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::rpm::{Modules, PRIMARY, Package};
use crate::path::PublishPath;
use crate::selection::YumSource;
use crate::terminal::safe;

/// Fits every machine.
const NOARCH: &str = "noarch";
/// Sources, which are carried only where they are named.
const SOURCES: [&str; 2] = ["src", "nosrc"];

/// A package to carry.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// The package.
    pub(super) package: Package,
    /// Why it is carried.
    pub(super) reason: &'static str,
    /// The kind of metadata that lists it.
    pub(super) listed_in: &'static str,
}

impl Chosen {
    fn new(package: Package, reason: &'static str) -> Self {
        Self { package, reason, listed_in: PRIMARY }
    }
}

/// Adds those of `deltas` that make a chosen package; one at the path of another file is refused.
pub(super) fn add_deltas(
    chosen: &mut BTreeMap<PublishPath, Chosen>,
    listed_in: &'static str,
    deltas: Vec<Package>,
) -> Result<(), Invalid> {
    let made: BTreeSet<String> = chosen.values().map(|chosen| chosen.package.nevra()).collect();
    for package in deltas.into_iter().filter(|delta| made.contains(&delta.nevra())) {
        let (path, reason) = (package.file.clone(), "delta for a carried package");
        if chosen.insert(path.clone(), Chosen { package, reason, listed_in }).is_some() {
            return Err(Invalid::twice(&path));
        }
    }
    Ok(())
}

/// What to carry of all packages, by path; packages that `modules` names are all taken, since a module stream pins versions.
pub(super) fn choose(
    source: &YumSource,
    packages: Vec<Package>,
    modules: &Modules,
) -> Result<BTreeMap<PublishPath, Chosen>, CollectError> {
    let fits = |package: &Package| match source.architectures.as_slice() {
        [] => !SOURCES.contains(&package.architecture.as_str()),
        named => package.architecture == NOARCH || named.contains(&package.architecture),
    };
    let architectures: BTreeSet<&str> = packages.iter().map(|package| package.architecture.as_str()).collect();
    if !packages.is_empty() && !packages.iter().any(fits) {
        let (name, known) = (&source.name, Vec::from_iter(architectures).join(", "));
        return Err(
            Fault::usage(format!("of {name} nothing has these architectures; there is: {}", safe(&known))).into()
        );
    }
    let fitting: Vec<Package> = packages.into_iter().filter(fits).collect();
    if !source.newest_only {
        let whole = fitting.into_iter().map(|package| Chosen::new(package, "whole repository"));
        return Ok(whole.map(|chosen| (chosen.package.file.clone(), chosen)).collect());
    }
    let (pinned, free): (Vec<_>, Vec<_>) = fitting.into_iter().partition(|package| modules.names(package));
    let pinned = pinned.into_iter().map(|package| Chosen::new(package, "named by a module stream"));
    let newest = newest(free).into_iter().map(|package| Chosen::new(package, "newest version"));
    Ok(pinned.chain(newest).map(|chosen| (chosen.package.file.clone(), chosen)).collect())
}

/// Of each name and architecture the newest; all of them where several are equally new.
fn newest(packages: Vec<Package>) -> Vec<Package> {
    let mut best: BTreeMap<(String, String), Vec<Package>> = BTreeMap::new();
    for package in packages {
        let of_name = best.entry((package.name.clone(), package.architecture.clone())).or_default();
        match of_name.first().map(|known| package.evr.compare(&known.evr)) {
            Some(std::cmp::Ordering::Less) => {}
            Some(std::cmp::Ordering::Greater) => *of_name = vec![package],
            Some(std::cmp::Ordering::Equal) | None => of_name.push(package),
        }
    }
    best.into_values().flatten().collect()
}
