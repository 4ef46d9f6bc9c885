//! Build dependencies of source packages: what `apt-get build-dep` installs for each of them.
//!
//! apt makes a package of each source package, which depends on all that the build needs, and installs it together with
//! `build-essential`. Each source package is solved by itself here, since the dependencies of two may exclude each other.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::choice::{AptChoice, IndexText};
use super::closure::{ClosureIndex, ClosureInputs, ClosureRequest};
use super::picked::{PickedPackages, source_of};
use crate::collect::CollectError;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::apt::build_relations::{BuildMachine, BuildRelations};
use crate::formats::apt::packages::{SourceStanza, packages, sources};
use crate::formats::apt::seed::Seed;
use crate::formats::apt::version;
use crate::selection::{AptSource, BuildDep};

/// The package that apt installs for every build (`APT::Build-Essential`).
const ESSENTIAL: &str = "build-essential";
/// The start of the names of made-up packages. No real name has an underscore (Debian Policy 5.6.7).
const PREFIX: &str = "builddeps_";

/// A source package whose build dependencies are carried.
struct BuildDepSource<'a> {
    source: SourceStanza<'a>,
    relations: BuildRelations,
}

/// Adds the build dependencies that the selection asks for, and the source packages that it names.
pub(super) fn add(
    source: &AptSource,
    request: &ClosureRequest<'_>,
    of_packages: &[IndexText<'_>],
    of_sources: &[IndexText<'_>],
    picked: &mut PickedPackages,
    choice: &mut AptChoice,
) -> Result<(), CollectError> {
    let profiles = source.build_profiles.iter().map(String::as_str).collect();
    let builder = BuildMachine { architecture: request.architecture, foreign: request.foreign.clone(), profiles };
    let wanted = match &source.build_dep {
        BuildDep::OfAll(false) => return Ok(()),
        BuildDep::OfAll(true) => of_picked(of_sources, &builder, picked)?,
        BuildDep::Named(names) => {
            let found = names.iter().map(|name| named(name, source, of_packages, of_sources, &builder));
            let found: Vec<BuildDepSource<'_>> = found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
            found.iter().for_each(|wanted| picked.request_source(wanted.source.name, wanted.source.version));
            found
        }
    };
    let text = as_packages(&wanted, request.architecture);
    let mut request = request.clone();
    request.indexes.push(ClosureIndex { text: text.as_bytes(), ..ClosureIndex::default() });
    (request.seeds, request.priorities, request.tasks) = Default::default();
    // apt's build-dep follows no recommendations, whatever the settings.
    request.recommends = false;
    let archive = ClosureInputs::read(&request);
    let essential = archive.has_package(ESSENTIAL).then(|| Seed::named(ESSENTIAL));
    let mut failed = Vec::new();
    for (number, wanted) in wanted.iter().enumerate() {
        request.seeds = [Seed::named(made_up(number))].into_iter().chain(essential.clone()).collect();
        let label = format!("{} {}", wanted.source.name, wanted.source.version);
        match archive.solve(&request) {
            Ok(solution) => picked.add_build_dependencies(&solution, PREFIX, &label)?,
            // Of all sources some may be for other architectures.
            Err(error) if source.build_dep == BuildDep::OfAll(true) => failed.push(format!("{label}: {error}")),
            Err(error) => {
                let what = format!("cannot install the build dependencies of {label}");
                return Err(Fault::usage(what).because(error).into());
            }
        }
    }
    choice.note_build_dependencies(&failed);
    Ok(())
}

/// The sources of the packages that were chosen.
fn of_picked<'a>(
    texts: &'a [IndexText<'_>],
    builder: &BuildMachine<'_>,
    picked: &PickedPackages,
) -> Result<Vec<BuildDepSource<'a>>, Fault> {
    let all = texts.iter().flat_map(|text| sources(&text.bytes)).filter_map(Result::ok);
    let mut seen = BTreeSet::new();
    let chosen = all.filter(|source| picked.has_source(source.name, source.version));
    chosen
        .filter(|source| seen.insert((source.name, source.version)))
        .map(|source| BuildDepSource::read(source, builder))
        .collect()
}

/// The newest source package of this name, and that of the binary package of this name.
fn named<'a>(
    name: &str,
    of: &AptSource,
    of_packages: &[IndexText<'_>],
    of_sources: &'a [IndexText<'_>],
    builder: &BuildMachine<'_>,
) -> Result<Vec<BuildDepSource<'a>>, Fault> {
    let binaries = of_packages.iter().flat_map(|text| packages(&text.bytes)).filter_map(Result::ok);
    let mut names: BTreeSet<String> =
        binaries.filter(|package| package.control.name == name).map(|package| source_of(&package).0).collect();
    names.insert(name.to_owned());
    let newest = |name: &String| {
        let all = of_sources.iter().flat_map(|text| sources(&text.bytes)).filter_map(Result::ok);
        all.filter(|source| source.name == name).max_by(|a, b| version::compare(a.version, b.version))
    };
    let found: Vec<SourceStanza<'_>> = names.iter().filter_map(newest).collect();
    if found.is_empty() {
        return Err(Fault::usage(format!(
            "the source {} has no source package {name}, of which build-dep in the selection asks: is the name right, and has a \
             suite with deb-src it?",
            of.name
        )));
    }
    found.into_iter().map(|source| BuildDepSource::read(source, builder)).collect()
}

impl<'a> BuildDepSource<'a> {
    fn read(source: SourceStanza<'a>, builder: &BuildMachine<'_>) -> Result<Self, Fault> {
        let malformed =
            |error| Fault::unverified(format!("cannot read the build dependencies of {}", source.name)).because(error);
        let relations = BuildRelations::read(source.stanza, builder).map_err(malformed)?;
        Ok(Self { source, relations })
    }
}

/// The name of the package that stands for the build of the source at this place.
fn made_up(number: usize) -> String {
    format!("{PREFIX}{number}")
}

/// An index of packages that depend on what the builds need.
fn as_packages(wanted: &[BuildDepSource<'_>], architecture: &str) -> String {
    let mut text = String::new();
    for (number, BuildDepSource { relations, .. }) in wanted.iter().enumerate() {
        let name = made_up(number);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Package: {name}\nVersion: 1\nArchitecture: {architecture}");
        for (field, value) in [("Depends", &relations.depends), ("Conflicts", &relations.conflicts)] {
            if !value.is_empty() {
                let _ = writeln!(text, "{field}: {value}");
            }
        }
        let _ = writeln!(text, "Filename: {name}\nSize: 0\nSHA256: {}\n", Sha256::of(b""));
    }
    text
}
