//! Decides which packages to take: everything, or a closure; and the sources of either.

use super::archives::host_architecture;
use super::build_dep;
use super::choice::{AptChoice, ChosenFiles, IndexText};
use super::closure::{AbsentSeeds, ClosureIndex, ClosureInputs, ClosureRequest, Pin, UnusableEntry};
use super::picked::PickedPackages;
use super::suite::SuiteData;
use super::{nothing_chosen, words};
use crate::collect::omission::Omission;
use crate::collect::{CollectContext, CollectError};
use crate::error_class::Fault;
use crate::formats::apt::archive::{IndexKind, IndexName};
use crate::formats::apt::packages::Priority;
use crate::formats::apt::preferences::IndexOrigin;
use crate::formats::apt::seed::Seed;
use crate::kind::Kind;
use crate::selection::AptSource;
use crate::storage::FileError;

/// What to carry of the source.
pub(super) fn choose(
    source: &AptSource,
    suites: &[SuiteData],
    with: &CollectContext<'_>,
) -> Result<ChosenFiles, CollectError> {
    let AptChoice { chosen, left_out } =
        if source.whole() { everything(suites, with)? } else { some(source, suites, with)? };
    let name = &source.name;
    match left_out.first().map(Omission::note) {
        Some(first) if chosen.is_empty() && source.whole() => {
            Err(Fault::unverified(format!("the source {name} yields no packages that can be carried: {first}")).into())
        }
        _ if chosen.is_empty() => Err(nothing_chosen(source).into()),
        _ => {
            with.tally.leave_out(Kind::Apt, name, left_out);
            Ok(chosen)
        }
    }
}

/// Every file of every index, one index at a time.
fn everything(suites: &[SuiteData], with: &CollectContext<'_>) -> Result<AptChoice, CollectError> {
    let mut choice = AptChoice::default();
    for (at, suite) in suites.iter().enumerate() {
        for index in &suite.indexes {
            let text = IndexText { at, suite, index, bytes: index.read(with)? };
            choice.take(&text, |entry| suite.wants(entry).then(|| "whole suite".to_owned()));
        }
    }
    Ok(choice)
}

/// The closure of what the selection names: in every suite and archive that lists a package, so that a client of some of
/// them finds there what upstream has there.
fn some(source: &AptSource, suites: &[SuiteData], with: &CollectContext<'_>) -> Result<AptChoice, CollectError> {
    let texts = texts(suites, IndexKind::Packages, with)?;
    let installed = source
        .installed
        .as_ref()
        .map(|path| std::fs::read(path).map_err(FileError::on_named::<CollectError>("read", path)));
    let installed = installed.transpose()?;
    let preferences = super::preferences::read(source)?;
    let mut request =
        ClosureRequest { installed: installed.as_deref(), preferences, ..request(source, suites, &texts) };
    let archive = ClosureInputs::read(&request);
    request.seeds.retain(|seed| !is_optional(source, seed) || archive.has_package(&seed.name));
    let (mut picked, mut choice) = (PickedPackages::default(), AptChoice::default());
    if !source.asks_for_no_binaries() {
        let solution = archive.solve(&request)?;
        leave_out_of_status(&mut choice, source, &solution.unusable);
        picked.add(&solution)?;
    }
    if !source.debootstrap.is_empty() {
        request.seeds.retain(|seed| !is_optional(source, seed) || seed.name != MERGED);
        picked.add(&archive.solve(&request)?)?;
    }
    for suite in self_contained(source, suites)? {
        solve_alone(source, suites, &texts, suite, &mut picked)?;
    }
    let sources = self::texts(suites, IndexKind::Sources, with)?;
    build_dep::add(source, &request, &texts, &sources, &mut picked, &mut choice)?;
    for text in &texts {
        choice.take(text, |entry| picked.reason(entry));
    }
    for text in &sources {
        choice.take(text, |entry| picked.source_reason(entry));
    }
    Ok(choice)
}

/// Notes entries of the target's status that the closure could not use. Those of indexes are noted where their files are
/// taken.
fn leave_out_of_status(choice: &mut AptChoice, source: &AptSource, unusable: &[UnusableEntry]) {
    let of_status = unusable.iter().filter(|entry| entry.index.is_none());
    let reasons: Vec<String> = of_status.map(|entry| entry.error.to_string()).collect();
    let status = source.installed.as_ref().map(|path| path.display().to_string());
    choice.leave_out(&status.unwrap_or_default(), &reasons);
}

/// The indexes of one kind.
fn texts<'s>(
    suites: &'s [SuiteData],
    kind: IndexKind,
    with: &CollectContext<'_>,
) -> Result<Vec<IndexText<'s>>, CollectError> {
    let mut texts = Vec::new();
    for (at, suite) in suites.iter().enumerate() {
        for index in suite.indexes.iter().filter(|index| index.kind == kind) {
            texts.push(IndexText { at, suite, index, bytes: index.read(with)? });
        }
    }
    Ok(texts)
}

/// The priorities whose packages debootstrap's scripts put into every system.
const BOOTSTRAP_PRIORITIES: [Priority; 2] = [Priority::Required, Priority::Important];
/// The packages that debootstrap asks for by name if a suite has them: `apt` in the smallest variant, `usr-is-merged` instead
/// of `usrmerge`, and `ca-certificates` if the mirror is reached over TLS.
const BOOTSTRAP_NAMES: [&str; 3] = ["apt", MERGED, "ca-certificates"];
/// The package that debootstrap takes instead of `usrmerge`. mmdebstrap goes by apt, which prefers `usrmerge`, so the closure
/// is solved with it and without it.
const MERGED: &str = "usr-is-merged";

/// Returns whether the seed may be left out: debootstrap's, which the selection does not name.
fn is_optional(source: &AptSource, seed: &Seed) -> bool {
    BOOTSTRAP_NAMES.contains(&seed.name.as_str()) && source.packages.iter().all(|own| own != seed)
}

/// Makes the request of the source over all of its suites.
fn request<'a>(source: &AptSource, suites: &'a [SuiteData], texts: &'a [IndexText<'_>]) -> ClosureRequest<'a> {
    let mut architectures = architectures(source, suites).into_iter();
    let bootstrap = !source.debootstrap.is_empty();
    let (names, priorities) =
        if bootstrap { (&BOOTSTRAP_NAMES[..], &BOOTSTRAP_PRIORITIES[..]) } else { (&[][..], &[][..]) };
    ClosureRequest {
        architecture: architectures.next().unwrap_or_default(),
        foreign: architectures.collect(),
        indexes: texts.iter().map(closure_index).collect(),
        seeds: source.packages.iter().cloned().chain(names.iter().map(Seed::named)).collect(),
        priorities: source.priorities.iter().map(|priority| priority.0).chain(priorities.iter().copied()).collect(),
        tasks: source.tasks.clone(),
        recommends: source.recommends,
        ..ClosureRequest::default()
    }
}

/// The architectures of all suites, the native one first: the first of the selection, or else the host's, or else the first
/// of the source lists.
fn architectures<'s>(source: &AptSource, suites: &'s [SuiteData]) -> Vec<&'s str> {
    let mut architectures: Vec<&str> = Vec::new();
    for name in suites.iter().flat_map(|suite| &suite.architectures) {
        if !architectures.contains(&name.as_str()) {
            architectures.push(name);
        }
    }
    // The sort is stable: the others keep their order.
    let native = source.architectures.first().map_or(host_architecture(), String::as_str);
    architectures.sort_by_key(|name| *name != native);
    architectures
}

/// The places of the suites that must be complete by themselves.
fn self_contained(source: &AptSource, suites: &[SuiteData]) -> Result<Vec<usize>, Fault> {
    let mut places = Vec::new();
    for wanted in source.complete_alone() {
        let before = places.len();
        places.extend((0..suites.len()).filter(|at| suites.get(*at).is_some_and(|suite| suite.is_called(wanted))));
        if places.len() == before {
            let (name, known) = (&source.name, words(suites.iter().map(|suite| suite.name.to_string())));
            return Err(Fault::usage(format!(
                "{wanted} is to be complete alone, and is no suite of {name}; there are the suites {known}"
            )));
        }
    }
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

/// Adds the closure over one suite of what that suite has of what the source asks for.
fn solve_alone(
    source: &AptSource,
    suites: &[SuiteData],
    texts: &[IndexText<'_>],
    suite: usize,
    picked: &mut PickedPackages,
) -> Result<(), CollectError> {
    let mut request = request(source, suites, texts);
    let own = texts.iter().filter(|text| text.at == suite);
    request.indexes = own.map(closure_index).collect();
    request.absent = AbsentSeeds::LeaveOut;
    let archive = ClosureInputs::read(&request);
    request.seeds.retain(|seed| !is_optional(source, seed) || archive.has_package(&seed.name));
    let refused = |error| {
        let suite = suites.get(suite).map(|suite| suite.name.to_string()).unwrap_or_default();
        let what = "cannot be self-contained: without the other suites its packages have no closure";
        Fault::usage(format!("the suite {suite} {what}")).because(error)
    };
    picked.add(&archive.solve(&request).map_err(refused)?)?;
    if !source.debootstrap.is_empty() {
        request.seeds.retain(|seed| !is_optional(source, seed) || seed.name != MERGED);
        picked.add(&archive.solve(&request).map_err(refused)?)?;
    }
    Ok(())
}

fn closure_index<'a>(text: &'a IndexText<'_>) -> ClosureIndex<'a> {
    let (suite, release) = (text.suite, &text.suite.release);
    let pin = match (release.not_automatic, release.but_automatic_upgrades) {
        (false, _) => Pin::Normal,
        (true, true) => Pin::ButAutomaticUpgrades,
        (true, false) => Pin::NotAutomatic,
    };
    let name = IndexName::parse(text.index.path.as_str());
    let origin = IndexOrigin {
        site: &suite.site,
        archive: release.suite.as_deref().unwrap_or_default(),
        codename: release.codename.as_deref().unwrap_or_default(),
        version: release.version.as_deref().unwrap_or_default(),
        origin: release.origin.as_deref().unwrap_or_default(),
        label: release.label.as_deref().unwrap_or_default(),
        component: name.as_ref().map_or("", |name| name.component),
        architecture: name.as_ref().map_or("", |name| name.architecture),
    };
    ClosureIndex { text: &text.bytes, pin, origin, suites: suite.names().into_iter().collect() }
}
