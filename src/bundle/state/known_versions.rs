//! Names and versions of a state, to find items that have other bytes under the same name and version.
//!
//! No upstream does that: clients take both for the same thing, and a reviewer who compares versions sees no change.

use std::fmt;

use serde::Serialize;

use super::line::{ItemLine, ListLine};
use super::list_changes::changes;
use super::lists::{ListedCollections, StateLists};
use crate::bundle::format_error::FormatError;
use crate::digest::Sha256;
use crate::kind::Kind;
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
    /// Adds an item of the collection, such as `apt/debian`.
    pub fn add(&mut self, collection: &str, item: VersionedItem<'_>, sha256: Sha256) {
        self.0.push(KnownVersion { key: key(collection, item), sha256 });
    }

    /// Takes note that all items were added.
    pub fn finish(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// Returns `true` if an item with the same name and version was added.
    fn knows(&self, collection: &str, item: VersionedItem<'_>) -> bool {
        let key = key(collection, item);
        self.0.binary_search_by(|known| known.key.cmp(&key)).is_ok()
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

/// Returns the items of `after` that have other bytes than in `before` under the same name and version.
///
/// Both are read as streams. Only items that are new or have changed are kept, and the older ones of their names and versions.
pub fn changed_items(
    before: ListedCollections<'_>,
    after: ListedCollections<'_>,
) -> Result<Vec<ChangedItem>, FormatError> {
    let mut changed = Vec::new();
    for (index, new) in after.collections.iter().enumerate() {
        let folder = new.folder();
        let Some((old_index, old)) = before.find(&folder) else { continue };
        if old.list == new.list || new.kind.has_versions_of_bytes() {
            continue;
        }
        let (before, after) = ((before.lists, old_index), (after.lists, index));
        let pair = ListPair { folder: &folder, kind: new.kind, before, after };
        let candidates = pair.new_versions()?;
        let known = pair.older_versions(&candidates)?;
        drop(candidates);
        if !known.0.is_empty() {
            changed.extend(pair.with_other_bytes(&known)?);
        }
    }
    Ok(changed)
}

/// The lists of one collection in two states.
struct ListPair<'a> {
    folder: &'a str,
    kind: Kind,
    before: (&'a StateLists, usize),
    after: (&'a StateLists, usize),
}

impl ListPair<'_> {
    /// Hands each item that is new or has changed to `item`.
    fn each_new_item(&self, mut item: impl FnMut(Box<ItemLine>)) -> Result<(), FormatError> {
        let ((old, old_index), (new, index)) = (self.before, self.after);
        changes(old.raw(old_index)?, new.raw(index)?, |change| {
            if let Some(ListLine::Item(new)) = change.after {
                item(new);
            }
            Ok(())
        })
    }

    fn new_versions(&self) -> Result<KnownVersions, FormatError> {
        let mut versions = KnownVersions::default();
        self.each_new_item(|item| versions.add(self.folder, item.as_ref().into(), item.sha256))?;
        versions.finish();
        Ok(versions)
    }

    /// Returns the older items that have the name and version of a candidate.
    fn older_versions(&self, candidates: &KnownVersions) -> Result<KnownVersions, FormatError> {
        let mut known = KnownVersions::default();
        let (lists, index) = self.before;
        if candidates.0.is_empty() {
            return Ok(known);
        }
        let mut list = lists.read(index)?;
        while let Some(line) = list.next_line()? {
            if let ListLine::Item(item) = line
                && candidates.knows(self.folder, item.as_ref().into())
            {
                known.add(self.folder, item.as_ref().into(), item.sha256);
            }
        }
        known.finish();
        Ok(known)
    }

    fn with_other_bytes(&self, known: &KnownVersions) -> Result<Vec<ChangedItem>, FormatError> {
        let mut changed = Vec::new();
        self.each_new_item(|item| {
            if let Some(before) = known.other_bytes(self.folder, item.as_ref().into(), item.sha256) {
                let (collection, kind) = (self.folder.to_owned(), self.kind);
                let ItemLine { name, path, proof, sha256: now, version, .. } = *item;
                let is_proven = proof.is_some();
                changed.push(ChangedItem { before, collection, is_proven, kind, name, now, path, version });
            }
        })?;
        Ok(changed)
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

/// An item that has other bytes than before under the same name and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedItem {
    /// The digest before.
    pub before: Sha256,
    /// The collection, such as `apt/debian`.
    pub collection: String,
    /// True if a file that upstream signs vouches for it.
    #[serde(skip)]
    pub is_proven: bool,
    /// The kind of the collection.
    #[serde(skip)]
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The digest now.
    pub now: Sha256,
    /// Its path in the collection.
    pub path: PublishPath,
    /// Its version.
    pub version: String,
}

/// The reason that an item must not have other bytes under the same name and version, unless somebody allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// Clients take the version for the content, as MAAS does with images.
    FinalVersion,
    /// No upstream vouches for either content.
    NoProof,
}

impl ChangedItem {
    /// Returns the reason to refuse it; `None` if upstream vouches for the change.
    pub fn refusal(&self) -> Option<ChangeRefusal> {
        match self {
            _ if self.kind.versions_are_final() => Some(ChangeRefusal::FinalVersion),
            Self { is_proven: false, .. } => Some(ChangeRefusal::NoProof),
            _ => None,
        }
    }
}

impl fmt::Display for ChangedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, collection, name, now, path, version, .. } = self;
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
    use crate::bundle::state::lists::tests::{TestState, state};
    use crate::kind::Kind;

    #[test]
    fn other_bytes_of_one_version_are_found() {
        let named = |name: &str, path: &str, content: &[u8]| ItemLine { name: name.into(), ..item(path, content) };
        let mut known = KnownVersions::default();
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

    /// The paths of items that have other bytes than before. The name of an item is its path, and its version is always the same.
    fn changed(before: TestState, after: TestState) -> Vec<String> {
        let changed = changed_items(before.listed(), after.listed()).unwrap();
        changed.into_iter().map(|item| item.path.to_string()).collect()
    }

    #[test]
    fn other_bytes_are_found_in_lists() {
        let before = || state(&[("a", &[("p", b"0")], &[("x", b"1"), ("y", b"2")]), ("b", &[], &[("x", b"9")])]);
        let after =
            || state(&[("a", &[("p", b"1")], &[("w", b"3"), ("x", b"1"), ("y", b"3")]), ("c", &[], &[("x", b"8")])]);
        assert_eq!(changed(before().of_kind(Kind::Yum), after().of_kind(Kind::Yum)), ["y"]);
        assert_eq!(changed(before().of_kind(Kind::Yum), before().of_kind(Kind::Yum)), [""; 0]);
        assert_eq!(changed(before(), after()), [""; 0], "other bytes of a file have another version");
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
