//! Items whose versions differ between two states of a collection, as people read them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::line::{ItemLine, ListLine};
use super::list_changes::changes;
use super::lists::StateLists;
use crate::bundle::format_error::FormatError;
use crate::digest::Sha256;

/// The most changes that are kept of a collection. All are counted.
const MAX_KEPT: usize = 1000;

/// The reason of items that the selection names.
const REQUESTED: &str = "requested";

/// Items whose versions differ between two states of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VersionChanges {
    /// The number of all of them.
    pub changed: u64,
    /// The first of them: those that the selection requests, then the others, each by name.
    pub changes: Vec<VersionChange>,
}

/// An item whose versions differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VersionChange {
    /// True unless the selection requests it. It stands first for the order.
    #[serde(skip)]
    is_not_requested: bool,
    /// Its name.
    pub name: String,
    /// Its architecture, as upstream writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Its versions in the state that is left; empty if that has none.
    pub before: Vec<String>,
    /// Its versions in the state that comes; empty if that has none. If they are the same as before, the bytes differ.
    pub after: Vec<String>,
    /// The reason that it is in: `requested`, or what needs it.
    pub reason: String,
}

/// The list of one collection in a state.
#[derive(Clone, Copy)]
pub(crate) struct PlacedList<'a> {
    pub(crate) lists: &'a StateLists,
    /// Its number among them.
    pub(crate) index: usize,
}

/// The fields that tell items apart.
type ItemKey = (String, Option<String>);

/// The versions of an item in both states.
#[derive(Default)]
struct BothVersions {
    before: BTreeSet<(String, Sha256)>,
    after: BTreeSet<(String, Sha256)>,
    reasons: BTreeSet<String>,
}

/// Returns the items whose versions or bytes differ. Both lists are read as streams; only such items are kept.
pub(crate) fn version_changes(before: PlacedList<'_>, after: PlacedList<'_>) -> Result<VersionChanges, FormatError> {
    let mut items: BTreeMap<ItemKey, BothVersions> = BTreeMap::new();
    changes(before.lists.raw(before.index)?, after.lists.raw(after.index)?, |change| {
        let is_same = |one: &ItemLine, other: &ItemLine| (&one.version, one.sha256) == (&other.version, other.sha256);
        match (change.before, change.after) {
            (Some(ListLine::Item(before)), Some(ListLine::Item(after))) if is_same(&before, &after) => {}
            (before, after) => {
                for line in [before, after].into_iter().flatten() {
                    if let ListLine::Item(item) = line {
                        items.entry(key(*item)).or_default();
                    }
                }
            }
        }
        Ok(())
    })?;
    if !items.is_empty() {
        // An item may have versions that both states have.
        collect(&mut items, before, |item| &mut item.before)?;
        collect(&mut items, after, |item| &mut item.after)?;
    }
    items.retain(|_, versions| versions.before != versions.after);
    let mut all: Vec<VersionChange> = items.into_iter().map(|(key, versions)| versions.into_change(key)).collect();
    let changed = all.len() as u64;
    all.sort();
    all.truncate(MAX_KEPT);
    Ok(VersionChanges { changed, changes: all })
}

fn key(item: ItemLine) -> ItemKey {
    (item.name, item.architecture)
}

fn collect(
    items: &mut BTreeMap<ItemKey, BothVersions>,
    list: PlacedList<'_>,
    side: impl Fn(&mut BothVersions) -> &mut BTreeSet<(String, Sha256)>,
) -> Result<(), FormatError> {
    let mut list = list.lists.read(list.index)?;
    while let Some(line) = list.next_line()? {
        let ListLine::Item(item) = line else { continue };
        let (version, sha256) = (item.details.full_version(&item.version).into_owned(), item.sha256);
        let reason = item.reason.clone();
        if let Some(versions) = items.get_mut(&key(*item)) {
            side(versions).insert((version, sha256));
            versions.reasons.insert(reason);
        }
    }
    Ok(())
}

impl BothVersions {
    fn into_change(mut self, key: ItemKey) -> VersionChange {
        let (name, architecture) = key;
        let names = |of: BTreeSet<(String, Sha256)>| {
            let mut names: Vec<String> = of.into_iter().map(|(version, _)| version).collect();
            names.dedup();
            names
        };
        let reason = self.reasons.take(REQUESTED).or_else(|| self.reasons.pop_first()).unwrap_or_default();
        VersionChange {
            is_not_requested: reason != REQUESTED,
            name,
            architecture,
            before: names(self.before),
            after: names(self.after),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::state::line::tests::item;
    use crate::bundle::state::lists::tests::{TestLines, TestState, state_of};
    use crate::kind::Details;
    use crate::origin::Origin;

    /// A name, a version, the bytes and the reason.
    type TestRow<'a> = (&'a str, &'a str, &'a str, &'a str);

    fn rows(rows: &[TestRow<'_>]) -> TestState {
        let mut items: Vec<ItemLine> = rows
            .iter()
            .map(|(name, version, bytes, reason)| ItemLine {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                reason: (*reason).to_owned(),
                details: Details::File { origin: Origin::Local },
                ..item(&format!("pool/{name}_{version}_{}.deb", bytes.len()), bytes.as_bytes())
            })
            .collect();
        items.sort_by(|a, b| a.path.cmp(&b.path));
        state_of(&[TestLines { name: "a", proofs: Vec::new(), items }])
    }

    fn found(before: &[TestRow<'_>], after: &[TestRow<'_>]) -> (u64, Vec<String>) {
        let (before, after) = (rows(before), rows(after));
        let placed = |lists| PlacedList { lists, index: 0 };
        let found = version_changes(placed(&before.lists), placed(&after.lists)).unwrap();
        let words = |of: &VersionChange| format!("{} {} to {}", of.name, of.before.join("+"), of.after.join("+"));
        (found.changed, found.changes.iter().map(words).collect())
    }

    #[test]
    fn requested_items_come_first() {
        let after = [("a", "1", "x", "needed by z"), ("b", "1", "x", "requested"), ("c", "1", "x", "needed by z")];
        let before = [("a", "2", "x", "needed by z"), ("b", "2", "x", "requested"), ("c", "1", "x", "needed by z")];
        assert_eq!(found(&before, &after), (2, vec!["b 2 to 1".to_owned(), "a 2 to 1".to_owned()]));
    }

    #[test]
    fn versions_that_both_states_have_are_named() {
        let one = [("a", "1", "x", "requested")];
        let two = [("a", "1", "x", "requested"), ("a", "2", "xx", "requested")];
        assert_eq!(found(&two, &one), (1, vec!["a 1+2 to 1".to_owned()]));
        assert_eq!(found(&one, &[]), (1, vec!["a 1 to ".to_owned()]));
    }

    #[test]
    fn other_bytes_are_a_change_and_other_reasons_are_not() {
        let before = [("a", "1", "x", "requested"), ("b", "1", "x", "requested")];
        let after = [("a", "1", "y", "requested"), ("b", "1", "x", "needed by a")];
        assert_eq!(found(&before, &after), (1, vec!["a 1 to 1".to_owned()]));
    }
}
