//! Publishes images: upstream's signed lists are followed down to each file, then the tree is laid out.

mod re_index;
mod stream;

use std::collections::{BTreeMap, BTreeSet};

use self::re_index::stream_tree;
use self::stream::{CarriedList, CarriedStream, INDEX_NAME, no_index};
use super::error::not_vouched;
use super::{Context, PublishError, not_for_reprepro};
use crate::collection::{Collection, Item, Publish};
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::simplestreams::{ProductItem as StreamItem, StreamFile};
use crate::path::PublishPath;
use crate::site::tree::Tree;
use crate::trust::check_stream;

/// Checks all proofs, and lays out the tree.
pub(super) fn tree(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    let items = super::items_by_file(collection)?;
    let forms = CarriedStream::read(collection, context)?;
    let Some(stream) = forms.first() else { return Err(no_index().into()) };
    let sizes = sizes_here(collection, context.depot)?;
    check_vouched(collection, &sizes, &items, stream)?;
    if context.dates.guarded {
        let names = |id: &str| stream.names(id);
        check_stream(&collection.folder(), context.dates.known_files(collection, INDEX_NAME), names)?;
    }
    for (file, date) in stream.dates() {
        context.dates.check(collection, &[file], Some(date))?;
    }
    let mut tree = Tree::of_files(collection);
    match collection.publish {
        Publish::ReIndexed => stream_tree(stream, &collection.files, |file| is_here(collection, &sizes, file))?
            .add_to(&mut tree, context)?,
        Publish::Verbatim => verbatim(collection, &forms, &mut tree, context)?,
        Publish::Reprepro => return Err(not_for_reprepro(collection.kind).into()),
    }
    context.retain_for_grace_period(&mut tree)?;
    Ok(tree)
}

/// Whether the file is carried, with the bytes that upstream names.
fn is_here(collection: &Collection, sizes: &BTreeMap<Sha256, u64>, file: &StreamFile) -> bool {
    collection.files.get(&file.path) == Some(&file.sha256) && sizes.get(&file.sha256) == Some(&file.size)
}

/// Returns the sizes of the collection's files that are in the depot.
fn sizes_here(collection: &Collection, depot: &Depot) -> Result<BTreeMap<Sha256, u64>, DepotError> {
    let mut sizes = BTreeMap::new();
    for digest in collection.files.values() {
        sizes.extend(depot.size(digest)?.map(|size| (*digest, size)));
    }
    Ok(sizes)
}

/// Each carried file is one that a signed list names with these bytes, and its item says of it what the list says.
fn check_vouched(
    collection: &Collection,
    sizes: &BTreeMap<Sha256, u64>,
    items: &BTreeMap<&PublishPath, &Item>,
    stream: &CarriedStream,
) -> Result<(), PublishError> {
    let mut unproven: BTreeSet<&PublishPath> = collection.files.keys().collect();
    for list in &stream.lists {
        for listed in list.products.items() {
            // What is malformed and not carried does no harm.
            let Some(file) = listed.file().ok().flatten().filter(|file| unproven.contains(&file.path)) else {
                continue;
            };
            let told = items.get(&file.path).is_some_and(|item| says_the_same(item, list, &listed));
            if told && is_here(collection, sizes, &file) {
                unproven.remove(&file.path);
            }
        }
    }
    match unproven.first() {
        Some(path) => Err(not_vouched(path).into()),
        None => Ok(()),
    }
}

fn says_the_same(item: &Item, list: &CarriedList, listed: &StreamItem<'_>) -> bool {
    let proof = list.signed.then_some(&list.path);
    item.name == listed.title()
        && item.version == listed.version
        && item.architecture == listed.text("arch")
        && item.details.stream() == Some(&list.content_id)
        // A stream does not say these.
        && item.publisher.is_empty()
        && item.licence.is_empty()
        && item.source.is_none()
        && item.proof.as_ref() == proof
}

/// Upstream's files under their own names, in each form. All products files must be there, since clients follow the index.
fn verbatim(
    collection: &Collection,
    forms: &[CarriedStream],
    tree: &mut Tree,
    context: &mut Context<'_, '_>,
) -> Result<(), PublishError> {
    if let Some(path) = forms.iter().find_map(|form| form.missing.first()) {
        return Err(Fault::unverified(format!("the index names {path}, which is not carried")).into());
    }
    collection.proofs.iter().for_each(|proof| tree.add(proof.path.clone(), proof.sha256));
    let listed = forms.iter().flat_map(|form| &form.lists).flat_map(|list| list.products.items());
    let files: BTreeSet<PublishPath> = listed.filter_map(|item| Some(item.file().ok()??.path)).collect();
    files.iter().filter(|path| tree.get(path).is_none()).for_each(|path| context.published.note_absent(path));
    Ok(())
}
