//! Names and versions of a state, to find items that have other bytes under the same name and version.
//!
//! No upstream does that: clients take both for the same thing, and a reviewer who compares versions sees no change.

use super::line::ItemLine;
use crate::digest::Sha256;

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

    /// Adds an item of the collection, such as `apt/debian`.
    pub fn add(&mut self, collection: &str, item: &ItemLine) {
        self.0.push(KnownVersion { key: key(collection, item), sha256: item.sha256 });
    }

    /// Takes note that all items were added.
    pub fn finish(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// Returns the digest that this state has for the item's name and version, if it has none but another one.
    pub fn other_bytes(&self, collection: &str, item: &ItemLine) -> Option<Sha256> {
        let key = key(collection, item);
        let from = self.0.partition_point(|known| known.key < key);
        let same = self.0.iter().skip(from).take_while(|known| known.key == key);
        let mut other = None;
        for known in same {
            if known.sha256 == item.sha256 {
                return None;
            }
            other.get_or_insert(known.sha256);
        }
        other
    }
}

/// A source package has files of several names, and a snap revisions of one version, so the file's name counts.
fn key(collection: &str, item: &ItemLine) -> VersionKey {
    let architecture = item.architecture.as_deref().unwrap_or_default();
    let parts = [collection, &item.name, &item.version, architecture, item.path.file_name()];
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
        known.add("apt/a", &named("a", "pool/a_1.deb", b"old"));
        known.add("apt/a", &named("s", "pool/s_1.dsc", b"dsc"));
        known.add("apt/a", &named("s", "pool/s_1.tar", b"tar"));
        known.finish();
        let found = |collection: &str, name: &str, path: &str, content: &[u8]| {
            known.other_bytes(collection, &named(name, path, content))
        };
        assert_eq!(found("apt/a", "a", "pool/a_1.deb", b"old"), None);
        assert_eq!(found("apt/a", "a", "pool/a_1.deb", b"new"), Some(Sha256::of(b"old")));
        assert_eq!(found("apt/a", "a", "pool/moved/a_1.deb", b"new"), Some(Sha256::of(b"old")));
        assert_eq!(found("apt/b", "a", "pool/a_1.deb", b"new"), None);
        assert_eq!(found("apt/a", "b", "pool/a_1.deb", b"new"), None);
        assert_eq!(found("apt/a", "s", "pool/s_1.tar", b"tar"), None);
        let other = ItemLine { version: "2".into(), ..named("a", "pool/a_1.deb", b"new") };
        assert_eq!(known.other_bytes("apt/a", &other), None);
    }

    #[test]
    fn one_of_two_known_digests_is_no_change() {
        let mut known = KnownVersions::default();
        known.add("apt/a", &item("x/a", b"1"));
        known.add("apt/a", &ItemLine { name: "x/a".into(), ..item("y/a", b"2") });
        known.finish();
        assert_eq!(known.other_bytes("apt/a", &item("x/a", b"2")), None);
        assert!(known.other_bytes("apt/a", &item("x/a", b"3")).is_some());
    }
}
