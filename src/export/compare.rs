//! Compares collected content with the content of the last bundle.

use std::collections::BTreeSet;

use crate::address::Address;
use crate::collection::{Collection, Proof};
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

/// Returns whether clients would see the same. If the site signs the metadata itself, upstream's signed files may differ: they
/// change daily, and what they vouch for does not. What clients are given of upstream's metadata as it is counts all the same.
pub(crate) fn same_for_clients(old: &[Collection], new: &[Collection]) -> bool {
    let same = |(old, new): (&Collection, &Collection)| {
        let Collection { files, items, kind, name, origin, proofs, publish, second_digest: _, source } = new;
        let same_proofs = match publish.signs_anew() {
            true => traces_of_proofs(old) == traces_of_proofs(new),
            false => old.proofs == *proofs,
        };
        same_proofs
            && (&old.files, &old.items, &old.kind, &old.name) == (files, items, kind, name)
            && (&old.origin, &old.publish, &old.source) == (origin, publish, source)
    };
    old.len() == new.len() && old.iter().zip(new).all(same)
}

/// Returns what clients see of upstream's metadata, if the site signs its own: folders, such as `dists/noble/main/binary-amd64`, and
/// files with their digests.
fn traces_of_proofs(collection: &Collection) -> BTreeSet<(&str, Option<Sha256>)> {
    let trace = |proof| trace_of_proof(collection.kind, proof);
    collection.proofs.iter().filter_map(trace).collect()
}

fn trace_of_proof(kind: Kind, proof: &Proof) -> Option<(&str, Option<Sha256>)> {
    match kind.proof_trace(&proof.path) {
        ProofTrace::Nothing => None,
        ProofTrace::Folder => proof.path.as_str().rsplit_once('/').map(|(folder, _)| (folder, None)),
        ProofTrace::Content => Some((proof.path.as_str(), Some(proof.sha256))),
    }
}

/// Refuses changed files of items whose versions people give: whoever changes one may forget to.
pub(crate) fn no_same_version(old: &[Collection], new: &[Collection]) -> Result<(), SameVersion> {
    for collection in new.iter().filter(|collection| collection.kind.is_versioned_by_hand()) {
        let Some(before) = old.iter().find(|old| old.folder() == collection.folder()) else { continue };
        let differs = |(path, digest): &(_, _)| before.files.get(*path).is_some_and(|before| before != *digest);
        if let Some((path, _)) = collection.files.iter().find(differs) {
            return Err(SameVersion { path: format!("{}/{path}", collection.folder()) });
        }
    }
    Ok(())
}

/// The site would refuse metadata that is older than what it has seen; a stale mirror is better found on this side.
pub(crate) fn not_older(old: &[Collection], new: &[Collection]) -> Result<(), OlderUpstream> {
    let mut seen = Dates::new();
    dates(old).for_each(|(file, date)| note_date(&mut seen, &file, date));
    dates(new).try_for_each(|(file, date)| check_date(&seen, &file, date))
}

/// The site would refuse an index that names none of the streams that it named before. An index that is not in the depot, as in a dry run, is
/// not looked at.
pub(crate) fn not_another_stream(old: &[Collection], new: &[Collection], depot: &Depot) -> Result<(), OtherStream> {
    for collection in new {
        let is_before = |old: &&Collection| {
            old.folder() == collection.folder()
                && Address::of_origin(&old.origin) == Address::of_origin(&collection.origin)
        };
        let Some(before) = old.iter().find(is_before) else { continue };
        // The collector has verified the files, and the content ids of the items.
        let proven = before.items.iter().filter(|item| item.proof.is_some());
        let known: BTreeSet<_> = proven.filter_map(|item| item.details.stream()).map(str::to_owned).collect();
        if known.is_empty() {
            continue;
        }
        let texts: Vec<_> = collection.proofs.iter().map(|proof| depot.read(&proof.sha256, MAX_STREAM_BYTES)).collect();
        let texts: Vec<String> =
            texts.into_iter().flatten().map(|text| String::from_utf8_lossy(&text).into_owned()).collect();
        let names = |id: &str| texts.is_empty() || texts.iter().any(|text| text.contains(&format!("\"{id}\"")));
        check_stream(&collection.folder(), known, names)?;
    }
    Ok(())
}

/// The signed files of the collections, by collection and by address, and when upstream says that it made them.
fn dates(collections: &[Collection]) -> impl Iterator<Item = (String, Time)> {
    let all = collections.iter().flat_map(|c| c.proofs.iter().map(move |proof| (c, proof)));
    all.filter_map(|(c, proof)| {
        let at = Address::of_origin(&c.origin).map(|address| format!("{address} {}", proof.path));
        let names = [Some(format!("{}/{}", c.folder(), proof.path)), at];
        let date = proof.date?;
        Some(names.into_iter().flatten().map(move |name| (name, date)))
    })
    .flatten()
}

/// Returns the warnings for clients of the last bundle's collections, with the ways to keep what they have.
pub(crate) fn client_warnings(old: &[Collection], new: &[Collection]) -> Vec<ClientWarning> {
    let views = |of: &[Collection]| of.iter().map(ClientView::from).collect::<Vec<_>>();
    let (old, new) = (views(old), views(new));
    changes(&old, &new).iter().map(|change| change.warning(message(change, &new))).collect()
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
