//! The context of collectors: the downloader, the depot, and what is counted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;

use url::Url;

use super::CollectError;
use super::answer_memory::AnswerMemory;
use super::omission::Omission;
use super::stat_cache::StatCache;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::fetch::{Fetcher, Finished, Wanted};
use crate::formats::apt::client_index::MissingIndexes;
use crate::formats::assertions::Trust;
use crate::formats::signed_digest::SignedDigest;
use crate::kind::Kind;
use crate::label::Label;
use crate::progress::Progress;
use crate::selection::MissingFiles;
use crate::time::Time;

/// The tools of collectors.
pub struct CollectContext<'a> {
    /// Fetches files.
    pub fetcher: &'a Fetcher,
    /// Takes the blobs.
    pub depot: &'a Depot,
    /// Files of this machine that were read before.
    pub seen: &'a StatCache,
    /// Answers of servers to earlier exports.
    pub answers: &'a AnswerMemory,
    /// Shows how far it is.
    pub progress: &'a Progress,
    /// The roots in which assertions about snaps have to end.
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
    /// Notes for the user.
    pub notes: RefCell<Vec<String>>,
    /// Things that the selection asks for and that are not carried, each with its source as KIND/NAME.
    pub left_out: RefCell<Vec<(String, Omission)>>,
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

    /// Notes what is left out of a source.
    pub(super) fn leave_out(&self, kind: Kind, source: &Label, omissions: impl IntoIterator<Item = Omission>) {
        let folder = format!("{}/{source}", kind.as_str());
        for omission in omissions {
            self.say([format!("{source}: {}", omission.note())]);
            self.left_out.borrow_mut().push((folder.clone(), omission));
        }
    }

    /// Counts files that the depot lacks and their bytes.
    pub(super) fn add_missing(&self, files: usize, bytes: u64) {
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

/// A file of payload that is selected, of a list so long that the addresses of lacking files alone are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct SelectedPlace {
    /// Its place in the caller's list.
    pub(super) place: usize,
    /// Its signed size in bytes.
    pub(super) size: u64,
    /// Its signed digest.
    pub(super) digest: SignedDigest,
}

impl CollectContext<'_> {
    /// Fetches what the depot lacks of the selected files, each content once; nothing on a dry run.
    pub fn fetch_selected(&self, title: &str, selected: Vec<Selected>) -> Result<(), CollectError> {
        let places = places_of(&selected);
        let urls = |place: usize| selected.get(place).map(|file| file.urls.clone()).unwrap_or_default();
        self.fetch_places(title, places, urls)
    }

    /// Does the same with files whose addresses `urls` makes. Of files with one digest the last one counts.
    fn fetch_places(
        &self,
        title: &str,
        mut places: Vec<SelectedPlace>,
        urls: impl Fn(usize) -> Vec<Url>,
    ) -> Result<(), CollectError> {
        places.reverse();
        places.sort_by_key(|file| file.digest);
        places.dedup_by_key(|file| file.digest);
        self.tally.add(places.len(), total(places.iter().map(|file| file.size)));
        places.retain(|file| self.held(&file.digest, file.size).is_none());
        let wanted = places.into_iter().map(|file| Wanted {
            urls: urls(file.place),
            size: file.size,
            digest: file.digest,
            to: self.partial_path(&file.digest),
        });
        let wanted: Vec<_> = wanted.collect();
        self.tally.add_missing(wanted.len(), total(wanted.iter().map(|file| file.size)));
        if self.dry_run { Ok(()) } else { self.fetch(title, wanted) }
    }

    /// Fetches the selected files like [`CollectContext::fetch_selected`]. Returns the digests of those to leave out.
    pub(super) fn fetch_available(
        &self,
        title: &str,
        selected: &[Selected],
        missing: MissingFiles,
    ) -> Result<BTreeSet<SignedDigest>, CollectError> {
        let urls = |place: usize| selected.get(place).map(|file| file.urls.clone()).unwrap_or_default();
        self.fetch_available_places(title, places_of(selected), urls, missing)
    }

    /// Does the same with files whose addresses `urls` makes.
    pub(super) fn fetch_available_places(
        &self,
        title: &str,
        places: Vec<SelectedPlace>,
        urls: impl Fn(usize) -> Vec<Url>,
        missing: MissingFiles,
    ) -> Result<BTreeSet<SignedDigest>, CollectError> {
        let wanted = if missing == MissingFiles::LeaveOut { places.clone() } else { Vec::new() };
        match self.fetch_places(title, places, urls) {
            Err(error) if missing == MissingFiles::LeaveOut && error.is_upstreams_fault() => {}
            other => return other.map(|()| BTreeSet::new()),
        }
        let lacking = wanted.into_iter().filter(|file| self.held(&file.digest, file.size).is_none());
        Ok(lacking.map(|file| file.digest).collect())
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
        // If the store cannot say it, then the file is fetched, and the store fails when it takes it.
        self.depot.has(&sha256, size).is_ok_and(|has| has).then_some(sha256)
    }

    /// The blob of a file that was fetched. On a dry run a file may be absent whose SHA-256 nobody knows: then another digest
    /// takes its place.
    pub fn blob(&self, digest: &SignedDigest, size: u64) -> Sha256 {
        self.held(digest, size).unwrap_or_else(|| name_before_complete(digest))
    }
}

fn places_of(selected: &[Selected]) -> Vec<SelectedPlace> {
    let place = |(place, file): (usize, &Selected)| SelectedPlace { place, size: file.size, digest: file.digest };
    selected.iter().enumerate().map(place).collect()
}

/// Returns the name of a blob before its SHA-256 is known, which is its alias afterwards: the SHA-256 of the known digest.
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
