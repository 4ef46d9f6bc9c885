//! Finds out what became of each item of one name and architecture.
//!
//! A file with another version has another path, so two lists show an upgrade as a removed and an added line. Lines are paired from the
//! surest sign to the weakest: path, bytes, suite or track, collection, and last across collections.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::item_change::{ChangeClass, ItemChange, StayingLine};
use crate::bundle::state::ItemLine;
use crate::kind::{ItemVersion, Kind};

/// An item of one of two states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupItem {
    /// Its collection, as KIND/NAME.
    pub(super) folder: String,
    /// Its line.
    pub(super) item: ItemLine,
}

/// All items of one kind, name and architecture in two states.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemGroup {
    pub(super) before: Vec<GroupItem>,
    pub(super) after: Vec<GroupItem>,
}

/// Returns the changes of a group.
pub(super) fn changes_of(kind: Kind, group: ItemGroup) -> Vec<ItemChange> {
    let new_name = group.before.is_empty();
    let known = group.before.clone();
    let mut pairing =
        Pairing { kind, changes: Vec::new(), unchanged: Vec::new(), removed: Vec::new(), added: Vec::new() };
    pairing.same_lines(group);
    pairing.pair(|item| (file_key(item), item.item.sha256));
    pairing.pair(file_key);
    pairing.same_version(&known);
    pairing.pair(|item| (item.folder.clone(), item.item.path.clone()));
    pairing.pair(|item| (item.folder.clone(), item.item.sha256));
    pairing.pair(|item| (item.folder.clone(), line_and_ending(item)));
    pairing.pair(|item| (item.folder.clone(), item.item.details.release_line()));
    pairing.pair(|item| (item.folder.clone(), String::new()));
    pairing.across_collections();
    pairing.rest();
    let mut changes = pairing.changes;
    changes.iter_mut().for_each(|change| change.new_name = new_name);
    changes
}

/// Lines that are being paired.
struct Pairing {
    kind: Kind,
    changes: Vec<ItemChange>,
    /// Lines that both states have.
    unchanged: Vec<GroupItem>,
    removed: Vec<GroupItem>,
    added: Vec<GroupItem>,
}

impl Pairing {
    /// Sets lines aside that both states have.
    fn same_lines(&mut self, group: ItemGroup) {
        let key = |item: &GroupItem| (item.folder.clone(), item.item.path.clone());
        let mut before: BTreeMap<_, _> = group.before.into_iter().map(|item| (key(&item), item)).collect();
        for after in group.after {
            let key = key(&after);
            match before.get(&key) == Some(&after) {
                true => {
                    before.remove(&key);
                    self.unchanged.push(after);
                }
                false => self.added.push(after),
            }
        }
        self.removed = before.into_values().collect();
    }

    /// Finds added lines of a version that was there with other bytes, whatever else became of that. What an upgrade may look like
    /// must not hide it.
    fn same_version(&mut self, known: &[GroupItem]) {
        let mut digests: BTreeMap<BesideKey, Vec<&GroupItem>> = BTreeMap::new();
        known.iter().for_each(|item| digests.entry(file_key(item)).or_default().push(item));
        for new in std::mem::take(&mut self.added) {
            let old = digests.get(&file_key(&new)).map(Vec::as_slice).unwrap_or_default();
            let is_known = old.iter().any(|old| old.item.sha256 == new.item.sha256);
            match old.first().filter(|_| !is_known && !self.kind.has_versions_of_bytes()) {
                Some(old) => {
                    let stays = Some(StayingLine::Before);
                    self.add(new.folder, Some(old.item.clone()), Some(new.item), ChangeClass::OtherBytes, stays);
                }
                None => self.added.push(new),
            }
        }
    }

    /// Pairs removed and added lines with one key, the newest version of each with the newest one of the other side.
    fn pair<K: Ord>(&mut self, key: impl Fn(&GroupItem) -> K) {
        let (removed, added) = (std::mem::take(&mut self.removed), std::mem::take(&mut self.added));
        let by_key = |items: Vec<GroupItem>| {
            let mut sorted: BTreeMap<K, Vec<GroupItem>> = BTreeMap::new();
            items.into_iter().for_each(|item| sorted.entry(key(&item)).or_default().push(item));
            sorted.values_mut().for_each(|items| items.sort_by(|a, b| oldest_first(self.kind, a, b)));
            sorted
        };
        let (removed, mut added) = (by_key(removed), by_key(added));
        for (key, mut before) in removed {
            let mut after = added.remove(&key).unwrap_or_default();
            let newest = before.len().min(after.len());
            let (old, new) = (before.split_off(before.len() - newest), after.split_off(after.len() - newest));
            old.into_iter().zip(new).for_each(|(old, new)| self.change(old, new));
            self.removed.append(&mut before);
            self.added.append(&mut after);
        }
        self.added.extend(added.into_values().flatten());
    }

    /// Pairs what a collection no longer has with what is new to another one.
    fn across_collections(&mut self) {
        let folders = |items: &[GroupItem]| items.iter().map(|item| item.folder.clone()).collect::<BTreeSet<_>>();
        let mut known = folders(&self.unchanged);
        known.extend(self.changes.iter().map(|change| change.collection.clone()));
        let (old, new) = (folders(&self.removed), folders(&self.added));
        let moves = |items: Vec<GroupItem>, other: &BTreeSet<String>| -> (Vec<_>, Vec<_>) {
            items.into_iter().partition(|item| !known.contains(&item.folder) && !other.contains(&item.folder))
        };
        let (from, gone) = moves(std::mem::take(&mut self.removed), &new);
        let (to, more) = moves(std::mem::take(&mut self.added), &old);
        (self.removed, self.added) = (from, to);
        self.pair(|item| item.item.sha256);
        self.pair(|_| ());
        self.removed.extend(gone);
        self.added.extend(more);
    }

    /// Says of all other lines that they are new or gone, or newer or older than what stays.
    fn rest(&mut self) {
        let beside = Beside::new(self.kind, std::mem::take(&mut self.unchanged));
        for new in std::mem::take(&mut self.added) {
            let old = beside.newest(&new).map(|old| old.item.clone());
            let before = old.filter(|old| ChangeClass::of(self.kind, old, &new.item) == ChangeClass::Upgraded);
            let change = if before.is_some() { ChangeClass::Upgraded } else { ChangeClass::New };
            let stays = before.is_some().then_some(StayingLine::Before);
            self.add(new.folder, before, Some(new.item), change, stays);
        }
        for old in std::mem::take(&mut self.removed) {
            let stays = beside.newest(&old).map(|stays| stays.item.clone());
            let older = stays.filter(|stays| ChangeClass::of(self.kind, &old.item, stays) == ChangeClass::Downgraded);
            let (change, stays) = match older {
                Some(_) => (ChangeClass::Downgraded, Some(StayingLine::After)),
                None => (ChangeClass::Removed, None),
            };
            self.add(old.folder, Some(old.item), older, change, stays);
        }
    }

    fn change(&mut self, before: GroupItem, after: GroupItem) {
        let class = ChangeClass::of(self.kind, &before.item, &after.item);
        let is_moved = before.folder != after.folder;
        let class = if is_moved && class == ChangeClass::Relisted { ChangeClass::Moved } else { class };
        self.add(after.folder, Some(before.item), Some(after.item), class, None);
        if let Some(change) = self.changes.last_mut().filter(|_| is_moved) {
            change.moved_from = Some(before.folder);
        }
    }

    fn add(
        &mut self,
        collection: String,
        before: Option<ItemLine>,
        after: Option<ItemLine>,
        change: ChangeClass,
        stays: Option<StayingLine>,
    ) {
        let (because, moved_from) = (Vec::new(), None);
        let new_name = false;
        self.changes.push(ItemChange { after, before, because, change, collection, moved_from, new_name, stays });
    }
}

/// The newest of the lines that both states have, by collection and release line.
struct Beside(BTreeMap<BesideKey, GroupItem>);

/// Texts that are equal for lines that belong together.
type BesideKey = Vec<String>;

impl Beside {
    fn new(kind: Kind, mut unchanged: Vec<GroupItem>) -> Self {
        unchanged.sort_by(|a, b| oldest_first(kind, a, b));
        Self(unchanged.into_iter().map(|item| (line_key(&item), item)).collect())
    }

    /// Returns the newest line of the same collection and release line.
    fn newest(&self, item: &GroupItem) -> Option<&GroupItem> {
        self.0.get(&line_key(item))
    }
}

fn line_key(item: &GroupItem) -> BesideKey {
    vec![item.folder.clone(), item.item.details.release_line()]
}

/// Collection, version and name of the file: a source package has files of several names.
fn file_key(item: &GroupItem) -> BesideKey {
    vec![item.folder.clone(), item.item.version.clone(), item.item.path.file_name().to_owned()]
}

/// The release line of an item, and the last ending of its file: the files of a source package are told apart by it.
fn line_and_ending(item: &GroupItem) -> String {
    let (_, ending) = item.item.path.file_name().rsplit_once('.').unwrap_or_default();
    format!("{}.{ending}", item.item.details.release_line())
}

/// The order of versions, and of paths where versions are equal or have no order.
fn oldest_first(kind: Kind, one: &GroupItem, other: &GroupItem) -> Ordering {
    fn version(item: &GroupItem) -> ItemVersion<'_> {
        ItemVersion { version: &item.item.version, details: &item.item.details }
    }
    let order = kind.order(version(one), version(other)).unwrap_or(Ordering::Equal);
    order.then_with(|| (&one.item.path, &one.folder).cmp(&(&other.item.path, &other.folder)))
}
