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

use std::collections::BTreeSet;

use self::archives::{Presence, WantedArchive};
use self::choice::{ChosenFiles, ChosenPackageFile};
use self::suite::SuiteData;
use super::omission::Omission;
use super::{CollectContext, CollectError, SelectedPlace, cannot_list};
use crate::bundle::FormatError;
use crate::bundle::state::ItemLine;
use crate::bundle::state::line::ItemTag;
use crate::bundle::state::new_list::{CollectionHead, NewList, NewListWriter};
use crate::collection::{Proof, Publish};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::apt::archive::IndexName;
use crate::formats::apt::mirror_list::MirroredFile;
use crate::formats::signed_digest::SignedDigest;
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::{AptPlace, AptSource};

/// Collects one source of the selection. Returns the item list of each archive of it.
pub fn collect(source: &AptSource, with: &CollectContext<'_>) -> Result<Vec<NewList>, CollectError> {
    let mut notes = Vec::new();
    let found = match &source.place {
        AptPlace::Folder(folder) => return Ok(vec![with.list(&local::collect(source, folder, with)?)?]),
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
    let places = chosen.by_path();
    let list =
        |(at, archive)| CollectedArchive { at, archive, suites: &suites }.list(source.publish, &chosen, &places, with);
    archives.iter().enumerate().map(list).collect()
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
    chosen: ChosenFiles,
    with: &CollectContext<'_>,
) -> Result<ChosenFiles, CollectError> {
    let urls = |place: usize| {
        let found = chosen.get(place).and_then(|file| {
            let archive = archives.get(suites.get(file.suite)?.archive)?;
            Some(archive.file_urls(&file.upstream_path, &mirrored(&file, suites)))
        });
        found.unwrap_or_default()
    };
    let place =
        |(place, file): (usize, ChosenPackageFile)| SelectedPlace { place, size: file.size, digest: file.digest };
    let mut selected: Vec<SelectedPlace> = chosen.iter().enumerate().map(place).collect();
    // Of several archives that have a file the first is asked: the last of equal digests counts.
    selected.reverse();
    let lacking = with.fetch_available_places("fetching packages", selected, urls, source.missing)?;
    match lacking.is_empty() {
        true if chosen.is_empty() => Err(nothing_chosen(source).into()),
        true => Ok(chosen),
        false => leave_out(source, &chosen, &lacking, with),
    }
}

/// Leaves out the packages that lack a file, and says so. Returns the files of the others.
fn leave_out(
    source: &AptSource,
    chosen: &ChosenFiles,
    lacking: &BTreeSet<SignedDigest>,
    with: &CollectContext<'_>,
) -> Result<ChosenFiles, CollectError> {
    let of_lacking = chosen.iter().filter(|file| lacking.contains(&file.digest));
    let lacking: BTreeSet<_> = of_lacking.map(|file| package_of(&file)).collect();
    let names: BTreeSet<_> =
        lacking.iter().map(|(_, name, version, architecture, _)| (name, version, architecture)).collect();
    let left_out = names.into_iter().map(|(name, version, architecture)| {
        let what = format!("{name} {version} {architecture}");
        let note = format!("left out {what}, which upstream lists and does not have");
        Omission::new(what, "upstream lists it and does not have it").noted(note)
    });
    with.tally.leave_out(Kind::Apt, &source.name, left_out);
    let mut kept = ChosenFiles::default();
    chosen.iter().filter(|file| !lacking.contains(&package_of(file))).for_each(|file| kept.push(&file));
    if kept.is_empty() { Err(nothing_chosen(source).into()) } else { Ok(kept) }
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

/// An archive with its suites.
struct CollectedArchive<'a> {
    /// Its place among those of the source.
    at: usize,
    archive: &'a WantedArchive,
    /// The suites of all archives of the source.
    suites: &'a [SuiteData],
}

impl CollectedArchive<'_> {
    /// Writes the item list of what was chosen from the archive. `places` are those of the chosen files, sorted by path.
    fn list(
        &self,
        publish: Publish,
        chosen: &ChosenFiles,
        places: &[usize],
        with: &CollectContext<'_>,
    ) -> Result<NewList, CollectError> {
        let failed = cannot_list(Kind::Apt, &self.archive.name);
        let size = |sha256: Sha256| match with.size(&sha256)? {
            Some(size) => Ok(size),
            None => Err(failed(FormatError::Blob { digest: sha256, reason: "it is not in the depot" })),
        };
        let mut list = NewListWriter::create(self.head(publish, chosen), with.depot.root()).map_err(&failed)?;
        let own = self.suites.iter().filter(|suite| suite.archive == self.at);
        let mut proofs: Vec<Proof> = own.flat_map(|suite| suite.proofs(with)).collect();
        proofs.sort_by(|a, b| a.path.cmp(&b.path));
        for proof in &proofs {
            list.proof(proof, size(proof.sha256)?).map_err(&failed)?;
        }
        let mut last: Option<(PublishPath, Sha256)> = None;
        for file in places.iter().filter_map(|at| chosen.get(*at)) {
            let Some(suite) = self.suites.get(file.suite).filter(|suite| suite.archive == self.at) else { continue };
            let sha256 = with.blob(&file.digest, file.size);
            match last.as_ref().filter(|(path, _)| *path == file.path) {
                Some((_, other)) if *other == sha256 => continue,
                Some((path, _)) => {
                    return Err(Fault::unverified(format!("two different files claim the path {path}")).into());
                }
                None => last = Some((file.path.clone(), sha256)),
            }
            list.item(&item_line(file, sha256, size(sha256)?, suite)).map_err(&failed)?;
        }
        list.finish().map_err(failed)
    }

    fn head(&self, publish: Publish, chosen: &ChosenFiles) -> CollectionHead {
        let name = self.archive.name.clone();
        let is_own = |suite: usize| self.suites.get(suite).is_some_and(|suite| suite.archive == self.at);
        let of_files = chosen.iter().filter(|file| is_own(file.suite)).map(|file| file.digest);
        let own = self.suites.iter().filter(|suite| suite.archive == self.at);
        CollectionHead {
            kind: Kind::Apt,
            origin: Origin::Url(self.archive.origin()),
            publish,
            second_digest: SignedDigest::second_kind(of_files.chain(own.flat_map(SuiteData::digests))),
            source: name.clone(),
            name,
        }
    }
}

fn item_line(file: ChosenPackageFile, sha256: Sha256, size: u64, suite: &SuiteData) -> ItemLine {
    ItemLine {
        architecture: Some(file.architecture),
        details: Details::Deb {
            component: (!suite.name.is_flat()).then_some(file.component),
            suite: suite.name.clone(),
        },
        licence: None, // an index does not say
        name: file.name,
        path: file.path,
        proof: Some(suite.signed_file.clone()),
        publisher: suite.release.origin.clone().filter(|origin| !origin.is_empty()),
        reason: file.reason,
        sha256,
        size,
        source: file.source,
        tag: ItemTag::Item,
        version: file.version,
    }
}

/// The component that an index stands for.
fn component_of(path: &str) -> String {
    IndexName::parse(path).map(|name| name.component.to_owned()).unwrap_or_default()
}
