//! A few numbers for each item of a state, from which later passes over its lists know which lines they need.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::bundle::state::ItemLine;

/// The items of a state, in the order of the lists.
#[derive(Debug, Default)]
pub(super) struct ItemIndex {
    entries: Vec<ItemEntry>,
    /// The collections, in the order of the manifest.
    collections: Vec<IndexedCollection>,
}

/// The number of proofs of a collection, and of the entries before its items.
#[derive(Clone, Copy, Debug, Default)]
struct IndexedCollection {
    proofs: u64,
    first: usize,
}

/// An item. Two things of one hash, or of one name and two kinds, are only looked at needlessly.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemEntry {
    /// The hash of name and architecture.
    pub(super) group: u64,
    /// The hash of its name.
    pub(super) name: u64,
    /// The same of the item that its reason names; 0 if it names none.
    pub(super) parent: u64,
}

const _: () = assert!(size_of::<ItemEntry>() <= 48, "what a join may keep of an item");

impl ItemIndex {
    /// Takes note of the next proof of collection `index`. Collections come in their order.
    pub(super) fn proof(&mut self, index: usize) {
        self.collection(index).proofs += 1;
    }

    /// Takes note of the next item of collection `index`.
    pub(super) fn item(&mut self, index: usize, item: &ItemLine) {
        self.collection(index);
        let parent = named_in(&item.reason).map(hash_of_name).unwrap_or_default();
        self.entries.push(ItemEntry { group: hash_of_group(item), name: hash_of_name(&item.name), parent });
    }

    fn collection(&mut self, index: usize) -> &mut IndexedCollection {
        let first = self.entries.len();
        while self.collections.len() <= index {
            self.collections.push(IndexedCollection { proofs: 0, first });
        }
        &mut self.collections[index]
    }

    /// The number of proofs of collection `index`, which stand before its items.
    pub(super) fn proofs(&self, index: usize) -> u64 {
        self.collections.get(index).map(|collection| collection.proofs).unwrap_or_default()
    }

    /// The items of collection `index`.
    pub(super) fn items(&self, index: usize) -> &[ItemEntry] {
        let first = self.collections.get(index).map_or(self.entries.len(), |collection| collection.first);
        let end = self.collections.get(index + 1).map_or(self.entries.len(), |collection| collection.first);
        self.entries.get(first..end).unwrap_or_default()
    }

    /// All items.
    pub(super) fn all(&self) -> &[ItemEntry] {
        &self.entries
    }
}

/// The hash of what versions of one thing have in common.
pub(super) fn hash_of_group(item: &ItemLine) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&item.name, &item.architecture).hash(&mut hasher);
    hasher.finish()
}

/// The hash by which reasons find an item. It is never 0.
pub(super) fn hash_of_name(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish().max(1)
}

/// The beginnings of reasons that go on with the name of another item.
const NEEDS: [&str; 7] = [
    "needed by ",
    "recommended by ",
    "suggested by ",
    "upgraded with ",
    "base of ",
    "snapd for ",
    "default provider of ",
];

/// Returns the name of the item that a reason names first. apt's labels end in an architecture, where it is another than the host's.
pub(super) fn named_in(reason: &str) -> Option<&str> {
    let first = reason.split("; ").next().unwrap_or_default();
    let name = NEEDS.iter().find_map(|start| first.strip_prefix(start))?;
    Some(name.split(':').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_what_needs_an_item() {
        for (reason, name) in [
            ("needed by nginx", Some("nginx")),
            ("recommended by libc6:i386", Some("libc6")),
            ("base of maas; base of lxd", Some("maas")),
            ("requested", None),
            ("priority required", None),
            ("", None),
        ] {
            assert_eq!(named_in(reason), name, "{reason}");
        }
    }
}
