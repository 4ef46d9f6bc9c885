//! The relations of a version, resolved to names: what it needs (groups of alternatives) and what it excludes.

use super::{Architecture, NameId, PackageId, Provider, Universe, VersionId};
use crate::formats::Invalid;
use crate::formats::apt::packages::MultiArch;
use crate::formats::apt::relation::{self, Relation};

/// One relation field's group of alternatives, of which one must hold; of [`ClauseKind::Conflicts`] and [`ClauseKind::Breaks`] there is
/// one alternative, which must not.
#[derive(Clone, Debug)]
pub(in crate::collect::apt::closure) struct Clause<'a> {
    pub(in crate::collect::apt::closure) kind: ClauseKind,
    pub(in crate::collect::apt::closure) alternatives: Vec<RelationTarget<'a>>,
}

impl Clause<'_> {
    /// Returns whether there is more than one way to meet it.
    pub(in crate::collect::apt::closure) fn has_alternatives(&self) -> bool {
        self.alternatives.len() > 1
    }
}

/// The field a clause comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collect::apt::closure) enum ClauseKind {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
}

/// What a relation points at.
#[derive(Clone, Copy, Debug)]
pub(in crate::collect::apt::closure) struct RelationTarget<'a> {
    /// As it is written.
    pub(in crate::collect::apt::closure) relation: Relation<'a>,
    /// Nothing if no package bears or provides the name.
    pub(in crate::collect::apt::closure) name: Option<NameId>,
    pub(in crate::collect::apt::closure) architecture: ArchitectureScope,
    /// It was not written: architectures of one package exclude each other by themselves, unless they are of one version
    /// and `Multi-Arch: same`.
    pub(in crate::collect::apt::closure) implicit: bool,
    /// The one version that is not meant.
    pub(in crate::collect::apt::closure) except: Option<&'a str>,
}

/// Which architectures of a name a relation points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collect::apt::closure) enum ArchitectureScope {
    /// This one, or what counts for it by `Multi-Arch: foreign`.
    One(Architecture),
    /// This one and nothing that stands in for it.
    Exactly(Architecture),
    /// Those that allow it by `Multi-Arch: allowed` (`:any`).
    Any,
    /// An architecture that the target does not have.
    Nowhere,
}

impl ClauseKind {
    /// The clause excludes instead of needing.
    pub(in crate::collect::apt::closure) fn is_negative(self) -> bool {
        matches!(self, Self::Conflicts | Self::Breaks)
    }

    /// A package is broken where it does not hold.
    pub(in crate::collect::apt::closure) fn is_critical(self) -> bool {
        !matches!(self, Self::Recommends | Self::Suggests)
    }
}

impl RelationTarget<'_> {
    /// Whether a real package of this version is meant.
    pub(in crate::collect::apt::closure) fn admits(&self, version: &str) -> bool {
        self.relation.admits(version) && self.except != Some(version)
    }

    /// Whether the real package of an architecture is what it asks for.
    pub(in crate::collect::apt::closure) fn points_at(&self, architecture: Architecture) -> bool {
        match self.architecture {
            ArchitectureScope::One(own) | ArchitectureScope::Exactly(own) => own == architecture,
            ArchitectureScope::Any | ArchitectureScope::Nowhere => false,
        }
    }

    /// Whether the real package of an architecture is what it asks for by its bare name. A qualified name is, for apt, a
    /// virtual package of its own.
    pub(in crate::collect::apt::closure) fn names(&self, architecture: Architecture) -> bool {
        self.relation.qualifier.is_none() && self.points_at(architecture)
    }

    /// Whether a package of an architecture counts for it.
    pub(in crate::collect::apt::closure) fn covers(&self, architecture: Architecture, multi_arch: MultiArch) -> bool {
        match self.architecture {
            ArchitectureScope::One(own) => own == architecture || multi_arch == MultiArch::Foreign,
            ArchitectureScope::Exactly(own) => own == architecture,
            ArchitectureScope::Any => multi_arch == MultiArch::Allowed,
            ArchitectureScope::Nowhere => false,
        }
    }

    /// Whether what a version provides counts for it.
    pub(in crate::collect::apt::closure) fn covers_provided(&self, provider: &Provider<'_>) -> bool {
        match self.architecture {
            ArchitectureScope::One(own) | ArchitectureScope::Exactly(own) => {
                provider.architecture.is_none_or(|provided| provided == own)
            }
            ArchitectureScope::Any => provider.any,
            ArchitectureScope::Nowhere => false,
        }
    }

    /// Whether packages of this name are what it asks for by name. With a qualifier none are, for apt: then real packages
    /// and providers are equal.
    pub(in crate::collect::apt::closure) fn bears(&self, name: NameId) -> bool {
        self.name == Some(name) && self.relation.qualifier.is_none()
    }

    /// Whether something provided in this version is meant.
    pub(in crate::collect::apt::closure) fn admits_provided(&self, version: Option<&str>) -> bool {
        match version {
            Some(version) => self.relation.admits(version),
            None => self.relation.version.is_none(),
        }
    }
}

/// The clauses of a version, in the order in which apt goes through them.
pub(in crate::collect::apt::closure) fn clauses<'a>(
    universe: &Universe<'a>,
    id: VersionId,
) -> Result<Vec<Clause<'a>>, Invalid> {
    let version = universe.version(id);
    let control = version.control();
    let fields = [
        (ClauseKind::PreDepends, control.pre_depends),
        (ClauseKind::Depends, control.depends),
        (ClauseKind::Conflicts, control.conflicts),
        (ClauseKind::Breaks, control.breaks),
        (ClauseKind::Recommends, control.recommends),
        (ClauseKind::Suggests, control.suggests),
    ];
    let own = universe.entry(version.package).architecture;
    let mut clauses = Vec::new();
    for (kind, field) in fields {
        for group in relation::parse(field)? {
            if kind.is_negative() {
                let targets = group.into_iter().flat_map(|relation| excluded(universe, relation));
                clauses.extend(targets.map(|target| Clause { kind, alternatives: vec![target] }));
            } else {
                let targets = group.into_iter().map(|relation| target(universe, own, relation));
                clauses.push(Clause { kind, alternatives: targets.collect() });
            }
        }
    }
    if universe.architectures.len() > 1 {
        clauses.extend(implicit(universe, id));
    }
    Ok(clauses)
}

fn target<'a>(universe: &Universe<'a>, own: Architecture, relation: Relation<'a>) -> RelationTarget<'a> {
    let architecture = match relation.qualifier {
        Some("any") => ArchitectureScope::Any,
        Some(named) => universe.architecture(named).map_or(ArchitectureScope::Nowhere, ArchitectureScope::Exactly),
        None => ArchitectureScope::One(own),
    };
    RelationTarget { relation, name: universe.name(relation.name), architecture, implicit: false, except: None }
}

/// What excludes a name excludes it in each architecture, one by one.
fn excluded<'a>(universe: &Universe<'a>, relation: Relation<'a>) -> Vec<RelationTarget<'a>> {
    let packages =
        universe.name(relation.name).map(|name| universe.group(name).packages.as_slice()).unwrap_or_default();
    let architectures: Vec<_> = if relation.qualifier.is_some() {
        vec![0]
    } else if packages.is_empty() {
        (0..universe.architectures.len()).collect()
    } else {
        packages.iter().map(|package| universe.entry(*package).architecture).collect()
    };
    architectures.into_iter().map(|architecture| target(universe, architecture, relation)).collect()
}

fn implicit<'a>(universe: &Universe<'a>, id: VersionId) -> Vec<Clause<'a>> {
    let version = universe.version(id);
    let name = universe.entry(version.package).name;
    let same = version.multi_arch == MultiArch::Same;
    let others = universe.group(name).packages.iter().filter(|other| **other != version.package);
    let exclude = |other: &PackageId| Clause {
        kind: if same { ClauseKind::Breaks } else { ClauseKind::Conflicts },
        alternatives: vec![RelationTarget {
            relation: Relation {
                name: universe.group(name).name,
                qualifier: None,
                version: None,
                architectures: None,
                profiles: None,
            },
            except: same.then_some(version.version),
            name: Some(name),
            architecture: ArchitectureScope::Exactly(universe.entry(*other).architecture),
            implicit: true,
        }],
    };
    others.map(exclude).collect()
}

impl<'a> Universe<'a> {
    /// Every version there is, candidate or not, that meets a target of `owner`.
    pub(in crate::collect::apt::closure) fn all_meeting(
        &self,
        owner: PackageId,
        kind: ClauseKind,
        target: &RelationTarget<'a>,
    ) -> Vec<VersionId> {
        let Some(name) = target.name else { return Vec::new() };
        let group = self.group(name);
        let own_name = self.entry(owner).name;
        let is_own = |id: VersionId| self.entry(self.version(id).package).name == own_name;
        let counts_own = !kind.is_negative() || target.implicit || own_name != name;
        let real = group.packages.iter().filter(|package| counts_own && (!kind.is_negative() || **package != owner));
        let real = real.flat_map(|package| self.entry(*package).versions.iter().copied());
        let real = real.filter(|id| {
            let version = self.version(*id);
            let architecture = self.entry(version.package).architecture;
            target.covers(architecture, version.multi_arch) && target.admits(version.version)
        });
        // apt goes through providers from the one it read last.
        let provided = group
            .providers
            .iter()
            .rev()
            .filter(|provider| target.covers_provided(provider) && target.admits_provided(provider.provided));
        let provided = provided.map(|provider| provider.version);
        real.chain(provided.filter(|id| !kind.is_negative() || !(target.implicit || is_own(*id)))).collect()
    }
}
