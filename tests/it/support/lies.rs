//! Lies of a builder who holds the right key: a manifest that says what upstream never said.

use std::collections::BTreeSet;

use gapferry::cli::Exit;
use gapferry::collection::{Collection, Item, Proof, SourcePackage};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::kind::{Details, Kind};
use gapferry::path::PublishPath;

/// A change to an honest collection, and how it is refused.
pub(crate) struct Lie {
    /// What the builder does.
    pub(crate) name: &'static str,
    /// Does it; new blobs go into the depot.
    pub(crate) tell: fn(&mut Collection, &Depot),
    /// The exit code.
    pub(crate) exit: Exit,
    /// What the message says, in part.
    pub(crate) words: &'static str,
}

/// A change that a site accepts: without these, a lie could be refused for the wrong reason.
pub(crate) struct Truth {
    /// What the builder does.
    pub(crate) name: &'static str,
    /// Does it; new blobs go into the depot.
    pub(crate) tell: fn(&mut Collection, &Depot),
}

/// A lie that ends with `exit`, and with words among which `words` are.
pub(crate) fn lie_ending(
    name: &'static str,
    tell: fn(&mut Collection, &Depot),
    exit: Exit,
    words: &'static str,
) -> Lie {
    Lie { name, tell, exit, words }
}

/// A lie that no proof bears out.
pub(crate) fn lie(name: &'static str, tell: fn(&mut Collection, &Depot), words: &'static str) -> Lie {
    lie_ending(name, tell, Exit::VerificationFailed, words)
}

/// A lie that the site's policy stops.
pub(crate) fn refused(name: &'static str, tell: fn(&mut Collection, &Depot), words: &'static str) -> Lie {
    lie_ending(name, tell, Exit::Refused, words)
}

/// Passes another of upstream's files off as the item's.
pub(crate) fn genuine_other(collection: &mut Collection, item: &Item) {
    let other = *collection.files.iter().find(|(path, _)| **path != item.file).unwrap().1;
    collection.files.insert(item.file.clone(), other);
}

/// Publishes the item's file a second time, as `at`.
pub(crate) fn second_name(collection: &mut Collection, item: Item, at: &str) {
    let digest = collection.files[&item.file];
    let copy = Item { file: path(at), ..item };
    collection.files.insert(copy.file.clone(), digest);
    add_item(collection, copy);
}

/// Adds an evil file with an item that says what that of a genuine one does.
pub(crate) fn join(collection: &mut Collection, depot: &Depot, item: Item, at: &str) {
    add_file(collection, depot, at);
    add_item(collection, Item { file: path(at), ..item });
}

/// Says that a collection is of the kind whose items have such details.
pub(crate) fn of_kind(collection: &mut Collection, details: &Details) {
    collection.kind = Kind::ALL.iter().copied().find(|kind| kind.has_details(details)).unwrap();
    collection.items.iter_mut().for_each(|item| item.details = details.clone());
}

/// A source package of this name.
pub(crate) fn of_source(name: &str) -> Option<SourcePackage> {
    Some(SourcePackage { name: name.to_owned(), version: "1".to_owned() })
}

/// The details of an image.
pub(crate) fn of_stream(stream: &str) -> Details {
    Details::Image { stream: stream.to_owned() }
}

/// The details of a package in a flat suite.
pub(crate) fn of_suite(suite: &str) -> Details {
    Details::Deb { component: None, suite: suite.parse().unwrap() }
}

/// Stores a blob that upstream does not know.
pub(crate) fn put(depot: &Depot, bytes: &[u8]) -> Sha256 {
    let mut batch = depot.batch();
    let digest = depot.put(&mut batch, bytes).unwrap();
    batch.commit().unwrap();
    digest
}

/// Adds an item where it belongs.
pub(crate) fn add_item(collection: &mut Collection, item: Item) {
    collection.items.push(item);
    collection.items.sort_by(|a, b| a.file.cmp(&b.file));
}

/// Adds a proof where it belongs.
pub(crate) fn add_proof(collection: &mut Collection, at: &str, sha256: Sha256) {
    collection.proofs.push(Proof { date: None, path: path(at), sha256, signed_by: Vec::new() });
    collection.proofs.sort_by(|a, b| a.path.cmp(&b.path));
}

/// Adds a file of evil content, without an item.
pub(crate) fn add_file(collection: &mut Collection, depot: &Depot, at: &str) {
    collection.files.insert(path(at), put(depot, b"evil"));
}

/// Leaves out what does not pass, items with their files.
pub(crate) fn keep_items(collection: &mut Collection, passes: impl Fn(&Item) -> bool) {
    collection.items.retain(passes);
    let named: BTreeSet<&PublishPath> = collection.items.iter().map(|item| &item.file).collect();
    collection.files.retain(|path, _| named.contains(path));
}

/// A path that is one.
pub(crate) fn path(text: &str) -> PublishPath {
    text.parse().unwrap()
}
