//! All that could be installed: the versions of all indexes and of the target, by name and architecture, and who
//! provides what.

pub(super) mod clause;
pub(super) mod order;

use std::collections::HashMap;
use std::sync::OnceLock;

use self::clause::{Clause, clauses};
use self::order::first_mentions;
use super::{ClosureRequest, UnusableEntry};
use crate::formats::Invalid;
use crate::formats::apt::deb822::Stanza;
use crate::formats::apt::packages::{BinaryPackage, ControlFields, MultiArch, installed, packages};
use crate::formats::apt::preferences::IndexOrigin;
use crate::formats::apt::{relation, version};
use crate::formats::signed_digest::SignedDigest;

/// A package of one architecture, of which at most one version can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(pub(super) usize);

/// A version of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VersionId(pub(super) usize);

/// A name, real or virtual, with the packages that bear it and those that provide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NameId(pub(super) usize);

/// Place of an architecture in [`Universe::architectures`]: 0 is the native one, which `all` counts as.
pub(super) type Architecture = usize;

/// An architecture that the target does not have.
const NOWHERE: Architecture = usize::MAX;

/// See the module.
pub(super) struct Universe<'a> {
    /// The native architecture, then the foreign ones.
    pub(super) architectures: Vec<&'a str>,
    names: HashMap<&'a str, NameId>,
    groups: Vec<NameGroup<'a>>,
    packages: Vec<PackageEntry>,
    versions: Vec<PackageVersion<'a>>,
    installed: Vec<PackageId>,
    /// Entries that were left out.
    pub(super) unusable: Vec<UnusableEntry>,
    mentions: OnceLock<Vec<u32>>,
}

/// What bears or provides one name.
#[derive(Default)]
pub(super) struct NameGroup<'a> {
    pub(super) name: &'a str,
    /// One for each architecture at most.
    pub(super) packages: Vec<PackageId>,
    pub(super) providers: Vec<Provider<'a>>,
}

/// A package: its versions, the highest first.
pub(super) struct PackageEntry {
    pub(super) name: NameId,
    pub(super) architecture: Architecture,
    pub(super) versions: Vec<VersionId>,
    /// The version that the target has.
    pub(super) current: Option<VersionId>,
    pub(super) hold: bool,
    pub(super) essential: bool,
    pub(super) protected: bool,
}

/// One version of a package.
pub(super) struct PackageVersion<'a> {
    pub(super) package: PackageId,
    pub(super) control: ControlFields<'a>,
    /// Where it can be fetched, the first place of several.
    pub(super) source: Option<Available<'a>>,
    /// The best priority of the indexes that have it; `None` if only the target has it.
    pub(super) priority: Option<i32>,
    /// The first record of the preferences for this very version, by its place, and its priority.
    pub(super) record: Option<(usize, i32)>,
    /// All indexes that have it.
    pub(super) indexes: Vec<usize>,
    clauses: OnceLock<Result<Vec<Clause<'a>>, Invalid>>,
}

/// Where a version can be fetched.
#[derive(Clone, Copy)]
pub(super) struct Available<'a> {
    pub(super) index: usize,
    filename: &'a str,
    size: u64,
    digest: SignedDigest,
    stanza: Stanza<'a>,
}

impl<'a> Available<'a> {
    fn new(index: usize, package: &BinaryPackage<'a>) -> Self {
        let BinaryPackage { filename, size, digest, stanza, control: _ } = *package;
        Self { index, filename, size, digest, stanza }
    }

    /// The package as its index has it, given what that says of itself.
    pub(super) fn package(&self, control: ControlFields<'a>) -> BinaryPackage<'a> {
        BinaryPackage { control, filename: self.filename, size: self.size, digest: self.digest, stanza: self.stanza }
    }
}

/// A version that provides a name.
#[derive(Clone, Copy)]
pub(super) struct Provider<'a> {
    pub(super) version: VersionId,
    /// The version provided, without which no constraint is met.
    pub(super) provided: Option<&'a str>,
    /// For relations of which architecture; of all where absent.
    pub(super) architecture: Option<Architecture>,
    /// Counts for relations with `:any`.
    pub(super) any: bool,
}

impl<'a> Universe<'a> {
    /// Reads all indexes and the status of `request`.
    pub(super) fn read(request: &ClosureRequest<'a>) -> Self {
        let mut universe = Self {
            architectures: std::iter::once(request.architecture).chain(request.foreign.iter().copied()).collect(),
            names: HashMap::new(),
            groups: Vec::new(),
            packages: Vec::new(),
            versions: Vec::new(),
            installed: Vec::new(),
            unusable: Vec::new(),
            mentions: OnceLock::new(),
        };
        let preferences = &request.preferences;
        for (index, input) in request.indexes.iter().enumerate() {
            let priority = preferences.of_index(&input.origin).unwrap_or(input.pin.priority());
            for package in packages(input.text) {
                match package {
                    Ok(package) => {
                        let record = preferences.of_version(&package.control, &input.origin, request.architecture);
                        let _ =
                            universe.add(package.control, Some((Available::new(index, &package), priority)), record);
                    }
                    Err(error) => universe.unusable.push(UnusableEntry { index: Some(index), error }),
                }
            }
        }
        for control in installed(request.installed.unwrap_or_default()) {
            let control = match control {
                Ok(control) => control,
                Err(error) => {
                    universe.unusable.push(UnusableEntry { index: None, error });
                    continue;
                }
            };
            let record = preferences.of_version(&control, &IndexOrigin::INSTALLED, request.architecture);
            if let Some(version) = universe.add(control, None, record) {
                let package = universe.version(version).package;
                if let Some(entry) = universe.packages.get_mut(package.0) {
                    entry.current = Some(version);
                    entry.hold = control.hold;
                    universe.installed.push(package);
                }
            }
        }
        for index in 0..universe.versions.len() {
            universe.add_provides(VersionId(index));
        }
        universe
    }

    /// Adds a version, or another place to fetch one; nothing for an architecture that is not the target's.
    fn add(
        &mut self,
        control: ControlFields<'a>,
        place: Option<(Available<'a>, i32)>,
        record: Option<(usize, i32)>,
    ) -> Option<VersionId> {
        let package = self.package_for(control.name, control.architecture)?;
        let version = self.known_version(package, &control).unwrap_or_else(|| self.new_version(package, control));
        let entry = self.packages.get_mut(package.0)?;
        entry.essential |= control.essential;
        entry.protected |= control.protected;
        let known = self.versions.get_mut(version.0)?;
        known.record = [known.record, record].into_iter().flatten().min();
        if let Some((place, priority)) = place {
            known.indexes.push(place.index);
            known.source.get_or_insert(place);
            known.priority = known.priority.max(Some(priority));
        }
        Some(version)
    }

    /// A version that is there already, in another index or on the target. As for apt, two builds that bear the same
    /// version are told apart only by what they depend on.
    fn known_version(&self, package: PackageId, control: &ControlFields<'a>) -> Option<VersionId> {
        let same = |id: &VersionId| {
            let known = self.version(*id);
            known.control.version == control.version
                && known.control.depends == control.depends
                && known.control.pre_depends == control.pre_depends
        };
        self.entry(package).versions.iter().copied().find(same)
    }

    fn new_version(&mut self, package: PackageId, control: ControlFields<'a>) -> VersionId {
        let id = VersionId(self.versions.len());
        let versions = &self.entry(package).versions;
        let higher =
            |other: &VersionId| version::compare(self.version(*other).control.version, control.version).is_ge();
        let place = versions.iter().take_while(|other| higher(other)).count();
        let version = PackageVersion {
            package,
            control,
            source: None,
            priority: None,
            record: None,
            indexes: Vec::new(),
            clauses: OnceLock::new(),
        };
        self.versions.push(version);
        if let Some(entry) = self.packages.get_mut(package.0) {
            entry.versions.insert(place, id);
        }
        id
    }

    fn package_for(&mut self, name: &'a str, architecture: &str) -> Option<PackageId> {
        let architecture = self.architecture(architecture)?;
        let name = self.name_for(name);
        if let Some(known) = self.package_of(name, architecture) {
            return Some(known);
        }
        let id = PackageId(self.packages.len());
        self.packages.push(PackageEntry {
            name,
            architecture,
            versions: Vec::with_capacity(1),
            current: None,
            hold: false,
            essential: false,
            protected: false,
        });
        self.groups.get_mut(name.0)?.packages.push(id);
        Some(id)
    }

    fn name_for(&mut self, name: &'a str) -> NameId {
        let next = NameId(self.groups.len());
        let id = *self.names.entry(name).or_insert(next);
        if id == next {
            self.groups.push(NameGroup { name, ..NameGroup::default() });
        }
        id
    }

    /// A malformed `Provides` provides nothing, as it would in a relation that nothing satisfies.
    fn add_provides(&mut self, id: VersionId) {
        let version = self.version(id);
        let (control, own) = (version.control, self.entry(version.package).architecture);
        if control.provides.is_empty() {
            return;
        }
        for relation in relation::parse(control.provides).unwrap_or_default().into_iter().flatten() {
            let provided = match relation.version {
                None => None,
                Some((relation::Operator::Equal, version)) => Some(version),
                Some(_) => continue,
            };
            let architecture = match relation.qualifier {
                Some(qualifier) => Some(self.architecture(qualifier).unwrap_or(NOWHERE)),
                None if control.multi_arch == MultiArch::Foreign => None,
                None => Some(own),
            };
            let any = relation.qualifier == Some("any") || control.multi_arch == MultiArch::Allowed;
            let name = self.name_for(relation.name);
            if let Some(group) = self.groups.get_mut(name.0) {
                group.providers.push(Provider { version: id, provided, architecture, any });
            }
        }
    }

    /// The place of an architecture among those of the target.
    pub(super) fn architecture(&self, name: &str) -> Option<Architecture> {
        if name == "all" || name == "native" {
            return Some(0);
        }
        self.architectures.iter().position(|own| *own == name)
    }

    /// The id of a name that some package bears or provides.
    pub(super) fn name(&self, name: &str) -> Option<NameId> {
        self.names.get(name).copied()
    }

    /// What bears or provides a name.
    pub(super) fn group(&self, id: NameId) -> &NameGroup<'a> {
        &self.groups[id.0]
    }

    /// All names.
    pub(super) fn groups(&self) -> &[NameGroup<'a>] {
        &self.groups
    }

    /// A package.
    pub(super) fn entry(&self, id: PackageId) -> &PackageEntry {
        &self.packages[id.0]
    }

    /// All packages.
    pub(super) fn package_ids(&self) -> impl Iterator<Item = PackageId> + Clone + use<> {
        (0..self.packages.len()).map(PackageId)
    }

    /// The packages that the target has.
    pub(super) fn installed(&self) -> &[PackageId] {
        &self.installed
    }

    /// When apt came to know the package; computed when the first tie needs it.
    pub(super) fn mention(&self, id: PackageId) -> u32 {
        self.mentions.get_or_init(|| first_mentions(self))[id.0]
    }

    /// A version.
    pub(super) fn version(&self, id: VersionId) -> &PackageVersion<'a> {
        &self.versions[id.0]
    }

    /// All versions, in the order in which they were read.
    pub(super) fn versions(&self) -> &[PackageVersion<'a>] {
        &self.versions
    }

    /// The package of this name and architecture.
    pub(super) fn package_of(&self, name: NameId, architecture: Architecture) -> Option<PackageId> {
        self.group(name).packages.iter().copied().find(|id| self.entry(*id).architecture == architecture)
    }

    /// The name of a package, with its architecture where that is a foreign one.
    pub(super) fn label(&self, id: PackageId) -> String {
        let entry = self.entry(id);
        let name = self.group(entry.name).name;
        match self.architectures.get(entry.architecture) {
            Some(architecture) if entry.architecture > 0 => format!("{name}:{architecture}"),
            _ => name.to_owned(),
        }
    }

    /// What a version needs and what it excludes. Its fields are parsed when first asked for; malformed ones count as
    /// empty here and are told by [`Universe::malformed`].
    pub(super) fn clauses(&self, id: VersionId) -> &[Clause<'a>] {
        let version = self.version(id);
        version.clauses.get_or_init(|| clauses(self, id)).as_deref().unwrap_or_default()
    }

    /// Why the relations of a version could not be read.
    pub(super) fn malformed(&self, id: VersionId) -> Option<&Invalid> {
        self.version(id).clauses.get().and_then(|clauses| clauses.as_ref().err())
    }
}
