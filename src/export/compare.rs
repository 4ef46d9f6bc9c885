//! Compares collected content with the content of the last bundle.

use std::collections::BTreeSet;

use crate::address::Address;
use crate::bundle::FormatError;
use crate::bundle::state::list_changes::{self, LineChange};
use crate::bundle::state::lists::{CollectionProofs, ListedCollections};
use crate::bundle::state::manifest::StateCollection;
use crate::bundle::state::{ListLine, ProofLine};
use crate::collection::suites;
use crate::collection_change::{ClientView, ClientWarning, CollectionChange, changes};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::formats::apt::suite_name::folder_of_suite;
use crate::formats::simplestreams::MAX_STREAM_BYTES;
use crate::kind::{Kind, ProofTrace};
use crate::terminal::safe;
use crate::time::Time;
use crate::trust::{Dates, OlderUpstream, OtherStream, check_date, check_stream, note_date};

/// An image has other bytes than the last bundle had under the same version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path} is not what the last bundle had under that name: clients take it for the same file, so give the changed image \
     another version in the selection"
)]
pub struct SameVersion {
    /// The image, with its collection.
    pub path: String,
}

/// A state that is compared: its collections, and their proofs.
pub(crate) struct ComparedState<'a> {
    pub(crate) listed: ListedCollections<'a>,
    pub(crate) proofs: Vec<CollectionProofs<'a>>,
}

impl<'a> ComparedState<'a> {
    /// Reads the proofs.
    pub(crate) fn of(listed: ListedCollections<'a>) -> Result<Self, FormatError> {
        Ok(Self { listed, proofs: listed.proofs()? })
    }
}

/// The items of two states, compared.
pub(crate) struct Sameness {
    /// True if clients would see the same.
    pub(crate) is_same: bool,
    /// The first item that has other bytes under a version that people give: whoever changes one may forget to.
    pub(crate) same_version: Option<SameVersion>,
}

/// Finds out whether clients would see the same. If the site signs the metadata itself, upstream's signed files may differ: they
/// change daily, and what they vouch for does not. What clients are given of upstream's metadata as it is counts all the same.
pub(crate) fn same_for_clients(old: &ComparedState<'_>, new: &ComparedState<'_>) -> Result<Sameness, FormatError> {
    let is_same = old.proofs.len() == new.proofs.len();
    let mut sameness = Sameness { is_same, same_version: None };
    for (index, CollectionProofs { collection, proofs }) in new.proofs.iter().enumerate() {
        let Some((old_index, before)) = old.listed.find(&collection.folder()) else {
            sameness.is_same = false;
            continue;
        };
        let StateCollection { origin, publish, source, .. } = collection;
        let old_proofs = old.proofs.get(old_index).map_or(&[][..], |old| &old.proofs);
        let same_proofs = match publish.signs_anew() {
            true => traces(collection.kind, old_proofs) == traces(collection.kind, proofs),
            false => old_proofs == proofs,
        };
        sameness.is_same &=
            same_proofs && (&before.origin, &before.publish, &before.source) == (origin, publish, source);
        if before.list != collection.list {
            let (before, after) = (old.listed.lists.raw(old_index)?, new.listed.lists.raw(index)?);
            list_changes::changes(before, after, |change| {
                sameness.line(collection, change);
                Ok(())
            })?;
        }
    }
    Ok(sameness)
}

impl Sameness {
    fn line(&mut self, collection: &StateCollection, change: LineChange) {
        let (before, after) = match (change.before, change.after) {
            (None | Some(ListLine::Proof(_)), None | Some(ListLine::Proof(_))) => return,
            items => items,
        };
        self.is_same = false;
        if let (Some(ListLine::Item(before)), Some(ListLine::Item(after))) = (before, after)
            && collection.kind.is_versioned_by_hand()
            && before.sha256 != after.sha256
        {
            self.same_version.get_or_insert(SameVersion { path: format!("{}/{}", collection.folder(), after.path) });
        }
    }
}

/// Returns what clients see of upstream's metadata, if the site signs its own: folders, such as `dists/noble/main/binary-amd64`, and
/// files with their digests.
fn traces(kind: Kind, proofs: &[ProofLine]) -> BTreeSet<(&str, Option<Sha256>)> {
    proofs.iter().filter_map(|proof| trace(kind, proof)).collect()
}

fn trace(kind: Kind, proof: &ProofLine) -> Option<(&str, Option<Sha256>)> {
    match kind.proof_trace(&proof.path) {
        ProofTrace::Nothing => None,
        ProofTrace::Folder => proof.path.as_str().rsplit_once('/').map(|(folder, _)| (folder, None)),
        ProofTrace::Content => Some((proof.path.as_str(), Some(proof.sha256))),
    }
}

/// The site would refuse metadata that is older than what it has seen; a stale mirror is better found on this side.
pub(crate) fn not_older(old: &[CollectionProofs<'_>], new: &[CollectionProofs<'_>]) -> Result<(), OlderUpstream> {
    let mut seen = Dates::new();
    dates(old).for_each(|(file, date)| note_date(&mut seen, &file, date));
    dates(new).try_for_each(|(file, date)| check_date(&seen, &file, date))
}

/// The site would refuse an index that names none of the streams that it named before. An index that is not in the depot, as in a dry run, is
/// not looked at.
pub(crate) fn not_another_stream(
    old: ListedCollections<'_>,
    new: &[CollectionProofs<'_>],
    depot: &Depot,
) -> Result<Result<(), OtherStream>, FormatError> {
    for CollectionProofs { collection, proofs } in new {
        let Some((index, before)) = old.find(&collection.folder()) else { continue };
        if address(before) != address(collection) {
            continue;
        }
        let known = streams(old, index)?;
        if known.is_empty() {
            continue;
        }
        let texts: Vec<_> = proofs.iter().map(|proof| depot.read(&proof.sha256, MAX_STREAM_BYTES)).collect();
        let texts: Vec<String> =
            texts.into_iter().flatten().map(|text| String::from_utf8_lossy(&text).into_owned()).collect();
        let names = |id: &str| texts.is_empty() || texts.iter().any(|text| text.contains(&format!("\"{id}\"")));
        if let Err(other) = check_stream(&collection.folder(), known, names) {
            return Ok(Err(other));
        }
    }
    Ok(Ok(()))
}

/// Returns the content ids of the streams that list proven items of a collection. Of a kind without streams no item but the first is read.
fn streams(of: ListedCollections<'_>, index: usize) -> Result<BTreeSet<String>, FormatError> {
    let (mut list, mut streams) = (of.lists.read(index)?, BTreeSet::new());
    while let Some(line) = list.next_line()? {
        let ListLine::Item(item) = line else { continue };
        let Some(stream) = item.details.stream() else { break };
        // The collector has verified the files, and the content ids of the items.
        if item.proof.is_some() {
            streams.insert(stream.to_owned());
        }
    }
    Ok(streams)
}

fn address(collection: &StateCollection) -> Option<Address> {
    Address::of_origin(&collection.upstream())
}

/// The signed files of the collections, by collection and by address, and when upstream says that it made them.
fn dates(collections: &[CollectionProofs<'_>]) -> impl Iterator<Item = (String, Time)> {
    let all = collections.iter().flat_map(|c| c.proofs.iter().map(move |proof| (c.collection, proof)));
    all.filter_map(|(collection, proof)| {
        let at = address(collection).map(|address| format!("{address} {}", proof.path));
        let names = [Some(format!("{}/{}", collection.folder(), proof.path)), at];
        let date = proof.date?;
        Some(names.into_iter().flatten().map(move |name| (name, date)))
    })
    .flatten()
}

/// Returns the warnings for clients of the last bundle's collections, with the ways to keep what they have.
pub(crate) fn client_warnings(old: &[CollectionProofs<'_>], new: &[CollectionProofs<'_>]) -> Vec<ClientWarning> {
    let views = |of: &[CollectionProofs<'_>]| of.iter().map(view).collect::<Vec<_>>();
    let (old, new) = (views(old), views(new));
    changes(&old, &new).iter().map(|change| change.warning(message(change, &new))).collect()
}

fn view(CollectionProofs { collection, proofs }: &CollectionProofs<'_>) -> ClientView {
    let suites = suites(collection.kind, proofs.iter().map(|proof| &proof.path));
    ClientView {
        folder: collection.folder(),
        kind: collection.kind,
        origin: collection.upstream(),
        suites: suites.map(|suite| suite.to_string()).collect(),
    }
}

fn message(change: &CollectionChange<'_>, after: &[ClientView]) -> String {
    let ClientView { folder, origin, .. } = change.old();
    let (name, place) = (folder.rsplit('/').next().unwrap_or_default(), change.old().place());
    let origin = safe(origin.as_str());
    match change {
        CollectionChange::Gone { successor: None, .. } => format!(
            "{folder} (from {origin}) is no longer carried: after the import its clients are answered 404 {place}{}. To keep it, put it \
             back into the selection under the name {name}",
            and_at(change.old(), after)
        ),
        CollectionChange::Gone { successor: Some(new), .. } => format!(
            "{folder} (from {origin}) is called {} now: after the import its clients are answered 404 {place}. To keep the name, write \
             `name = \"{name}\"`, or for an archive of `sources` `names = {{ \"{origin}\" = \"{name}\" }}`, into its table",
            new.folder
        ),
        CollectionChange::Moved { new, .. } => {
            let (elsewhere, new) = (and_at(change.old(), after), safe(new.origin.as_str()));
            let alias = match elsewhere.is_empty() {
                true => String::new(),
                false => format!(
                    "; if it is a mirror of the same, a `[[serve.alias]]` in site.toml lets {folder} answer for the old address"
                ),
            };
            format!(
                "{folder} comes from {new} now, and came from {origin} before: after the import its clients find {place} what is there now\
                 {elsewhere}. To keep both, give the new upstream another name{alias}"
            )
        }
        CollectionChange::SuiteGone { suite, .. } => format!(
            "{folder} (from {origin}) no longer has the suite {suite}: after the import its clients are answered 404 at \
             /{folder}/{}. To keep it, put the suite back into the selection",
            folder_of_suite(suite)
        ),
    }
}

/// Says what answers for the upstream's own address after the import; empty for an upstream that has none.
fn and_at(old: &ClientView, after: &[ClientView]) -> String {
    let Some(address) = Address::of_origin(&old.origin) else { return String::new() };
    let other = after.iter().find(|new| Address::of_origin(&new.origin).as_ref() == Some(&address));
    match other {
        None if !old.kind.has_address() => String::new(),
        None => format!(", and nothing answers for {}", safe(old.origin.as_str())),
        Some(other) => format!(", and {} answers for {}", other.folder, safe(old.origin.as_str())),
    }
}
