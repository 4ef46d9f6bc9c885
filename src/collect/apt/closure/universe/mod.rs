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
use crate::formats::apt::archive::SourceName;
use crate::formats::apt::deb822::Stanza;
use crate::formats::apt::packages::{ControlFields, MultiArch, Priority, installed, packages};
use crate::formats::apt::preferences::IndexOrigin;
use crate::formats::apt::{relation, version};

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
    /// The indexes that have a version, besides the first.
    more_indexes: HashMap<VersionId, Vec<usize>>,
    /// The versions that provide something, until all are read.
    provides: Vec<(VersionId, &'a str)>,
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
///
/// There are hundreds of thousands, most of which nothing asks for. So this has only what is asked of many of them; the rest is
/// read from the stanza again.
pub(super) struct PackageVersion<'a> {
    pub(super) package: PackageId,
    /// The stanza of the first index that has it, or of the target's status.
    pub(super) stanza: Stanza<'a>,
    pub(super) version: &'a str,
    /// The name and version of its source package.
    pub(super) source: SourceName<'a>,
    pub(super) multi_arch: MultiArch,
    /// Its own `Priority`.
    pub(super) importance: Priority,
    /// The first index that has it; `None` if only the target has it.
    pub(super) index: Option<usize>,
    /// The best priority of the indexes that have it; `None` if only the target has it.
    pub(super) priority: Option<i32>,
    /// The first record of the preferences for this very version, by its place, and its priority.
    pub(super) record: Option<Box<(usize, i32)>>,
    clauses: OnceLock<Box<Result<Vec<Clause<'a>>, Invalid>>>,
}

impl<'a> PackageVersion<'a> {
    /// Reads all that it says of itself.
    pub(super) fn control(&self) -> ControlFields<'a> {
        ControlFields::new(self.stanza).unwrap_or_default() // it could be read before
    }
}

/// A version as an index or the target's status lists it.
struct ListedVersion<'a> {
    stanza: Stanza<'a>,
    control: ControlFields<'a>,
    /// The index and its priority; `None` for the target's status.
    place: Option<(usize, i32)>,
    /// The record of the preferences for this very version, by its place, and its priority.
    record: Option<(usize, i32)>,
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
            more_indexes: HashMap::new(),
            provides: Vec::new(),
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
                        let (stanza, control) = (package.stanza, package.control);
                        let _ = universe.add(ListedVersion { stanza, control, place: Some((index, priority)), record });
                    }
                    Err(error) => universe.unusable.push(UnusableEntry { index: Some(index), error }),
                }
            }
        }
        for (stanza, control) in installed(request.installed.unwrap_or_default()) {
            let control = match control {
                Ok(control) => control,
                Err(error) => {
                    universe.unusable.push(UnusableEntry { index: None, error });
                    continue;
                }
            };
            let record = preferences.of_version(&control, &IndexOrigin::INSTALLED, request.architecture);
            if let Some(version) = universe.add(ListedVersion { stanza, control, place: None, record }) {
                let package = universe.version(version).package;
                if let Some(entry) = universe.packages.get_mut(package.0) {
                    entry.current = Some(version);
                    entry.hold = control.hold;
                    universe.installed.push(package);
                }
            }
        }
        for (id, provides) in std::mem::take(&mut universe.provides) {
            universe.add_provides(id, provides);
        }
        universe
    }

    /// Adds a version, or another place to fetch one; nothing for an architecture that is not the target's.
    fn add(&mut self, listed: ListedVersion<'a>) -> Option<VersionId> {
        let ListedVersion { stanza, control, place, record } = listed;
        let package = self.package_for(control.name, control.architecture)?;
        let known = self.known_version(package, &control);
        let version = known.unwrap_or_else(|| self.new_version(package, stanza, &control));
        let entry = self.packages.get_mut(package.0)?;
        entry.essential |= control.essential;
        entry.protected |= control.protected;
        let known = self.versions.get_mut(version.0)?;
        if let Some(record) = record
            && known.record.as_deref().is_none_or(|known| record < *known)
        {
            known.record = Some(Box::new(record));
        }
        if let Some((index, priority)) = place {
            match known.index {
                Some(_) => self.more_indexes.entry(version).or_default().push(index),
                None => known.index = Some(index),
            }
            known.priority = known.priority.max(Some(priority));
        }
        Some(version)
    }

    /// All indexes that have a version.
    pub(super) fn indexes(&self, id: VersionId) -> impl Iterator<Item = usize> {
        self.version(id).index.into_iter().chain(self.more_indexes.get(&id).into_iter().flatten().copied())
    }

    /// A version that is there already, in another index or on the target. As for apt, two builds that bear the same
    /// version are told apart only by what they depend on.
    fn known_version(&self, package: PackageId, control: &ControlFields<'a>) -> Option<VersionId> {
        let same = |id: &VersionId| {
            let known = self.version(*id);
            known.version == control.version && {
                let known = known.control();
                known.depends == control.depends && known.pre_depends == control.pre_depends
            }
        };
        self.entry(package).versions.iter().copied().find(same)
    }

    fn new_version(&mut self, package: PackageId, stanza: Stanza<'a>, control: &ControlFields<'a>) -> VersionId {
        let id = VersionId(self.versions.len());
        let versions = &self.entry(package).versions;
        let higher = |other: &VersionId| version::compare(self.version(*other).version, control.version).is_ge();
        let place = versions.iter().take_while(|other| higher(other)).count();
        let version = PackageVersion {
            package,
            stanza,
            version: control.version,
            source: SourceName { name: control.source, version: control.source_version },
            multi_arch: control.multi_arch,
            importance: control.priority,
            index: None,
            priority: None,
            record: None,
            clauses: OnceLock::new(),
        };
        self.versions.push(version);
        if !control.provides.is_empty() {
            self.provides.push((id, control.provides));
        }
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
    fn add_provides(&mut self, id: VersionId, provides: &'a str) {
        let version = self.version(id);
        let (multi_arch, own) = (version.multi_arch, self.entry(version.package).architecture);
        for relation in relation::parse(provides).unwrap_or_default().into_iter().flatten() {
            let provided = match relation.version {
                None => None,
                Some((relation::Operator::Equal, version)) => Some(version),
                Some(_) => continue,
            };
            let architecture = match relation.qualifier {
                Some(qualifier) => Some(self.architecture(qualifier).unwrap_or(NOWHERE)),
                None if multi_arch == MultiArch::Foreign => None,
                None => Some(own),
            };
            let any = relation.qualifier == Some("any") || multi_arch == MultiArch::Allowed;
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
        version.clauses.get_or_init(|| Box::new(clauses(self, id))).as_deref().unwrap_or_default()
    }

    /// Why the relations of a version could not be read.
    pub(super) fn malformed(&self, id: VersionId) -> Option<&Invalid> {
        self.version(id).clauses.get().and_then(|clauses| clauses.as_ref().as_ref().err())
    }
}
