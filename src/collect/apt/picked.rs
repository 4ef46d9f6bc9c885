//! The packages that were chosen, and their source packages.

use std::collections::{BTreeMap, HashMap};

use super::closure::{Pick, Reason, Solution};
use crate::formats::apt::archive::IndexEntry;
use crate::formats::apt::packages::BinaryPackage;
use crate::formats::signed_digest::SignedDigest;
use crate::path::MalformedPath;

/// The packages of all solutions, each with why it is carried.
#[derive(Default)]
pub(super) struct PickedPackages {
    /// By name, version, architecture and digest: archives may have different builds of one version.
    packages: HashMap<(String, String, String), BTreeMap<SignedDigest, String>>,
    /// Source packages, by name and version.
    sources: BTreeMap<(String, String), String>,
}

impl PickedPackages {
    /// Adds the packages of a solution. Fails if we could never carry one, for its path is none.
    pub(super) fn add(&mut self, solution: &Solution<'_>) -> Result<(), MalformedPath> {
        for pick in &solution.picks {
            self.add_package(pick, pick.reason.to_string())?;
            let name = pick.package.control.name;
            self.sources.entry(source_of(&pick.package)).or_insert_with(|| format!("source of {name}"));
        }
        Ok(())
    }

    fn add_package(&mut self, pick: &Pick<'_>, reason: String) -> Result<(), MalformedPath> {
        pick.package.path()?;
        let control = pick.package.control;
        let key = (control.name.to_owned(), control.version.to_owned(), control.architecture.to_owned());
        self.packages.entry(key).or_default().entry(pick.package.digest).or_insert(reason);
        Ok(())
    }

    /// Adds the packages that the build of a source package needs. Those whose names start with `made_up` stand for builds.
    pub(super) fn add_build_dependencies(
        &mut self,
        solution: &Solution<'_>,
        made_up: &str,
        label: &str,
    ) -> Result<(), MalformedPath> {
        for pick in solution.picks.iter().filter(|pick| !pick.package.control.name.starts_with(made_up)) {
            let reason = match &pick.reason {
                Reason::Requested => format!("for the build of {label}"),
                Reason::Needed { by, .. } if by.starts_with(made_up) => format!("build dependency of {label}"),
                other => other.to_string(),
            };
            self.add_package(pick, reason)?;
        }
        Ok(())
    }

    /// Adds a source package that is asked for.
    pub(super) fn request_source(&mut self, name: &str, version: &str) {
        self.sources.insert((name.to_owned(), version.to_owned()), "requested".to_owned());
    }

    /// Returns whether the source package is carried.
    pub(super) fn has_source(&self, name: &str, version: &str) -> bool {
        self.sources.contains_key(&(name.to_owned(), version.to_owned()))
    }

    /// The reason of the build that the entry lists. An entry without files is of any build, to be named as left out.
    pub(super) fn reason(&self, entry: &IndexEntry<'_>) -> Option<String> {
        let key = (entry.name.to_owned(), entry.version.to_owned(), entry.architecture.to_owned());
        let builds = self.packages.get(&key)?;
        match entry.files.first() {
            Some(file) => builds.get(&file.digest).cloned(),
            None => builds.values().next().cloned(),
        }
    }

    pub(super) fn source_reason(&self, entry: &IndexEntry<'_>) -> Option<String> {
        self.sources.get(&(entry.name.to_owned(), entry.version.to_owned())).cloned()
    }
}

/// Name and version of the source of a package (Debian Policy 5.6.1).
pub(super) fn source_of(package: &BinaryPackage<'_>) -> (String, String) {
    let field = package.stanza.field("Source").unwrap_or(package.control.name);
    let (source, version) = field
        .split_once(" (")
        .map_or((field, package.control.version), |(source, rest)| (source, rest.trim_end_matches(')')));
    (source.trim().to_owned(), version.to_owned())
}
