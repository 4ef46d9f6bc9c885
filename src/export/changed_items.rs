//! Items that have other bytes than in the last state, under the same name and version.

use crate::bundle::state::known_versions::{ChangeRefusal, ChangedItem};
use crate::bundle::state::manifest::{MAX_CHANGED_ITEMS, Manifest, ReplacedItem};

/// An image has other bytes than the last bundle had under the same version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{item}. Clients take the version for the content, and sites refuse it: ask upstream for another version, or give \
     --allow-changed-items on both sides"
)]
pub struct FinalVersionChanged {
    /// The first such item.
    pub item: Box<ChangedItem>,
}

/// Refuses changes of items whose versions are final.
pub(super) fn check(changed: &[ChangedItem]) -> Result<(), FinalVersionChanged> {
    match changed.iter().find(|item| item.refusal() == Some(ChangeRefusal::FinalVersion)) {
        Some(item) => Err(FinalVersionChanged { item: Box::new(item.clone()) }),
        None => Ok(()),
    }
}

/// Names the items in the manifest, as many as it takes, and counts the others.
pub(super) fn name_in(manifest: &mut Manifest, changed: &[ChangedItem]) {
    let replaced = |item: &ChangedItem| ReplacedItem {
        before: item.before,
        collection: item.collection.clone(),
        path: item.path.clone(),
    };
    let mut all: Vec<_> = changed.iter().map(replaced).collect();
    all.sort_by(|a, b| (&a.collection, &a.path).cmp(&(&b.collection, &b.path)));
    let more = (all.len() as u64).saturating_sub(MAX_CHANGED_ITEMS);
    all.truncate(MAX_CHANGED_ITEMS as usize);
    (manifest.changed_items, manifest.more_changed_items) = (all, (more > 0).then_some(more));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::state::manifest::tests::manifest;
    use crate::digest::Sha256;
    use crate::kind::Kind;

    fn item(path: &str, kind: Kind) -> ChangedItem {
        let (before, now) = (Sha256::of(b"before"), Sha256::of(b"now"));
        let (collection, path) = (format!("{}/a", kind.as_str()), path.parse().unwrap());
        ChangedItem { before, collection, is_proven: true, kind, name: "a".into(), now, path, version: "1".into() }
    }

    #[test]
    fn a_manifest_counts_what_it_cannot_name() {
        let all: Vec<_> =
            (0..MAX_CHANGED_ITEMS + 3).rev().map(|number| item(&format!("{number:05}"), Kind::Apt)).collect();
        let mut manifest = manifest();
        name_in(&mut manifest, &all);
        assert_eq!((manifest.changed_items.len() as u64, manifest.more_changed_items), (MAX_CHANGED_ITEMS, Some(3)));
        manifest.to_text().unwrap();
        name_in(&mut manifest, &all[..2]);
        assert_eq!((manifest.changed_items.len(), manifest.more_changed_items), (2, None));
        manifest.to_text().unwrap();
    }

    #[test]
    fn final_versions_are_those_of_images() {
        let refused = Kind::ALL.iter().filter(|kind| check(&[item("a", **kind)]).is_err());
        assert_eq!(refused.copied().collect::<Vec<_>>(), [Kind::Images, Kind::OsImages]);
    }
}
