//! Names and versions of a state, to find items that have other bytes under the same name and version.
//!
//! No upstream does that: clients take both for the same thing, and a reviewer who compares versions sees no change.

use std::fmt;

use serde::Serialize;

use super::line::ItemLine;
use crate::collection::{Collection, Item};
use crate::digest::Sha256;
use crate::path::PublishPath;

/// The names and versions of a state's items, with their digests, in 48 bytes each.
#[derive(Clone, Debug, Default)]
pub struct KnownVersions(Vec<KnownVersion>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct KnownVersion {
    key: VersionKey,
    sha256: Sha256,
}

/// The first half of a digest over what tells one version of one thing. Two things of one key would only be reported needlessly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct VersionKey([u8; 16]);

const _: () = assert!(size_of::<KnownVersion>() == 48, "what a join may keep of an item");

impl KnownVersions {
    /// Starts a table for so many items.
    pub fn with_items(items: u64) -> Self {
        Self(Vec::with_capacity(usize::try_from(items.min(super::MAX_LINES)).unwrap_or_default()))
    }

    /// The items of these collections.
    pub fn of(collections: &[Collection]) -> Self {
        let mut known = Self::with_items(collections.iter().map(|collection| collection.items.len() as u64).sum());
        for collection in collections {
            let folder = collection.folder();
            for (item, sha256) in
                collection.items.iter().filter_map(|item| Some((item, collection.files.get(&item.file)?)))
            {
                known.add(&folder, item.into(), *sha256);
            }
        }
        known.finish();
        known
    }

    /// Adds an item of the collection, such as `apt/debian`.
    pub fn add(&mut self, collection: &str, item: VersionedItem<'_>, sha256: Sha256) {
        self.0.push(KnownVersion { key: key(collection, item), sha256 });
    }

    /// Takes note that all items were added.
    pub fn finish(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// Returns the items of `collections` that have other bytes under a name and version of this state.
    pub fn changed_items(&self, collections: &[Collection]) -> Vec<ChangedItem> {
        let mut changed = Vec::new();
        for collection in collections {
            let folder = collection.folder();
            for (item, sha256) in
                collection.items.iter().filter_map(|item| Some((item, collection.files.get(&item.file)?)))
            {
                if let Some(before) = self.other_bytes(&folder, item.into(), *sha256) {
                    let (name, version) = (item.name.clone(), item.version.clone());
                    let (path, now) = (item.file.clone(), *sha256);
                    changed.push(ChangedItem { before, collection: folder.clone(), name, now, path, version });
                }
            }
        }
        changed
    }

    /// Returns the digest that this state has for the item's name and version, if it has none but another one than `sha256`.
    pub fn other_bytes(&self, collection: &str, item: VersionedItem<'_>, sha256: Sha256) -> Option<Sha256> {
        let key = key(collection, item);
        let from = self.0.partition_point(|known| known.key < key);
        let same = self.0.iter().skip(from).take_while(|known| known.key == key);
        let mut other = None;
        for known in same {
            if known.sha256 == sha256 {
                return None;
            }
            other.get_or_insert(known.sha256);
        }
        other
    }
}

/// An item, as far as clients tell versions apart.
#[derive(Clone, Copy, Debug)]
pub struct VersionedItem<'a> {
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
    path: &'a PublishPath,
}

impl<'a> From<&'a ItemLine> for VersionedItem<'a> {
    fn from(item: &'a ItemLine) -> Self {
        let ItemLine { name, version, architecture, path, .. } = item;
        Self { name, version, architecture: architecture.as_deref().unwrap_or_default(), path }
    }
}

impl<'a> From<&'a Item> for VersionedItem<'a> {
    fn from(item: &'a Item) -> Self {
        let Item { name, version, architecture, file, .. } = item;
        Self { name, version, architecture, path: file }
    }
}

/// An item that has other bytes than before under the same name and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedItem {
    /// The digest before.
    pub before: Sha256,
    /// The collection, such as `apt/debian`.
    pub collection: String,
    /// Its name.
    pub name: String,
    /// The digest now.
    pub now: Sha256,
    /// Its path in the collection.
    pub path: PublishPath,
    /// Its version.
    pub version: String,
}

impl fmt::Display for ChangedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, collection, name, now, path, version } = self;
        write!(
            f,
            "{collection}/{path}: {name} {version} has other bytes than before under the same name and version: it was \
             {before} and is {now}"
        )
    }
}

/// A source package has files of several names, and a snap revisions of one version, so the file's name counts.
fn key(collection: &str, item: VersionedItem<'_>) -> VersionKey {
    let parts = [collection, item.name, item.version, item.architecture, item.path.file_name()];
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let mut key = [0; 16];
    key.iter_mut().zip(Sha256::of(&text).as_bytes()).for_each(|(to, from)| *to = *from);
    VersionKey(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::state::line::tests::item;

    #[test]
    fn other_bytes_of_one_version_are_found() {
        let named = |name: &str, path: &str, content: &[u8]| ItemLine { name: name.into(), ..item(path, content) };
        let mut known = KnownVersions::with_items(3);
        let mut add = |item: ItemLine| known.add("apt/a", (&item).into(), item.sha256);
        add(named("a", "pool/a_1.deb", b"old"));
        add(named("s", "pool/s_1.dsc", b"dsc"));
        add(named("s", "pool/s_1.tar", b"tar"));
        known.finish();
        let found = |collection: &str, name: &str, path: &str, content: &[u8]| {
            known.other_bytes(collection, (&named(name, path, content)).into(), Sha256::of(content))
        };
        assert_eq!(found("apt/a", "a", "pool/a_1.deb", b"old"), None);
        assert_eq!(found("apt/a", "a", "pool/a_1.deb", b"new"), Some(Sha256::of(b"old")));
        assert_eq!(found("apt/a", "a", "pool/moved/a_1.deb", b"new"), Some(Sha256::of(b"old")));
        assert_eq!(found("apt/b", "a", "pool/a_1.deb", b"new"), None);
        assert_eq!(found("apt/a", "b", "pool/a_1.deb", b"new"), None);
        assert_eq!(found("apt/a", "s", "pool/s_1.tar", b"tar"), None);
        let other = ItemLine { version: "2".into(), ..named("a", "pool/a_1.deb", b"new") };
        assert_eq!(known.other_bytes("apt/a", (&other).into(), other.sha256), None);
    }

    #[test]
    fn one_of_two_known_digests_is_no_change() {
        let mut known = KnownVersions::default();
        let mut add = |item: ItemLine| known.add("apt/a", (&item).into(), item.sha256);
        add(item("x/a", b"1"));
        add(ItemLine { name: "x/a".into(), ..item("y/a", b"2") });
        known.finish();
        let other = |content: &[u8]| known.other_bytes("apt/a", (&item("x/a", content)).into(), Sha256::of(content));
        assert_eq!(other(b"2"), None);
        assert!(other(b"3").is_some());
    }
}
