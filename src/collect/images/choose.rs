//! Decides which items to take: filters and `keep` as sstream-mirror means them, and all bootloaders.

use std::collections::{BTreeMap, BTreeSet};

use super::offer::offers;
use super::stream::FetchedList;
use crate::collect::CollectError;
use crate::collect::error::unusable;
use crate::collection::Publish;
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::simplestreams::maas::{MaasImageKind, is_bootloader};
use crate::formats::simplestreams::{ProductItem, StreamFile, cut, listed};
use crate::path::PublishPath;
use crate::selection::ImagesSource;

/// A file to carry.
#[derive(Clone, Debug)]
pub(super) struct ChosenImageFile {
    /// Which of the lists names it.
    pub(super) list: usize,
    /// What it is.
    pub(super) file: StreamFile,
    /// What a reviewer knows it by.
    pub(super) title: String,
    /// The name of its version.
    pub(super) version: String,
    /// Its `arch`, if it has one.
    pub(super) architecture: String,
    /// Why it is carried.
    pub(super) reason: &'static str,
}

/// What to carry, by path: a file that several products share is there once.
pub(super) fn choose(
    source: &ImagesSource,
    lists: &[FetchedList],
) -> Result<BTreeMap<PublishPath, ChosenImageFile>, CollectError> {
    let mut chosen = BTreeMap::new();
    let mut requested = false;
    for (at, list) in lists.iter().enumerate() {
        let bad = |error| unusable(&list.document.path, error);
        for (name, product) in &list.products.products {
            let mut kept = 0;
            for version in product.versions.iter().rev().map(|(version, of)| (&**version, of)) {
                let all: Vec<ProductItem<'_>> = list.products.items_of(name, product, version.0, version.1).collect();
                let wanted = wanted(source, &all).map_err(bad)?;
                if wanted.is_empty() {
                    continue;
                }
                complete(source, &all, &wanted)?;
                for (item, file, reason) in wanted {
                    requested |= reason == REQUESTED;
                    add(&mut chosen, at, &item, file, reason).map_err(bad)?;
                }
                kept += 1;
                if kept == source.keep.get() {
                    break;
                }
            }
        }
    }
    match requested {
        true => all_listed(source, lists, &chosen).map(|()| chosen),
        false => {
            let (name, offers) = (&source.name, listed_offers(lists));
            Err(Fault::usage(format!("the filter of {name} matches nothing; there is: {offers}")).into())
        }
    }
}

/// The reason of an item that the filter matches.
const REQUESTED: &str = "requested";
/// The number of offers that an error lists.
const LISTED: usize = 40;

/// Lists the offers of the stream for a message.
fn listed_offers(lists: &[FetchedList]) -> String {
    let offers = offers(lists, &[]);
    let mut texts: Vec<String> = offers.iter().take(LISTED).map(ToString::to_string).collect();
    if offers.len() > LISTED {
        texts.push(format!("and {} more, which list-images shows", offers.len() - LISTED));
    }
    texts.join("; ")
}

/// Makes the error of a version that MAAS would refuse.
fn incomplete(product: &str, version: &str, lack: &str) -> CollectError {
    Fault::usage(format!(
        "{product} {version} lacks {lack}, and MAAS 3.8 would refuse the whole source for that: change the filter, or set \
         publish = \"verbatim\""
    ))
    .into()
}

/// Of a version's items those that are wanted, with their files and reasons.
fn wanted<'a>(
    source: &ImagesSource,
    items: &[ProductItem<'a>],
) -> Result<Vec<(ProductItem<'a>, StreamFile, &'static str)>, Invalid> {
    let mut wanted = Vec::new();
    for item in items {
        let reason = match source.filter.iter().all(|filter| filter.matches(item)) {
            true => REQUESTED,
            false if source.bootloaders && is_bootloader(item) => "bootloader, of which MAAS takes all",
            false => continue,
        };
        wanted.extend(item.file()?.map(|file| (*item, file, reason)));
    }
    Ok(wanted)
}

/// One image that lacks something spoils the whole source for MAAS; that is better found on this side of the gap.
fn complete(
    source: &ImagesSource,
    all: &[ProductItem<'_>],
    wanted: &[(ProductItem<'_>, StreamFile, &'static str)],
) -> Result<(), CollectError> {
    let items: Vec<ProductItem<'_>> = wanted.iter().map(|(item, ..)| *item).collect();
    let lack = MaasImageKind::of(all).and_then(|shape| shape.lacks(&items));
    match (lack, items.first()) {
        (Some(lack), Some(item)) if source.publish == Publish::ReIndexed => {
            Err(incomplete(item.product, item.version, &lack))
        }
        _ => Ok(()),
    }
}

/// The site lists images by what is there of them, and refuses a file that it would not list.
fn all_listed(
    source: &ImagesSource,
    lists: &[FetchedList],
    chosen: &BTreeMap<PublishPath, ChosenImageFile>,
) -> Result<(), CollectError> {
    let is_there = |file: &StreamFile| chosen.get(&file.path).is_some_and(|chosen| chosen.file == *file);
    let paths: BTreeSet<PublishPath> = lists.iter().flat_map(|list| listed(&cut(&list.products, is_there))).collect();
    let unlisted = chosen.values().find(|item| !paths.contains(&item.file.path));
    match unlisted.filter(|_| source.publish == Publish::ReIndexed) {
        Some(item) => Err(incomplete(&item.title, &item.version, "what the other items of its version have")),
        None => Ok(()),
    }
}

fn add(
    chosen: &mut BTreeMap<PublishPath, ChosenImageFile>,
    list: usize,
    item: &ProductItem<'_>,
    file: StreamFile,
    reason: &'static str,
) -> Result<(), Invalid> {
    match chosen.get(&file.path) {
        Some(known) if known.file != file => {
            return Err(Invalid::new(format!("two different files claim the path {}", file.path)));
        }
        Some(_) => return Ok(()),
        None => {}
    }
    let new = ChosenImageFile {
        list,
        title: item.title(),
        version: item.version.to_owned(),
        architecture: item.text("arch"),
        reason,
        file: file.clone(),
    };
    chosen.insert(file.path, new);
    Ok(())
}
