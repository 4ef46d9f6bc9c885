//! Collects Debian packages from signed archives and from folders of local .debs.
//!
//! `archives` finds out what is wanted from where, `suite` fetches and verifies a suite's metadata, `choose` decides
//! which packages to take, `choice` reads them from the indexes, and this file fetches them and says what was collected: one collection per archive.

mod archives;
mod build_dep;
mod choice;
mod choose;
pub mod closure;
mod coverage;
mod lists;
mod local;
mod mirrors;
mod picked;
mod preferences;
mod suite;

use std::collections::{BTreeMap, BTreeSet};

use self::archives::{Presence, WantedArchive};
use self::choice::ChosenPackageFile;
use self::suite::SuiteData;
use super::omission::Omission;
use super::{CollectContext, CollectError, Selected};
use crate::collection::{Collection, Item, Proof, Publish};
use crate::error_class::Fault;
use crate::formats::apt::archive::IndexName;
use crate::formats::apt::mirror_list::MirroredFile;
use crate::formats::signed_digest::SignedDigest;
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::{AptPlace, AptSource};

/// Collects one source of the selection: a collection for each archive of it.
pub fn collect(source: &AptSource, with: &CollectContext<'_>) -> Result<Vec<Collection>, CollectError> {
    let mut notes = Vec::new();
    let found = match &source.place {
        AptPlace::Folder(folder) => return Ok(vec![local::collect(source, folder, with)?]),
        AptPlace::Archive { url, keyring } => vec![archives::of_url(source, url, keyring)?],
        AptPlace::SourceLists(lists) => {
            archives::name_archives(source, lists, lists::archives(source, lists, &mut notes, with)?)?
        }
    };
    let fetched = fetch_suites(source, found, &mut notes, with);
    with.tally.say(notes.into_iter().map(|note| format!("{}: {note}", source.name)));
    let (archives, mut suites) = fetched?;
    coverage::everything_was_found(source, &archives, &mut suites, with)?;
    let missing =
        suites.iter().flat_map(|suite| suite.client_indexes.missing.iter().chain(&suite.pdiffs.missing)).cloned();
    with.tally.missing_indexes.borrow_mut().extend(missing);
    let chosen = choose::choose(source, &suites, with)?;
    let chosen = fetch(source, &archives, &suites, chosen, with)?;
    let publish = source.publish;
    archives.iter().enumerate().map(|(at, archive)| describe(publish, at, archive, &suites, &chosen, with)).collect()
}

/// Fetches the suites of the archives. Returns them with the archives that have any.
fn fetch_suites(
    source: &AptSource,
    found: Vec<WantedArchive>,
    notes: &mut Vec<String>,
    with: &CollectContext<'_>,
) -> Result<(Vec<WantedArchive>, Vec<SuiteData>), CollectError> {
    let (mut archives, mut suites) = (Vec::new(), Vec::new());
    for mut archive in found {
        mirrors::settle(&mut archive, notes, with);
        let mut present = Vec::new();
        for wanted in std::mem::take(&mut archive.suites) {
            match suite::fetch(archives.len(), &archive, &wanted, source, with) {
                Ok(suite) => {
                    suites.push(suite);
                    present.push(wanted);
                }
                Err(CollectError::Absent(_)) if wanted.presence == Presence::Optional => {
                    let (url, suite) = (archive.origin(), &wanted.suite);
                    let note =
                        format!("{url} has no suite {suite}, which a source list names for another architecture");
                    let why = format!("{url} does not have it; a source list names it for another architecture");
                    let omission = Omission::new(format!("the suite {suite}"), why).noted(note);
                    with.tally.leave_out(Kind::Apt, &source.name, [omission]);
                }
                Err(error) => return Err(wanted.explain(&archive, error)),
            }
        }
        if !present.is_empty() {
            archives.push(WantedArchive { suites: present, ..archive });
        }
    }
    Ok((archives, suites))
}

/// Fetches what the depot lacks of the chosen files. Returns those that are there: where the selection says so, packages of
/// which the upstream lacks a file are left out.
fn fetch(
    source: &AptSource,
    archives: &[WantedArchive],
    suites: &[SuiteData],
    mut chosen: Vec<ChosenPackageFile>,
    with: &CollectContext<'_>,
) -> Result<Vec<ChosenPackageFile>, CollectError> {
    let mut selected = Vec::with_capacity(chosen.len());
    // Of several archives that have a file the first is asked: the last of equal digests counts.
    for file in chosen.iter().rev() {
        let Some(archive) = suites.get(file.suite).and_then(|suite| archives.get(suite.archive)) else { continue };
        let urls = archive.file_urls(&file.upstream_path, &mirrored(file, suites));
        selected.push(Selected { urls, size: file.size, digest: file.digest });
    }
    let lacking = with.fetch_available("fetching packages", selected, source.missing)?;
    let lacking: BTreeSet<_> = chosen.iter().filter(|file| lacking.contains(&file.digest)).map(package_of).collect();
    let names: BTreeSet<_> =
        lacking.iter().map(|(_, name, version, architecture, _)| (name, version, architecture)).collect();
    let left_out = names.into_iter().map(|(name, version, architecture)| {
        let what = format!("{name} {version} {architecture}");
        let note = format!("left out {what}, which upstream lists and does not have");
        Omission::new(what, "upstream lists it and does not have it").noted(note)
    });
    with.tally.leave_out(Kind::Apt, &source.name, left_out);
    chosen.retain(|file| !lacking.contains(&package_of(file)));
    match chosen.is_empty() {
        true => Err(nothing_chosen(source).into()),
        false => Ok(chosen),
    }
}

/// Makes the error of a source without packages to carry.
fn nothing_chosen(source: &AptSource) -> Fault {
    let name = &source.name;
    Fault::usage(format!(
        "the source {name} yields no packages: all of it is installed already, or its suites are empty"
    ))
}

/// Lists words in a message, each once.
fn words<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let unique: BTreeSet<String> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    Vec::from_iter(unique).join(" ")
}

/// The file as limits of mirrors name it. None is for files of source packages.
fn mirrored<'f>(file: &'f ChosenPackageFile, suites: &'f [SuiteData]) -> MirroredFile<'f> {
    let release = suites.get(file.suite).map(|suite| &suite.release).filter(|_| file.architecture != "source");
    let Some(release) = release else { return MirroredFile::default() };
    MirroredFile {
        kind: "deb",
        architecture: &file.architecture,
        component: &file.component,
        language: "",
        suite: release.suite.as_deref().unwrap_or_default(),
        codename: release.codename.as_deref().unwrap_or_default(),
    }
}

/// The package that the file is of: the place of its suite, name, version and architecture. Archives may list several builds
/// of one version, of which one may be there, so a binary package has its digest too.
fn package_of(file: &ChosenPackageFile) -> (usize, String, String, String, Option<SignedDigest>) {
    let build = (file.architecture != "source").then_some(file.digest);
    (file.suite, file.name.clone(), file.version.clone(), file.architecture.clone(), build)
}

/// What was collected from one archive.
fn describe(
    publish: Publish,
    at: usize,
    archive: &WantedArchive,
    suites: &[SuiteData],
    chosen: &[ChosenPackageFile],
    with: &CollectContext<'_>,
) -> Result<Collection, CollectError> {
    let mut files = BTreeMap::new();
    let mut items: BTreeMap<PublishPath, Item> = BTreeMap::new();
    for file in chosen {
        let Some(suite) = suites.get(file.suite).filter(|suite| suite.archive == at) else { continue };
        let sha256 = with.blob(&file.digest, file.size);
        if files.insert(file.path.clone(), sha256).is_some_and(|other| other != sha256) {
            return Err(Fault::unverified(format!("two different files claim the path {}", file.path)).into());
        }
        items.entry(file.path.clone()).or_insert_with(|| Item {
            architecture: file.architecture.clone(),
            file: file.path.clone(),
            licence: String::new(), // an index does not say
            details: Details::Deb {
                component: (!suite.name.is_flat()).then(|| file.component.clone()),
                suite: suite.name.clone(),
            },
            name: file.name.clone(),
            proof: Some(suite.signed_file.clone()),
            publisher: suite.release.origin.clone().unwrap_or_default(),
            reason: file.reason.clone(),
            source: file.source.clone(),
            version: file.version.clone(),
        });
    }
    let mut proofs: Vec<Proof> =
        suites.iter().filter(|suite| suite.archive == at).flat_map(|suite| suite.proofs(with)).collect();
    proofs.sort_by(|a, b| a.path.cmp(&b.path));
    let own = suites.iter().enumerate().filter(|(_, suite)| suite.archive == at);
    let digests = own.flat_map(|(place, suite)| {
        chosen.iter().filter(move |file| file.suite == place).map(|file| file.digest).chain(suite.digests())
    });
    Ok(Collection {
        files,
        items: items.into_values().collect(),
        kind: Kind::Apt,
        name: archive.name.clone(),
        origin: Origin::Url(archive.origin()),
        proofs,
        publish,
        second_digest: SignedDigest::second_kind(digests),
        source: archive.name.clone(),
    })
}

/// The component that an index stands for.
fn component_of(path: &str) -> String {
    IndexName::parse(path).map(|name| name.component.to_owned()).unwrap_or_default()
}
