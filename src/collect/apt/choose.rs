//! Decides which packages to take: everything, or a closure; and the sources of either.

use std::collections::{BTreeMap, BTreeSet};

use super::closure::{Index as ClosureIndex, Pin, Request, UnusableEntry, solve};
use super::suite::{Index, SuiteData};
use super::{AptError, component_of};
use crate::collect::Collecting;
use crate::digest::Sha256;
use crate::file_error::FileError;
use crate::formats::apt::archive::{Entry, IndexKind, entries};
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
    /// The same as upstream's server knows it.
    pub(super) upstream_path: String,
    /// In bytes.
    pub(super) size: u64,
    /// Its digest.
    pub(super) sha256: Sha256,
    /// Why it is carried.
    pub(super) reason: String,
}

/// What to carry of the source.
pub(super) fn choose(source: &AptSource, suites: &[SuiteData], with: &Collecting<'_>) -> Result<Vec<Chosen>, AptError> {
    let Choice { chosen, left_out } =
        if source.whole() { everything(suites, with)? } else { some(source, suites, with)? };
    let name = source.name.to_string();
    match left_out.first() {
        Some(first) if chosen.is_empty() && source.whole() => Err(AptError::NothingUsable { name, why: first.clone() }),
        _ if chosen.is_empty() => Err(AptError::NothingChosen { name }),
        _ => {
            with.tally.say(left_out.into_iter().map(|note| format!("{name}: {note}")));
            Ok(chosen)
        }
    }
}

/// Files to carry of a source, and notes on those that cannot be carried.
#[derive(Default)]
struct Choice {
    chosen: Vec<Chosen>,
    left_out: Vec<String>,
}

/// The number of entries that a note names.
const NAMED_ENTRIES: usize = 5;

impl Choice {
    /// Notes entries of the file `place` that are left out, with their reasons.
    fn leave_out(&mut self, place: &str, reasons: &[String]) {
        if reasons.is_empty() {
            return;
        }
        let named = reasons.iter().take(NAMED_ENTRIES).map(String::as_str).collect::<Vec<_>>().join("; ");
        let more = if reasons.len() > NAMED_ENTRIES { "; …" } else { "" };
        self.left_out.push(format!("{place}: {} unusable entries are left out: {named}{more}", reasons.len()));
    }

    /// Takes the files of an index for which `reason` has one, by source or package name and version.
    fn take(&mut self, of: IndexText<'_>, reason: impl Fn(&str, &str) -> Option<String>) {
        let IndexText { at, suite, index, text } = of;
        let mut unusable = Vec::new();
        for entry in entries(index.kind, text) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    unusable.push(error.to_string());
                    continue;
                }
            };
            let Some(reason) = reason(entry.name, entry.version) else { continue };
            if let Some(error) = &entry.malformed {
                unusable.push(format!("{}: {error}", entry.name));
            }
            self.chosen.extend(files_of(at, index, entry, &reason));
        }
        self.leave_out(&place(suite, index), &unusable);
    }
}

/// An index of a suite, with its text.
#[derive(Clone, Copy)]
struct IndexText<'a> {
    /// The suite's place.
    at: usize,
    suite: &'a SuiteData,
    index: &'a Index,
    text: &'a [u8],
}

/// The path of an index below its archive.
fn place(suite: &SuiteData, index: &Index) -> String {
    format!("dists/{}/{}", suite.name, index.path)
}

fn files_of(suite: usize, index: &Index, entry: Entry<'_>, reason: &str) -> impl Iterator<Item = Chosen> {
    let component = component_of(index.path.as_str());
    entry.files.into_iter().map(move |file| Chosen {
        suite,
        component: component.clone(),
        name: entry.name.to_owned(),
        version: entry.version.to_owned(),
        architecture: entry.architecture.to_owned(),
        upstream_path: file.upstream_path().to_owned(),
        path: file.path,
        size: file.size,
        sha256: file.sha256,
        reason: reason.to_owned(),
    })
}

/// Every file of every index, one index at a time.
fn everything(suites: &[SuiteData], with: &Collecting<'_>) -> Result<Choice, AptError> {
    let mut choice = Choice::default();
    for (at, suite) in suites.iter().enumerate() {
        for index in &suite.indexes {
            let text = suite.read(index, with)?;
            choice.take(IndexText { at, suite, index, text: &text }, |_, _| Some("whole suite".to_owned()));
        }
    }
    Ok(choice)
}

/// The closure of what the selection names.
fn some(source: &AptSource, suites: &[SuiteData], with: &Collecting<'_>) -> Result<Choice, AptError> {
    let mut texts: Vec<(usize, &Index, Vec<u8>)> = Vec::new();
    for (at, suite) in suites.iter().enumerate() {
        for index in suite.indexes.iter().filter(|index| index.kind == IndexKind::Packages) {
            texts.push((at, index, suite.read(index, with)?));
        }
    }
    let installed =
        source.installed.as_ref().map(|path| std::fs::read(path).map_err(FileError::on::<AptError>("read", path)));
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
    let (mut choice, mut sources) = (Choice::default(), BTreeMap::new());
    leave_out_unusable(&mut choice, source, suites, &texts, &solution.unusable);
    for pick in solution.picks {
        let Some((suite, index, _)) = texts.get(pick.index) else { continue };
        let control = pick.package.control;
        sources.entry(source_of(&pick.package)).or_insert_with(|| format!("source of {}", control.name));
        choice.chosen.push(Chosen {
            suite: *suite,
            component: component_of(index.path.as_str()),
            name: control.name.to_owned(),
            version: control.version.to_owned(),
            architecture: control.architecture.to_owned(),
            path: pick.package.path().map_err(AptError::Path)?,
            upstream_path: pick.package.filename.to_owned(),
            size: pick.package.size,
            sha256: pick.package.sha256,
            reason: pick.reason.to_string(),
        });
    }
    for (at, suite) in suites.iter().enumerate() {
        for index in suite.indexes.iter().filter(|index| index.kind == IndexKind::Sources) {
            let reason = |name: &str, version: &str| sources.get(&(name.to_owned(), version.to_owned())).cloned();
            let text = suite.read(index, with)?;
            choice.take(IndexText { at, suite, index, text: &text }, reason);
        }
    }
    Ok(choice)
}

/// Notes entries that the closure could not use, by the files that they stand in.
fn leave_out_unusable(
    choice: &mut Choice,
    source: &AptSource,
    suites: &[SuiteData],
    texts: &[(usize, &Index, Vec<u8>)],
    unusable: &[UnusableEntry],
) {
    let mut by_file: BTreeMap<Option<usize>, Vec<String>> = BTreeMap::new();
    for UnusableEntry { index, error } in unusable {
        by_file.entry(*index).or_default().push(error.to_string());
    }
    for (index, reasons) in by_file {
        let index = index.and_then(|index| texts.get(index));
        let index = index.and_then(|(at, index, _)| Some(place(suites.get(*at)?, index)));
        let status = || source.installed.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        choice.leave_out(&index.unwrap_or_else(status), &reasons);
    }
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
