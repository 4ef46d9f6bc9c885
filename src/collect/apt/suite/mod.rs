//! Fetches a suite's metadata and verifies it: signature, dates, and the indexes that its Release vouches for.

pub(super) mod client_indexes;
mod data;
mod files;
mod index;
pub(super) mod pdiffs;
mod signed;

pub(super) use self::data::SuiteData;
pub(super) use self::index::StoredIndex;

use self::files::SuiteFiles;
use self::index::{flat_architectures, listed_indexes, respelled_form, respelled_index, wanted_indexes};
use self::pdiffs::Pdiffs;
use self::signed::{Files, no_suite, signed_release};
use super::archives::{SuiteRequest, WantedArchive};
use crate::collect::{CollectContext, CollectError};
use crate::collection::Publish;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::apt::suite_name::SuiteName;
use crate::path::PublishPath;
use crate::selection::AptSource;

/// Fetches the suite's signed file and the wanted indexes.
pub(super) fn fetch(
    at: usize,
    archive: &WantedArchive,
    wanted: &SuiteRequest,
    source: &AptSource,
    with: &CollectContext<'_>,
) -> Result<SuiteData, CollectError> {
    let suite = &wanted.suite;
    if suite.is_flat() && source.publish == Publish::Reprepro {
        return Err(flat_for_reprepro(archive, suite).into());
    }
    let (signed, release) = signed_release(archive, wanted, with)?;
    signed::check(&release.release, archive, suite, source, with.now)?;
    let stored = store_signed(signed, suite, with)?;
    let suite_files = SuiteFiles { archive, wanted, release: &release.release };
    let FetchedIndexes { indexes, respelled } = fetch_indexes(&suite_files, source, with)?;
    note_unreadable_date(&suite_files, source, with);
    let client_indexes = client_indexes::fetch(&suite_files, &indexes, source, with)?;
    let of_clients = client_indexes.carried.iter().map(|(path, _)| path);
    let pdiffs = match source.wants_pdiffs() {
        true => pdiffs::fetch(&suite_files, indexes.iter().map(|index| &index.path).chain(of_clients), with)?,
        false => Pdiffs::default(),
    };
    let signed_file = stored.first().map(|(path, _)| PublishPath::clone(path));
    let mut signers: Vec<String> = release.signers.into_iter().map(|signer| signer.fingerprint).collect();
    signers.sort();
    signers.dedup();
    Ok(SuiteData {
        archive: at,
        name: suite.clone(),
        site: archive.url.host_str().unwrap_or_default().to_owned(),
        signed_file: signed_file.ok_or_else(|| no_suite(archive, suite))?,
        release: release.release,
        architectures: wanted.architectures(),
        flat_architectures: flat_architectures(&indexes, with)?,
        signed: stored,
        signers,
        indexes,
        client_indexes,
        pdiffs,
        respelled,
    })
}

/// Makes the error of a flat suite for reprepro.
fn flat_for_reprepro(archive: &WantedArchive, suite: &SuiteName) -> Fault {
    let url = archive.origin();
    Fault::usage(format!(
        "{suite} of {url} is a flat suite, and reprepro publishes none: write publish = \"re-indexed\" or \"verbatim\""
    ))
}

/// Stores the signed files. Returns their paths and digests.
fn store_signed(
    signed: Files,
    suite: &SuiteName,
    with: &CollectContext<'_>,
) -> Result<Vec<(PublishPath, Sha256)>, CollectError> {
    let mut batch = with.depot.batch();
    let mut stored = Vec::new();
    for (file, bytes) in signed {
        let path = suite.path(file).parse()?;
        stored.push((path, with.depot.put(&mut batch, &bytes)?));
    }
    batch.commit()?;
    Ok(stored)
}

/// The wanted indexes of a suite.
struct FetchedIndexes {
    /// Those that are in the depot.
    indexes: Vec<StoredIndex>,
    /// Those that the Release lists under paths where apt does not find them.
    respelled: Vec<Fault>,
}

/// Fetches the wanted indexes. Fails if apt finds none of those that the Release lists.
fn fetch_indexes(
    files: &SuiteFiles<'_>,
    source: &AptSource,
    with: &CollectContext<'_>,
) -> Result<FetchedIndexes, CollectError> {
    let SuiteFiles { archive, wanted, release } = files;
    let suite = &wanted.suite;
    let plain = wanted_indexes(release, wanted);
    let listed = listed_indexes(release, &plain);
    let forms = plain.iter().filter_map(|path| respelled_form(release, path));
    let mut respelled: Vec<Fault> = forms.map(|found| respelled_index(archive, suite, found)).collect();
    if listed.is_empty() && !respelled.is_empty() {
        return Err(respelled.remove(0).into());
    }
    with.tally.say(respelled.iter().map(|error| format!("{}: {error}", source.name)));
    let indexes = files.fetch_first_forms(listed, with)?;
    if suite.is_flat() && indexes.is_empty() {
        let url = archive.origin();
        return Err(Fault::unverified(format!(
            "the flat suite {suite} of {url} lists none of the wanted indexes Packages and Sources"
        ))
        .into());
    }
    Ok(FetchedIndexes { indexes, respelled })
}

/// Tells the user of a date that apt cannot read either.
fn note_unreadable_date(files: &SuiteFiles<'_>, source: &AptSource, with: &CollectContext<'_>) {
    let (suite, undated) = (&files.wanted.suite, files.release.unreadable_date.as_ref());
    with.tally.say(undated.map(|text| {
        let text = text.escape_debug();
        format!(
            "{}: the Release of {suite} counts as undated, for apt too: it cannot read the date {text}",
            source.name
        )
    }));
}
