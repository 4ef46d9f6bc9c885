//! The online side: one collector per kind of content, over one downloader.

pub mod access;
pub mod address;
pub mod apt;
mod apt_folder;
pub mod enterprise_store;
mod error;
pub mod files;
mod folder;
pub mod images;
pub mod keyring;
pub mod missing;
pub mod named_files;
pub mod os_images;
mod secret_file;
pub mod snaps;
pub mod stat_cache;
#[cfg(test)]
mod toy;
pub mod yum;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::collection::Collection;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::formats::apt::client_index::MissingIndexes;
use crate::formats::assertions::Trust;
use crate::formats::signed_digest::SignedDigest;
use crate::kind::Kind;
use crate::label::Label;
use crate::progress::Progress;
use crate::selection::Selection;
use crate::time::Time;

use url::Url;

pub use self::error::CollectError;
use self::stat_cache::StatCache;
use crate::fetch::{Fetcher, Finished, Wanted};

/// What collectors work with.
pub struct CollectContext<'a> {
    /// Fetches files.
    pub fetcher: &'a Fetcher,
    /// Where blobs go.
    pub depot: &'a Depot,
    /// Files of this machine that were read before.
    pub seen: &'a StatCache,
    /// Shows how far it is.
    pub progress: &'a Progress,
    /// Whom assertions about snaps have to end in.
    pub snap_roots: &'a Trust,
    /// The clock.
    pub now: Time,
    /// Counts what is selected and what of it is missing.
    pub tally: Tally,
    /// Only find out what is to be fetched: metadata is fetched all the same, payload is not.
    pub dry_run: bool,
}

/// Amounts of payload that a selection names and that the depot lacks, and what clients will miss.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Files, and bytes, that are selected.
    pub selected: Cell<(u64, u64)>,
    /// Files, and bytes, that had to be fetched, or would have to be.
    pub missing: Cell<(u64, u64)>,
    /// Indexes that upstream lists, that clients ask for, and that are not carried.
    pub missing_indexes: RefCell<Vec<MissingIndexes>>,
    /// Notes for the user on parts of an upstream that were left out.
    pub notes: RefCell<Vec<String>>,
}

impl Tally {
    /// Counts selected files and their bytes.
    pub fn add(&self, files: usize, bytes: u64) {
        let (f, b) = self.selected.get();
        self.selected.set((f + files as u64, b.saturating_add(bytes)));
    }

    /// Keeps notes for the user.
    pub fn say(&self, notes: impl IntoIterator<Item = String>) {
        self.notes.borrow_mut().extend(notes);
    }

    /// Counts files that the depot lacks and their bytes.
    fn add_missing(&self, files: usize, bytes: u64) {
        let (f, b) = self.missing.get();
        self.missing.set((f + files as u64, b.saturating_add(bytes)));
    }
}

/// A file of payload that is selected.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Its addresses at upstream, tried in order.
    pub urls: Vec<Url>,
    /// Its signed size in bytes.
    pub size: u64,
    /// Its signed digest.
    pub digest: SignedDigest,
}

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

/// Collects everything that the selection asks for, sorted by kind and name.
pub fn collect(selection: &Selection, with: &CollectContext<'_>) -> Result<Vec<Collection>, CollectError> {
    let mut collections = Vec::new();
    for kind in Kind::ALL {
        collections.extend(collect_kind(*kind, selection, with)?);
    }
    collections.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(collections)
}

/// Calls the collector of a kind.
fn collect_kind(kind: Kind, selection: &Selection, with: &CollectContext<'_>) -> Result<Vec<Collection>, CollectError> {
    let label = |text: &str| text.parse::<Label>().map_err(Fault::failed);
    match kind {
        Kind::Apt => {
            let found = selection.apt.iter().map(|source| of_source(&source.name, apt::collect(source, with)));
            Ok(found.collect::<Result<Vec<_>, _>>()?.concat())
        }
        Kind::Images => {
            selection.images.iter().map(|source| of_source(&source.name, images::collect(source, with))).collect()
        }
        Kind::Snaps if selection.snaps.is_empty() => Ok(Vec::new()),
        Kind::Snaps => {
            let collected = snaps::collect(label(SNAPS)?, &selection.snaps, with);
            Ok(vec![collected.map_err(CollectError::within("cannot collect the snaps"))?])
        }
        Kind::EnterpriseStore if selection.enterprise_store.is_empty() => Ok(Vec::new()),
        Kind::EnterpriseStore => {
            let names = CollectionNames { source: label(kind.as_str())?, collection: label(EXPORTS)? };
            let collected = enterprise_store::collect(names, &selection.enterprise_store, with);
            Ok(vec![collected.map_err(CollectError::within("cannot collect the exports for the Enterprise Store"))?])
        }
        Kind::OsImages if selection.os_images.is_empty() => Ok(Vec::new()),
        Kind::OsImages => {
            let names = CollectionNames { source: label(kind.as_str())?, collection: label(OS_IMAGES)? };
            let collected = os_images::collect(names, &selection.os_images, with);
            Ok(vec![collected.map_err(CollectError::within("cannot collect the images of [[os-images]]"))?])
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
        Kind::Yum => selection.yum.iter().map(|source| of_source(&source.name, yum::collect(source, with))).collect(),
        #[cfg(test)]
        Kind::Toy => selection.toy.iter().map(|source| toy::collect(source, with)).collect(),
    }
}

/// Names the source of the selection in an error.
fn of_source<T>(name: &Label, collected: Result<T, CollectError>) -> Result<T, CollectError> {
    collected.map_err(CollectError::within(format_args!("cannot collect the source {name}")))
}

impl CollectContext<'_> {
    /// Fetches what the depot lacks of the selected files, each content once; nothing on a dry run.
    pub fn fetch_selected(&self, title: &str, selected: Vec<Selected>) -> Result<(), CollectError> {
        let by_digest: BTreeMap<SignedDigest, Selected> =
            selected.into_iter().map(|file| (file.digest, file)).collect();
        self.tally.add(by_digest.len(), total(by_digest.values().map(|file| file.size)));
        let lacking = by_digest.into_values().filter(|file| self.held(&file.digest, file.size).is_none());
        let wanted = lacking.map(|file| Wanted {
            urls: file.urls,
            size: file.size,
            digest: file.digest,
            to: self.partial_path(&file.digest),
        });
        let wanted: Vec<_> = wanted.collect();
        self.tally.add_missing(wanted.len(), total(wanted.iter().map(|file| file.size)));
        if self.dry_run { Ok(()) } else { self.fetch(title, wanted) }
    }

    /// Fetches files into the depot. What arrived is kept even if others fail.
    pub fn fetch(&self, title: &str, wanted: Vec<Wanted>) -> Result<(), CollectError> {
        let needed = total(wanted.iter().map(|file| file.size));
        let free = self.depot.free_bytes()?;
        if needed > free {
            let path = self.depot.root().display();
            return Err(Fault::new(
                ErrorClass::NoSpace,
                format!(
                    "{path} has {free} bytes free, and {needed} are to be fetched: free some space, or give another --workspace"
                ),
            )
            .into());
        }
        let progress = self.progress.phase(title, needed);
        let mut batch = self.depot.batch();
        let (mut failed, mut aliases) = (None, Vec::new());
        let fetched = self.fetcher.fetch_all(wanted, &progress, |finished| {
            let Finished { wanted, sha256, .. } = finished;
            let alias = name_before_complete(&wanted.digest);
            let add = || self.depot.rename_partial(&alias, &sha256).and_then(|()| batch.add(sha256, wanted.size));
            match { add }() {
                Ok(()) => aliases.extend((alias != sha256).then_some((alias, sha256))),
                Err(error) => drop(failed.get_or_insert(error)),
            }
        });
        progress.finish();
        batch.commit()?;
        failed.map_or(Ok(()), Err)?;
        aliases.iter().try_for_each(|(alias, digest)| self.depot.note_alias(alias, digest))?;
        Ok(fetched?)
    }

    /// The place of a file with this digest until it is complete.
    pub fn partial_path(&self, digest: &SignedDigest) -> PathBuf {
        self.depot.partial_path(&name_before_complete(digest))
    }

    /// The blob in the depot that has this digest and size.
    pub fn held(&self, digest: &SignedDigest, size: u64) -> Option<Sha256> {
        let name = name_before_complete(digest);
        let sha256 = if let SignedDigest::Sha256(sha256) = digest { *sha256 } else { self.depot.by_alias(&name)? };
        self.depot.has(&sha256, size).then_some(sha256)
    }

    /// The blob of a file that was fetched. On a dry run a file may be absent whose SHA-256 nobody knows: then another digest
    /// takes its place.
    pub fn blob(&self, digest: &SignedDigest, size: u64) -> Sha256 {
        self.held(digest, size).unwrap_or_else(|| name_before_complete(digest))
    }
}

/// What a blob is called before its SHA-256 is known, as its alias afterwards: the SHA-256 of the digest that is known.
fn name_before_complete(digest: &SignedDigest) -> Sha256 {
    match digest {
        SignedDigest::Sha256(digest) => *digest,
        other => Sha256::of(other.to_hex().as_bytes()),
    }
}

/// The sum of sizes that an upstream names; it may name absurd ones.
fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}
