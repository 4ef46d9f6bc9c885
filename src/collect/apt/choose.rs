//! Decides which packages to take: everything, or a closure; and the sources of either.

use std::collections::{BTreeMap, BTreeSet};

use super::closure::{Index as ClosureIndex, Pin, Request, solve};
use super::suite::{Index, SuiteData};
use super::{AptError, component_of};
use crate::collect::Collecting;
use crate::digest::Sha256;
use crate::file_error::FileError;
use crate::formats::apt::archive::{IndexFileError, IndexKind, entries};
use crate::formats::apt::packages::Package;
use crate::path::PublishPath;
use crate::selection::AptSource;

/// A file to carry.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// The suite that lists it, by its place.
    pub(super) suite: usize,
    /// Its component.
    pub(super) component: String,
    /// The package.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its architecture; `source` for a source package.
    pub(super) architecture: String,
    /// Where it is, below the root of the archive.
    pub(super) path: PublishPath,
    /// In bytes.
    pub(super) size: u64,
    /// Its digest.
    pub(super) sha256: Sha256,
    /// Why it is carried.
    pub(super) reason: String,
}

/// What to carry of the source.
pub(super) fn choose(source: &AptSource, suites: &[SuiteData], with: &Collecting<'_>) -> Result<Vec<Chosen>, AptError> {
    let chosen = if source.whole() { everything(suites, with)? } else { some(source, suites, with)? };
    if chosen.is_empty() { Err(AptError::NothingChosen { name: source.name.to_string() }) } else { Ok(chosen) }
}

/// Every file of every index, one index at a time.
fn everything(suites: &[SuiteData], with: &Collecting<'_>) -> Result<Vec<Chosen>, AptError> {
    let mut chosen = Vec::new();
    for (at, suite) in suites.iter().enumerate() {
        for index in &suite.indexes {
            chosen.extend(files_of(at, index, &suite.read(index, with)?, |_, _| Some("whole suite".to_owned()))?);
        }
    }
    Ok(chosen)
}

/// The files of an index for which `reason` has one, by source or package name and version.
fn files_of(
    suite: usize,
    index: &Index,
    text: &[u8],
    reason: impl Fn(&str, &str) -> Option<String>,
) -> Result<Vec<Chosen>, AptError> {
    let mut chosen = Vec::new();
    for entry in entries(index.kind, text) {
        let entry = entry.map_err(IndexFileError::entry(&index.path))?;
        let Some(reason) = reason(entry.name, entry.version) else { continue };
        if let Some(error) = entry.malformed {
            return Err(AptError::Path(error));
        }
        chosen.extend(entry.files.into_iter().map(|(path, size, sha256)| Chosen {
            suite,
            component: component_of(index.path.as_str()),
            name: entry.name.to_owned(),
            version: entry.version.to_owned(),
            architecture: entry.architecture.to_owned(),
            path,
            size,
            sha256,
            reason: reason.clone(),
        }));
    }
    Ok(chosen)
}

/// The closure of what the selection names.
fn some(source: &AptSource, suites: &[SuiteData], with: &Collecting<'_>) -> Result<Vec<Chosen>, AptError> {
    let mut texts: Vec<(usize, &Index, Vec<u8>)> = Vec::new();
    for (at, suite) in suites.iter().enumerate() {
        for index in suite.indexes.iter().filter(|index| index.kind == IndexKind::Packages) {
            texts.push((at, index, suite.read(index, with)?));
        }
    }
    let installed = source
        .installed
        .as_ref()
        .map(|path| std::fs::read(path).map_err(FileError::on_named::<AptError>("read", path)));
    let installed = installed.transpose()?;
    let first = suites.first();
    let indexes = texts.iter().map(|(at, _, text)| closure_index(suites.get(*at), text)).collect();
    let request = Request {
        architecture: first.map_or("", |suite| suite.architecture.as_str()),
        foreign: first.map(|suite| suite.foreign.iter().map(String::as_str).collect()).unwrap_or_default(),
        indexes,
        seeds: source.packages.iter().map(|seed| seed.0.clone()).collect(),
        priorities: source.priorities.iter().map(|priority| priority.0).collect(),
        tasks: source.tasks.clone(),
        recommends: source.recommends,
        installed: installed.as_deref(),
    };
    let solution = solve(&request)?;
    let (mut chosen, mut sources) = (Vec::new(), BTreeMap::new());
    for pick in solution.picks {
        let Some((suite, index, _)) = texts.get(pick.index) else { continue };
        let control = pick.package.control;
        sources.entry(source_of(&pick.package)).or_insert_with(|| format!("source of {}", control.name));
        chosen.push(Chosen {
            suite: *suite,
            component: component_of(index.path.as_str()),
            name: control.name.to_owned(),
            version: control.version.to_owned(),
            architecture: control.architecture.to_owned(),
            path: pick.package.path().map_err(AptError::Path)?,
            size: pick.package.size,
            sha256: pick.package.sha256,
            reason: pick.reason.to_string(),
        });
    }
    for (at, suite) in suites.iter().enumerate() {
        for index in suite.indexes.iter().filter(|index| index.kind == IndexKind::Sources) {
            let reason = |name: &str, version: &str| sources.get(&(name.to_owned(), version.to_owned())).cloned();
            chosen.extend(files_of(at, index, &suite.read(index, with)?, reason)?);
        }
    }
    Ok(chosen)
}

fn closure_index<'a>(suite: Option<&'a SuiteData>, text: &'a [u8]) -> ClosureIndex<'a> {
    let Some(suite) = suite else { return ClosureIndex { text, ..ClosureIndex::default() } };
    let release = &suite.release;
    let pin = match (release.not_automatic, release.but_automatic_upgrades) {
        (false, _) => Pin::Normal,
        (true, true) => Pin::ButAutomaticUpgrades,
        (true, false) => Pin::NotAutomatic,
    };
    let names = [Some(suite.name.as_str()), release.suite.as_deref(), release.codename.as_deref()];
    let suites: BTreeSet<&str> = names.into_iter().flatten().collect();
    ClosureIndex { text, pin, suites: suites.into_iter().collect() }
}

/// Name and version of the source of a package (Debian Policy 5.6.1).
fn source_of(package: &Package<'_>) -> (String, String) {
    let field = package.stanza.field("Source").unwrap_or(package.control.name);
    let (source, version) = field
        .split_once(" (")
        .map_or((field, package.control.version), |(source, rest)| (source, rest.trim_end_matches(')')));
    (source.trim().to_owned(), version.to_owned())
}
