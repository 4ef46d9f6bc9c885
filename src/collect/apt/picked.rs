//! The packages that were chosen, and their source packages.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::closure::{Pick, Reason, Solution};
use crate::collect::CollectError;
use crate::digest::{Hashing, Sha256};
use crate::error_class::Fault;
use crate::formats::apt::archive::IndexEntry;
use crate::formats::apt::packages::BinaryPackage;
use crate::formats::signed_digest::SignedDigest;

/// The packages of all solutions, each with why it is carried.
#[derive(Default)]
pub(super) struct PickedPackages {
    /// The reasons, each once.
    reasons: Vec<String>,
    numbers: HashMap<String, u32>,
    /// The number of the reason of each build: archives may have different ones of one version.
    builds: HashMap<BuildKey, u32>,
    /// The same of the first build of a version that was picked.
    versions: HashMap<BuildKey, u32>,
    /// The names of all of them.
    names: HashSet<String>,
    /// Source packages, by name and version.
    sources: BTreeMap<(String, String), String>,
}

/// A version of a package or one build of it, as the first half of a digest of what names it: there may be very many.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct BuildKey([u8; 16]);

impl BuildKey {
    fn new(name: &str, version: &str, architecture: &str, build: Option<&SignedDigest>) -> Self {
        let mut hashing = Hashing::new(());
        // No name, version or architecture has a zero.
        [name, "\0", version, "\0", architecture, "\0"].iter().for_each(|part| hashing.absorb(part.as_bytes()));
        if let Some(digest) = build {
            hashing.absorb(digest.to_hex().as_bytes());
        }
        let ((), sha256, _): ((), Sha256, u64) = hashing.finish();
        let mut half = [0; 16];
        half.iter_mut().zip(sha256.as_bytes()).for_each(|(to, from)| *to = *from);
        Self(half)
    }
}

impl PickedPackages {
    /// Adds the packages of a solution. Fails if we could never carry one, for its path is none.
    pub(super) fn add(&mut self, solution: &Solution<'_>) -> Result<(), CollectError> {
        for pick in &solution.picks {
            let package = read(pick)?;
            self.add_package(&package, pick.reason.to_string())?;
            let name = package.control.name;
            self.sources.entry(source_of(&package)).or_insert_with(|| format!("source of {name}"));
        }
        Ok(())
    }

    fn add_package(&mut self, package: &BinaryPackage<'_>, reason: String) -> Result<(), CollectError> {
        package.path()?;
        let control = package.control;
        let key = |build| BuildKey::new(control.name, control.version, control.architecture, build);
        let number = self.number(reason);
        self.versions.entry(key(None)).or_insert(number);
        self.builds.entry(key(Some(&package.digest))).or_insert(number);
        if !self.names.contains(control.name) {
            self.names.insert(control.name.to_owned());
        }
        Ok(())
    }

    /// Returns the number of a reason.
    fn number(&mut self, reason: String) -> u32 {
        let next = u32::try_from(self.reasons.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(reason).or_insert_with_key(|reason| {
            self.reasons.push(reason.clone());
            next
        })
    }

    /// Adds the packages that the build of a source package needs. Those whose names start with `made_up` stand for builds.
    pub(super) fn add_build_dependencies(
        &mut self,
        solution: &Solution<'_>,
        made_up: &str,
        label: &str,
    ) -> Result<(), CollectError> {
        for pick in &solution.picks {
            let package = read(pick)?;
            if package.control.name.starts_with(made_up) {
                continue;
            }
            let reason = match &pick.reason {
                Reason::Requested => format!("for the build of {label}"),
                Reason::Needed { by, .. } if by.starts_with(made_up) => format!("build dependency of {label}"),
                other => other.to_string(),
            };
            self.add_package(&package, reason)?;
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
        if !self.names.contains(entry.name) {
            return None;
        }
        let key = |build| BuildKey::new(entry.name, entry.version, entry.architecture, build);
        let number = match entry.files.first() {
            Some(file) => self.builds.get(&key(Some(&file.digest))),
            None => self.versions.get(&key(None)),
        };
        self.reasons.get(*number? as usize).cloned()
    }

    pub(super) fn source_reason(&self, entry: &IndexEntry<'_>) -> Option<String> {
        self.sources.get(&(entry.name.to_owned(), entry.version.to_owned())).cloned()
    }
}

/// Reads the package of a pick, which the solver has read before.
fn read<'a>(pick: &Pick<'a>) -> Result<BinaryPackage<'a>, CollectError> {
    let unreadable = |error| Fault::unverified("an index has an entry that cannot be read").because(error);
    Ok(pick.package().map_err(unreadable)?)
}

/// Name and version of the source of a package (Debian Policy 5.6.1).
pub(super) fn source_of(package: &BinaryPackage<'_>) -> (String, String) {
    let field = package.stanza.field("Source").unwrap_or(package.control.name);
    let (source, version) = field
        .split_once(" (")
        .map_or((field, package.control.version), |(source, rest)| (source, rest.trim_end_matches(')')));
    (source.trim().to_owned(), version.to_owned())
}
