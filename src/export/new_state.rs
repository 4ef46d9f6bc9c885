//! The state that an export makes: its item lists and its manifest.

use super::left_out::left_out;
use super::{CollectionSummary, Settings};
use crate::bundle::state::lists::{ListedCollections, StateLists};
use crate::bundle::state::manifest::{FORMAT, Manifest, StateCollection};
use crate::bundle::state::new_list::NewList;
use crate::bundle::write::BundleDraft;
use crate::bundle::{BundleError, FormatError};
use crate::collect::Tally;
use crate::depot::BlobReader;
use crate::digest::Sha256;
use crate::numbers::Sequence;
use crate::selection::Selection;
use crate::time::Time;

const DAY_SECONDS: i64 = 24 * 3600;

/// The item lists of an export, in nameless files, and what the manifest says of them.
pub(super) struct NewLists {
    pub(super) collections: Vec<StateCollection>,
    /// The number of items of each collection.
    pub(super) items: Vec<u64>,
    pub(super) lists: StateLists,
}

impl NewLists {
    /// Takes the lists that collectors have written, in the order of the manifest.
    pub(super) fn of(new: Vec<NewList>) -> Result<Self, FormatError> {
        let (mut collections, mut items, mut files) = (Vec::new(), Vec::new(), Vec::new());
        for list in new {
            collections.push(list.collection);
            items.push(list.items);
            files.push(BlobReader::of_file(list.file));
        }
        let lists = StateLists::of_collections(&collections, files)?;
        Ok(Self { collections, items, lists })
    }

    /// The collections with their lists.
    pub(super) fn listed(&self) -> ListedCollections<'_> {
        ListedCollections { collections: &self.collections, lists: &self.lists }
    }

    /// The collections in a few words.
    pub(super) fn summaries(&self) -> Vec<CollectionSummary> {
        let summary = |(collection, items): (&StateCollection, &u64)| CollectionSummary {
            kind: collection.kind,
            name: collection.name.clone(),
            origin: collection.upstream(),
            items: *items,
        };
        self.collections.iter().zip(&self.items).map(summary).collect()
    }

    /// Copies the lists into a bundle.
    pub(super) fn copy_into(&self, draft: &BundleDraft) -> Result<(), BundleError> {
        self.collections.iter().enumerate().try_for_each(|(index, collection)| {
            let mut list = self.lists.stored(index).map_err(BundleError::in_file(draft.folder()))?;
            draft.copy_list(collection, &mut list)
        })
    }
}

/// Returns the manifest without its collections.
pub(super) fn header(
    selection: &Selection,
    settings: &Settings<'_>,
    tally: &Tally,
    last: Option<(&Manifest, Sha256)>,
) -> Manifest {
    let created = settings.created.unwrap_or_else(Time::now);
    let overrides = [
        (settings.allow_changed_items, "--allow-changed-items"),
        (settings.allow_older_upstream, "--allow-older-upstream"),
    ];
    Manifest {
        changed_items: Vec::new(),
        classification: selection.classification.clone(),
        collections: Vec::new(),
        created,
        epoch: selection.epoch,
        expires: created.plus(i64::from(selection.expires.0) * DAY_SECONDS),
        format: FORMAT,
        generator: format!("gapferry {}", env!("CARGO_PKG_VERSION")),
        left_out: left_out(tally),
        more_changed_items: None,
        name: selection.name.clone(),
        next_expected: selection.next_expected.map(|days| created.plus(i64::from(days.0) * DAY_SECONDS)),
        overrides: overrides.into_iter().filter(|(is_used, _)| *is_used).map(|(_, flag)| flag.to_owned()).collect(),
        previous: last.map(|(_, digest)| digest),
        purpose: selection.purpose.clone(),
        sequence: next_sequence(selection, last.map(|(manifest, _)| manifest)),
        site: selection.site.clone(),
        ticket: selection.ticket.clone(),
        trust: None,
    }
}

/// Returns the sequence of the next bundle. A new epoch starts afresh.
pub(super) fn next_sequence(selection: &Selection, last: Option<&Manifest>) -> Sequence {
    last.filter(|last| last.epoch == selection.epoch).map_or(Sequence::FIRST, |last| last.sequence.next())
}
