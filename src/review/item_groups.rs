//! Finds the items of two states that may have changed, and brings those of one name together.
//!
//! The first pass merges both lists of each collection and notes the names in lines that differ. The second one reads the lines of these
//! names, whether they differ or not. An external sort puts lines of one name beside each other, so memory holds one group at a time.

use std::io;
use std::path::Path;

use super::item_index::hash_of_group;
use super::pairing::{GroupItem, ItemGroup};
use super::state::ReviewedState;
use crate::bundle::FormatError;
use crate::bundle::state::list_changes::changes;
use crate::bundle::state::{ItemLine, ListLine, ProofLine};
use crate::kind::Kind;
use crate::storage::{ExternalSort, SortedRecords};

/// The most items of one name and architecture in both states.
const MAX_GROUP: usize = 65_536;

/// Two states that are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatePair<'a> {
    pub(super) before: &'a ReviewedState,
    pub(super) after: &'a ReviewedState,
}

/// A file that upstream signs, in both states.
#[derive(Clone, Debug)]
pub(super) struct ChangedProof {
    /// The collection, as KIND/NAME.
    pub(super) collection: String,
    pub(super) before: ProofLine,
    pub(super) after: ProofLine,
}

/// The groups of items in which something has changed.
pub(super) struct ChangedGroups<'a> {
    states: StatePair<'a>,
    records: SortedRecords,
    next: Option<Vec<u8>>,
    /// Groups of one hash and several names.
    ready: Vec<KindGroup>,
}

/// A group with its kind.
pub(super) struct KindGroup {
    pub(super) kind: Kind,
    pub(super) group: ItemGroup,
}

/// One of two states, as the byte in a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StateSide {
    Before = 0,
    After = 1,
}

/// The bytes of a record before the line: hash, side and collection.
const HEAD: usize = 8 + 1 + 2;

impl<'a> StatePair<'a> {
    /// Reads the lists of both states. Hands each signed file that has changed to `proof`.
    pub(super) fn changed_groups(
        self,
        scratch: &Path,
        proof: impl FnMut(ChangedProof),
    ) -> Result<ChangedGroups<'a>, FormatError> {
        let changed = self.changed_hashes(proof)?;
        let mut sort = ExternalSort::new(scratch);
        if !changed.is_empty() {
            push_lines(self.before, StateSide::Before, &changed, &mut sort)?;
            push_lines(self.after, StateSide::After, &changed, &mut sort)?;
        }
        let mut records = sort.finish()?;
        let next = records.next_record()?;
        Ok(ChangedGroups { states: self, records, next, ready: Vec::new() })
    }

    /// Returns the hashes of the groups in which a line differs, sorted.
    fn changed_hashes(self, mut proof: impl FnMut(ChangedProof)) -> Result<Vec<u64>, FormatError> {
        let mut hashes = Vec::new();
        let Self { before, after } = self;
        for (index, collection) in after.manifest.collections.iter().enumerate() {
            let folder = collection.folder();
            let Some((old_index, old)) = before.find(&folder) else {
                hashes.extend(after.index.items(index).iter().map(|entry| entry.group));
                continue;
            };
            if old.list == collection.list {
                continue;
            }
            changes(before.lists.raw(old_index)?, after.lists.raw(index)?, |change| {
                if let (Some(ListLine::Proof(before)), Some(ListLine::Proof(after))) = (&change.before, &change.after) {
                    let (before, after) = (before.clone(), after.clone());
                    proof(ChangedProof { collection: folder.clone(), before, after });
                }
                for line in [change.before, change.after].into_iter().flatten() {
                    if let ListLine::Item(item) = line {
                        hashes.push(hash_of_group(&item));
                    }
                }
                Ok(())
            })?;
        }
        for (index, collection) in before.manifest.collections.iter().enumerate() {
            if after.find(&collection.folder()).is_none() {
                hashes.extend(before.index.items(index).iter().map(|entry| entry.group));
            }
        }
        hashes.sort_unstable();
        hashes.dedup();
        Ok(hashes)
    }
}

/// Adds the lines of the changed groups to `sort`.
fn push_lines(
    state: &ReviewedState,
    side: StateSide,
    changed: &[u64],
    sort: &mut ExternalSort,
) -> Result<(), FormatError> {
    let mut record = Vec::new();
    for index in 0..state.manifest.collections.len() {
        let items = state.index.items(index);
        let wanted = |hash: &u64| changed.binary_search(hash).is_ok();
        let Some(last) = items.iter().rposition(|entry| wanted(&entry.group)) else { continue };
        let mut list = state.lists.raw(index)?;
        for _ in 0..state.index.proofs(index) {
            list.next_line()?;
        }
        for entry in items.get(..=last).unwrap_or_default() {
            let Some(line) = list.next_line()? else { break };
            if wanted(&entry.group) {
                record.clear();
                record.extend_from_slice(&entry.group.to_be_bytes());
                record.push(side as u8);
                record.extend_from_slice(&u16::try_from(index).unwrap_or(u16::MAX).to_be_bytes());
                record.extend_from_slice(line);
                sort.push(&record)?;
            }
        }
    }
    Ok(())
}

impl ChangedGroups<'_> {
    /// Returns the next group; `None` behind the last one.
    pub(super) fn next_group(&mut self) -> Result<Option<KindGroup>, FormatError> {
        if let Some(group) = self.ready.pop() {
            return Ok(Some(group));
        }
        let Some(hash) = self.next.as_ref().and_then(|record| record.get(..8).map(<[u8]>::to_vec)) else {
            return Ok(None);
        };
        let mut count = 0;
        while let Some(record) = self.next.take_if(|record| record.starts_with(&hash)) {
            count += 1;
            if count > MAX_GROUP {
                let what = "items of one name and architecture";
                return Err(FormatError::TooMany { cap: MAX_GROUP as u64, what });
            }
            self.add(&record)?;
            self.next = self.records.next_record()?;
        }
        Ok(self.ready.pop())
    }

    /// Adds a line to the group of its kind, name and architecture.
    fn add(&mut self, record: &[u8]) -> Result<(), FormatError> {
        let parsed = record.split_at_checked(HEAD).and_then(|(head, line)| {
            let [side, high, low] = *head.get(8..)?.first_chunk::<3>()?;
            let side = if side == StateSide::Before as u8 { StateSide::Before } else { StateSide::After };
            Some((side, usize::from(u16::from_be_bytes([high, low])), ListLine::parse(line)))
        });
        let Some((side, index, line)) = parsed else { return Err(io::Error::from(io::ErrorKind::InvalidData).into()) };
        let state = if side == StateSide::Before { self.states.before } else { self.states.after };
        let (Some(collection), ListLine::Item(item)) = (state.manifest.collections.get(index), line?) else {
            return Err(io::Error::from(io::ErrorKind::InvalidData).into());
        };
        let (kind, item) = (collection.kind, GroupItem { folder: collection.folder(), item: *item });
        let group = self.group(kind, &item.item);
        match side {
            StateSide::Before => group.before.push(item),
            StateSide::After => group.after.push(item),
        }
        Ok(())
    }

    fn group(&mut self, kind: Kind, item: &ItemLine) -> &mut ItemGroup {
        let is_same = |known: &KindGroup| {
            let first = known.group.before.first().or(known.group.after.first()).map(|first| &first.item);
            let is_named = |first: &ItemLine| (&first.name, &first.architecture) == (&item.name, &item.architecture);
            known.kind == kind && first.is_some_and(is_named)
        };
        let at = self.ready.iter().position(is_same).unwrap_or(self.ready.len());
        if at == self.ready.len() {
            self.ready.push(KindGroup { kind, group: ItemGroup::default() });
        }
        &mut self.ready[at].group
    }
}
