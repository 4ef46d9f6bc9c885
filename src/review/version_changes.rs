//! Items whose versions differ between two states, by collection: what a rollback changes, as people read it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::item_groups::StatePair;
use super::pairing::{GroupItem, ItemGroup};
use super::state::ReviewedState;
use crate::bundle::BundleError;
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
    pub changes: BTreeSet<VersionChange>,
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

/// Returns, by its folder, the items of each collection of which versions or bytes differ. `scratch` gets nameless files.
pub fn version_changes(
    before: &ReviewedState,
    after: &ReviewedState,
    scratch: &Path,
) -> Result<BTreeMap<String, VersionChanges>, BundleError> {
    let mut changes: BTreeMap<String, VersionChanges> = BTreeMap::new();
    let mut read = || {
        let mut groups = StatePair { before, after }.changed_groups(scratch, |_| ())?;
        while let Some(found) = groups.next_group()? {
            for (folder, change) in found.group.version_changes() {
                changes.entry(folder).or_default().add(change);
            }
        }
        Ok(())
    };
    read().map_err(BundleError::in_file(&after.place))?;
    Ok(changes)
}

impl VersionChanges {
    fn add(&mut self, change: VersionChange) {
        self.changed += 1;
        self.changes.insert(change);
        if self.changes.len() > MAX_KEPT {
            self.changes.pop_last();
        }
    }
}

/// The versions of an item in both states of a collection.
#[derive(Default)]
struct BothVersions {
    before: BTreeSet<(String, Sha256)>,
    after: BTreeSet<(String, Sha256)>,
    reasons: BTreeSet<String>,
}

impl ItemGroup {
    /// Returns the change of each collection in which versions or bytes differ.
    fn version_changes(&self) -> Vec<(String, VersionChange)> {
        let mut versions: BTreeMap<&str, BothVersions> = BTreeMap::new();
        for (items, side) in [
            (&self.before, (|both| &mut both.before) as fn(&mut BothVersions) -> &mut BTreeSet<(String, Sha256)>),
            (&self.after, |both| &mut both.after),
        ] {
            for GroupItem { folder, item } in items {
                let both = versions.entry(folder).or_default();
                side(both).insert((item.details.full_version(&item.version).into_owned(), item.sha256));
                both.reasons.insert(item.reason.clone());
            }
        }
        let Some(GroupItem { item: first, .. }) = self.before.first().or(self.after.first()) else { return Vec::new() };
        versions.retain(|_, both| both.before != both.after);
        let change = |(folder, both): (&str, BothVersions)| {
            (folder.to_owned(), both.into_change(first.name.clone(), first.architecture.clone()))
        };
        versions.into_iter().map(change).collect()
    }
}

impl BothVersions {
    fn into_change(mut self, name: String, architecture: Option<String>) -> VersionChange {
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
    use super::super::tests::{TestList, deb, reviewed, stored};
    use super::*;
    use crate::bundle::state::ItemLine;

    /// A name, a version, the bytes and the reason.
    type TestRow<'a> = (&'a str, &'a str, &'a str, &'a str);

    fn list(rows: &[TestRow<'_>]) -> TestList {
        let line = |(name, version, bytes, reason): &TestRow<'_>| ItemLine {
            reason: (*reason).to_owned(),
            ..deb(name, version, bytes)
        };
        TestList {
            folder: "apt/demo",
            origin: "http://a.invalid/",
            proofs: Vec::new(),
            items: rows.iter().map(line).collect(),
        }
    }

    fn found(before: &[TestRow<'_>], after: &[TestRow<'_>]) -> (u64, Vec<String>) {
        let (before, after) = (reviewed(stored(1, &[list(before)])), reviewed(stored(2, &[list(after)])));
        let mut found = version_changes(&before, &after, &std::env::temp_dir()).unwrap();
        let VersionChanges { changed, changes } = found.remove("apt/demo").unwrap_or_default();
        let words = |of: &VersionChange| format!("{} {} to {}", of.name, of.before.join("+"), of.after.join("+"));
        (changed, changes.iter().map(words).collect())
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

    #[test]
    fn the_first_thousand_are_kept_and_all_are_counted() {
        let names: Vec<String> = (0..1100).map(|number| format!("p{number:04}")).collect();
        let rows: Vec<TestRow<'_>> = names.iter().map(|name| (name.as_str(), "1", "x", "requested")).collect();
        let (changed, words) = found(&[], &rows);
        assert_eq!((changed, words.len(), words.last().unwrap().as_str()), (1100, 1000, "p0999  to 1"));
    }
}
