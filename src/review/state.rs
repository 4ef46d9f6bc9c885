//! A state that is reviewed: of a bundle, or the one that a site publishes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::item_index::ItemIndex;
use crate::bundle::overview::UntrustedState;
use crate::bundle::state::lists::StateLists;
use crate::bundle::state::manifest::StateCollection;
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::state::{ItemLine, ListLine, Manifest, ProofLine};
use crate::bundle::{BundleError, FormatError};
use crate::collection::Publish;
use crate::digest::Sha256;
use crate::kind::ClientProgram;
use crate::label::Label;
use crate::time::Time;
use crate::trust::PublicKey;

/// The most different publishers, architectures, licences and keys of a state.
const MAX_VALUES: usize = 65_536;
/// The most bytes that they may have together.
const MAX_VALUE_BYTES: usize = 32 << 20;

/// A state with what a review needs to know of its item lists.
#[derive(Debug)]
pub struct ReviewedState {
    /// Its content.
    pub manifest: Manifest,
    /// The digest of the manifest.
    pub digest: Sha256,
    /// The key that signed the manifest; `None` if nobody did, or if a site publishes it.
    pub signer: Option<PublicKey>,
    /// The place where it was read.
    pub(super) place: PathBuf,
    pub(super) lists: StateLists,
    /// In the order of the manifest.
    pub(super) facts: Vec<ListFacts>,
    pub(super) index: ItemIndex,
}

/// Facts of the list of one collection.
#[derive(Clone, Debug, Default)]
pub(super) struct ListFacts {
    pub(super) items: u64,
    pub(super) unproven: u64,
    pub(super) item_bytes: u64,
    /// The publishers, architectures and keys of signed files, each with the number of lines that name it.
    pub(super) publishers: BTreeMap<String, u64>,
    pub(super) architectures: BTreeMap<String, u64>,
    pub(super) keys: BTreeMap<String, u64>,
    /// The licences, each with the number of items that have it.
    pub(super) licences: BTreeMap<String, u64>,
}

/// A collection in one of two states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectionFacts {
    /// The sum of the sizes of its items, in bytes.
    pub bytes: u64,
    /// The number of its items.
    pub items: u64,
    /// Upstream's URL, or `local`.
    pub origin: String,
    /// The way in which it is published.
    pub publish: Publish,
    /// The source whose keys a site pins for it.
    #[schemars(with = "String")]
    pub source: Label,
    /// The number of its items that no upstream vouches for.
    pub unproven: u64,
}

impl ReviewedState {
    /// Reads the small part of the bundle in `folder`. Nobody is asked to trust its signature.
    pub fn of_bundle(folder: &Path) -> Result<Self, BundleError> {
        let mut reader = FactReader::default();
        let state = UntrustedState::open(folder, |index, line| reader.line(index, &line))?;
        let UntrustedState { manifest, digest, signer, lists, .. } = state;
        Ok(reader.finish(StoredState { manifest, digest, lists }, signer, folder))
    }

    /// Reads a state that a site has, at `place`.
    pub fn of_site(state: StoredState, place: &Path) -> Result<Self, BundleError> {
        let mut reader = FactReader::default();
        let checked = state.lists.check(|index, line| reader.line(index, &line));
        checked.map_err(BundleError::in_file(place))?;
        Ok(reader.finish(state, None, place))
    }

    /// The number of its items.
    pub fn items(&self) -> u64 {
        self.facts.iter().map(|facts| facts.items).sum()
    }

    /// The sum of the sizes of its items, in bytes.
    pub fn bytes(&self) -> u64 {
        self.facts.iter().map(|facts| facts.item_bytes).sum()
    }

    /// Returns the dates of the security data in it, by digest.
    pub fn feed_dates(&self) -> Result<Vec<(Sha256, Time)>, BundleError> {
        let failed = |error| BundleError::in_file(&self.place)(error);
        let mut dates = Vec::new();
        let is_data = |collection: &&StateCollection| collection.kind.client() == ClientProgram::Scanner;
        for (index, _) in self.manifest.collections.iter().enumerate().filter(|(_, collection)| is_data(collection)) {
            let mut list = self.lists.read(index).map_err(failed)?;
            while let Some(line) = list.next_line().map_err(failed)? {
                if let ListLine::Item(item) = line {
                    dates.extend(item.details.feed().and_then(|(_, date)| Some((item.sha256, date?))));
                }
            }
        }
        Ok(dates)
    }

    /// Returns the collection at this folder, such as `apt/debian`, with its number.
    pub(super) fn find(&self, folder: &str) -> Option<(usize, &StateCollection)> {
        self.manifest.collections.iter().enumerate().find(|(_, collection)| collection.folder() == folder)
    }

    /// Returns what is to be said of the collection at this folder.
    pub(super) fn facts_of(&self, folder: &str) -> Option<CollectionFacts> {
        let (index, collection) = self.find(folder)?;
        let facts = self.facts.get(index)?;
        Some(CollectionFacts {
            bytes: facts.item_bytes,
            items: facts.items,
            origin: collection.upstream().as_str().to_owned(),
            publish: collection.publish,
            source: collection.source.clone(),
            unproven: facts.unproven,
        })
    }
}

/// Reads the facts of a state while its lists are checked.
#[derive(Default)]
struct FactReader {
    facts: Vec<ListFacts>,
    index: ItemIndex,
    values: usize,
    value_bytes: usize,
}

impl FactReader {
    fn line(&mut self, index: usize, line: &ListLine) -> Result<(), FormatError> {
        if self.facts.len() <= index {
            self.facts.resize_with(index + 1, ListFacts::default);
        }
        match line {
            ListLine::Proof(proof) => self.proof(index, proof),
            ListLine::Item(item) => self.item(index, item),
        }
        match self.values > MAX_VALUES || self.value_bytes > MAX_VALUE_BYTES {
            true => Err(FormatError::TooMany {
                cap: MAX_VALUES as u64,
                what: "publishers, architectures, licences and keys",
            }),
            false => Ok(()),
        }
    }

    fn proof(&mut self, index: usize, proof: &ProofLine) {
        self.index.proof(index);
        for key in &proof.signed_by {
            self.count(index, |facts| &mut facts.keys, key);
        }
    }

    fn item(&mut self, index: usize, item: &ItemLine) {
        self.index.item(index, item);
        if let Some(facts) = self.facts.get_mut(index) {
            facts.items += 1;
            facts.unproven += u64::from(item.proof.is_none());
            facts.item_bytes += item.size;
        }
        if let Some(publisher) = &item.publisher {
            self.count(index, |facts| &mut facts.publishers, publisher);
        }
        if let Some(licence) = &item.licence {
            self.count(index, |facts| &mut facts.licences, licence);
        }
        if let Some(architecture) = &item.architecture {
            self.count(index, |facts| &mut facts.architectures, architecture);
        }
    }

    fn count(&mut self, index: usize, of: fn(&mut ListFacts) -> &mut BTreeMap<String, u64>, value: &str) {
        let Some(values) = self.facts.get_mut(index).map(of) else { return };
        match values.get_mut(value) {
            Some(count) => *count += 1,
            None => {
                values.insert(value.to_owned(), 1);
                self.values += 1;
                self.value_bytes += value.len();
            }
        }
    }

    fn finish(mut self, state: StoredState, signer: Option<PublicKey>, place: &Path) -> ReviewedState {
        let StoredState { manifest, digest, lists } = state;
        self.facts.resize_with(manifest.collections.len(), ListFacts::default);
        let Self { facts, index, .. } = self;
        ReviewedState { manifest, digest, signer, place: place.to_owned(), lists, facts, index }
    }
}
