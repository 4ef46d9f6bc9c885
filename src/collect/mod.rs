//! The online side: one collector per kind of content, over one downloader.

pub mod access;
pub mod address;
pub mod answer_memory;
pub mod apt;
mod apt_folder;
mod context;
mod detached;
pub mod enterprise_store;
mod error;
mod feeds;
pub mod files;
mod folder;
pub mod images;
pub mod keyring;
pub mod named_files;
pub mod omission;
pub mod os_images;
mod secret_file;
pub mod snaps;
pub mod stat_cache;
#[cfg(test)]
mod toy;
pub mod yum;

use std::collections::BTreeMap;
use std::path::Path;

use crate::bundle::state::new_list::NewList;
use crate::bundle::{BundleError, FormatError, names};
use crate::collection::Collection;
use crate::depot::DepotError;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::kind::Kind;
use crate::label::Label;
use crate::selection::Selection;

use self::context::SelectedPlace;
pub use self::context::{CollectContext, Selected, Tally};
pub use self::error::CollectError;

/// All snaps of a selection are one collection: a device has one store.
const SNAPS: &str = "store";
/// All exports of a selection are one collection.
const EXPORTS: &str = "exports";
/// All images of other operating systems are one collection: MAAS has one stream of them.
const OS_IMAGES: &str = "own";

/// The names of a collection that all tables of a kind make together.
pub struct CollectionNames {
    /// The name that policy and keys go by.
    pub source: Label,
    /// The collection's own name.
    pub collection: Label,
}

/// Collects everything that the selection asks for. Returns one item list for each collection, in the order of the manifest, so that one
/// collection at a time is in memory.
pub fn collect(selection: &Selection, with: &CollectContext<'_>) -> Result<Vec<NewList>, CollectError> {
    let mut lists = Vec::new();
    for kind in Kind::ALL {
        lists.extend(collect_kind(*kind, selection, with)?);
    }
    let key = |list: &NewList| (list.collection.kind.as_str(), list.collection.name.clone());
    lists.sort_by_key(key);
    Ok(lists)
}

/// Calls the collector of a kind.
fn collect_kind(kind: Kind, selection: &Selection, with: &CollectContext<'_>) -> Result<Vec<NewList>, CollectError> {
    let label = |text: &str| text.parse::<Label>().map_err(Fault::failed);
    let listed = |collection: Collection| with.list(&collection);
    match kind {
        Kind::Apt => {
            let mut lists = Vec::new();
            for source in &selection.apt {
                lists.extend(of_source(&source.name, apt::collect(source, with))?);
            }
            Ok(lists)
        }
        Kind::Images => {
            let found = selection.images.iter().map(|source| of_source(&source.name, images::collect(source, with)));
            found.map(|collection| collection.and_then(listed)).collect()
        }
        Kind::Snaps if selection.snaps.is_empty() => Ok(Vec::new()),
        Kind::Snaps => {
            let collected = snaps::collect(label(SNAPS)?, &selection.snaps, with);
            Ok(vec![collected.map_err(CollectError::within("cannot collect the snaps")).and_then(listed)?])
        }
        Kind::EnterpriseStore if selection.enterprise_store.is_empty() => Ok(Vec::new()),
        Kind::EnterpriseStore => {
            let names = CollectionNames { source: label(kind.as_str())?, collection: label(EXPORTS)? };
            let collected = enterprise_store::collect(names, &selection.enterprise_store, with);
            let within = CollectError::within("cannot collect the exports for the Enterprise Store");
            Ok(vec![collected.map_err(within).and_then(listed)?])
        }
        Kind::OsImages if selection.os_images.is_empty() => Ok(Vec::new()),
        Kind::OsImages => {
            let names = CollectionNames { source: label(kind.as_str())?, collection: label(OS_IMAGES)? };
            let collected = os_images::collect(names, &selection.os_images, with);
            let within = CollectError::within("cannot collect the images of [[os-images]]");
            Ok(vec![collected.map_err(within).and_then(listed)?])
        }
        Kind::Files => {
            let mut files: BTreeMap<_, Vec<_>> = BTreeMap::new();
            selection.files.iter().for_each(|source| files.entry(&source.name).or_default().push(source));
            let found = files.into_iter().map(|(name, sources)| {
                let what = format_args!("cannot collect the files {name}");
                files::collect(name, &sources, with).map_err(CollectError::within(what))
            });
            found.collect()
        }
        Kind::Feeds => {
            let found = selection.feeds.iter().map(|source| of_source(&source.name, feeds::collect(source, with)));
            found.map(|collection| collection.and_then(listed)).collect()
        }
        Kind::Yum => {
            let found = selection.yum.iter().map(|source| of_source(&source.name, yum::collect(source, with)));
            found.map(|collection| collection.and_then(listed)).collect()
        }
        #[cfg(test)]
        Kind::Toy => selection.toy.iter().map(|source| toy::collect(source, with).and_then(listed)).collect(),
    }
}

/// Names the source of the selection in an error.
fn of_source<T>(name: &Label, collected: Result<T, CollectError>) -> Result<T, CollectError> {
    collected.map_err(CollectError::within(format_args!("cannot collect the source {name}")))
}

/// Names the item list in an error.
fn cannot_list(kind: Kind, name: &Label) -> impl Fn(FormatError) -> CollectError {
    let path = names::item_list(kind, name);
    move |error| BundleError::in_file(Path::new(&path))(error).into()
}

impl CollectContext<'_> {
    /// Writes the item list of a collection, whose blobs are in the depot. On a dry run blobs may be absent, and then count as empty.
    fn list(&self, collection: &Collection) -> Result<NewList, CollectError> {
        let mut failed = None;
        let size = |digest: &Sha256| match self.size(digest) {
            Ok(size) => size,
            Err(error) => {
                failed = Some(error);
                None
            }
        };
        let list = NewList::of_collection(collection, size, self.depot.root());
        failed.map_or(Ok(()), Err)?;
        list.map_err(cannot_list(collection.kind, &collection.name))
    }

    /// The size of a blob of the depot. On a dry run an absent one counts as empty.
    fn size(&self, digest: &Sha256) -> Result<Option<u64>, DepotError> {
        Ok(self.depot.size(digest)?.or(self.dry_run.then_some(0)))
    }
}
