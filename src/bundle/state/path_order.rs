//! The order of paths in an item list, and the two things that no list may have: a path twice, and a path that is a folder of
//! another.
//!
//! Both parts of a list are sorted, so they are merged as they pass. Only the proofs' paths are kept, which are capped.

use crate::bundle::format_error::{FormatError, contradiction};

/// The most proofs of one list.
pub const MAX_PROOFS: u64 = 1 << 18;
/// The most bytes that the paths of a list's proofs may have together.
const MAX_PROOF_PATH_BYTES: u64 = 32 << 20;

/// Checks the order of a list's paths.
#[derive(Debug, Default)]
pub(super) struct PathOrder {
    proofs: ProofPaths,
    /// The number of proofs that were merged.
    merged: usize,
    items: Sequence,
}

impl PathOrder {
    /// Takes the path of the next proof.
    pub(super) fn proof(&mut self, path: &str) -> Result<(), FormatError> {
        if self.merged > 0 || self.items.last.is_some() {
            return contradiction(format!("the proof {path} stands behind an item"));
        }
        if self.proofs.last().is_some_and(|last| last >= path) {
            return contradiction(format!("{path} is not sorted, or stands twice"));
        }
        self.proofs.push(path)
    }

    /// Takes the path of the next item.
    pub(super) fn item(&mut self, path: &str) -> Result<(), FormatError> {
        while let Some(proof) = self.proofs.get(self.merged).filter(|proof| *proof < path) {
            self.items.push(proof)?;
            self.merged += 1;
        }
        self.items.push(path)
    }

    /// Takes note that the list has ended.
    pub(super) fn end(&mut self) -> Result<(), FormatError> {
        while let Some(proof) = self.proofs.get(self.merged) {
            self.items.push(proof)?;
            self.merged += 1;
        }
        Ok(())
    }
}

/// Paths one behind the other.
#[derive(Debug, Default)]
struct ProofPaths {
    text: String,
    ends: Vec<u32>,
}

impl ProofPaths {
    fn get(&self, index: usize) -> Option<&str> {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start as usize..*self.ends.get(index)? as usize)
    }

    fn last(&self) -> Option<&str> {
        self.get(self.ends.len().checked_sub(1)?)
    }

    fn push(&mut self, path: &str) -> Result<(), FormatError> {
        if self.ends.len() as u64 == MAX_PROOFS {
            return Err(FormatError::TooMany { cap: MAX_PROOFS, what: "proofs" });
        }
        self.text.push_str(path);
        if self.text.len() as u64 > MAX_PROOF_PATH_BYTES {
            return Err(FormatError::TooMany { cap: MAX_PROOF_PATH_BYTES, what: "bytes in paths of proofs" });
        }
        self.ends.push(self.text.len() as u32);
        Ok(())
    }
}

/// Paths that must rise by their bytes, and of which none may be a folder of another.
///
/// `a`, `a-b` and `a/b` sort apart, so the paths that the last one begins with are kept, by their lengths.
#[derive(Debug, Default)]
struct Sequence {
    last: Option<String>,
    prefixes: Vec<usize>,
}

impl Sequence {
    fn push(&mut self, path: &str) -> Result<(), FormatError> {
        if let Some(last) = &self.last {
            if last.as_str() >= path {
                return contradiction(format!("{path} is not sorted, or stands twice"));
            }
            let common = last.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
            self.prefixes.push(last.len());
            while self.prefixes.last().is_some_and(|length| *length > common) {
                self.prefixes.pop();
            }
            let is_folder = |length: &usize| path.as_bytes().get(*length) == Some(&b'/');
            if let Some(folder) = self.prefixes.iter().copied().find(is_folder) {
                return contradiction(format!(
                    "{} would be both a file and a folder, for {path}",
                    path.get(..folder).unwrap_or_default()
                ));
            }
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.push_str(path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn check(proofs: &[&str], items: &[&str]) -> Result<(), FormatError> {
        let mut order = PathOrder::default();
        proofs.iter().try_for_each(|path| order.proof(path))?;
        items.iter().try_for_each(|path| order.item(path))?;
        order.end()
    }

    #[test]
    fn sorted_paths_are_accepted() {
        for (proofs, items) in [
            (&[][..], &[][..]),
            (&["a", "c"], &["b", "d"]),
            (&["z"], &["a", "a-b", "ab/c"]),
            (&["dists/a/InRelease", "dists/a/main/Packages"], &["pool/a", "pool/a-b", "pool/a.b"]),
            (&["a/b"], &["a-b", "a/c"]),
        ] {
            assert!(check(proofs, items).is_ok(), "{proofs:?} {items:?}");
        }
    }

    #[test]
    fn a_path_twice_or_a_file_as_folder_is_refused() {
        for (proofs, items) in [
            (&["b", "a"][..], &[][..]),
            (&["a", "a"], &[]),
            (&[], &["b", "a"]),
            (&[], &["a", "a"]),
            (&["a"], &["a"]),
            (&["a"], &["a/b"]),
            (&["a/b"], &["a"]),
            (&["a/b/c"], &["a/b"]),
            (&["a", "a/b"], &[]),
            (&[], &["a", "a-b", "a/b"]),
            (&["a-b"], &["a", "a/b"]),
            (&["a-b", "a/b"], &["a"]),
            (&["a"], &["a-b", "a-b-c", "a/b/c"]),
        ] {
            assert!(check(proofs, items).is_err(), "{proofs:?} {items:?}");
        }
    }

    #[test]
    fn a_proof_behind_an_item_is_refused() {
        let mut order = PathOrder::default();
        order.item("a").unwrap();
        assert!(order.proof("b").is_err());
    }

    #[test]
    fn the_number_and_the_bytes_of_proofs_are_capped() {
        let mut order = PathOrder::default();
        for number in 0..MAX_PROOFS {
            order.proof(&format!("{number:09}")).unwrap();
        }
        assert!(order.proof("a").is_err());
        let mut order = PathOrder::default();
        let long = "a".repeat(1000);
        let most = MAX_PROOF_PATH_BYTES / 1009;
        for number in 0..most {
            order.proof(&format!("{number:09}{long}")).unwrap();
        }
        assert!(order.proof(&format!("{most:09}{long}")).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_all_paths_and_folders(
            proofs in prop::collection::btree_set("[ab](/[ab-]|[ab-]){0,4}", 0..6),
            items in prop::collection::btree_set("[ab](/[ab-]|[ab-]){0,4}", 0..6),
        ) {
            let all: Vec<&str> = proofs.iter().chain(&items).map(String::as_str).collect();
            let folders: BTreeSet<&str> =
                all.iter().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at])).collect();
            let is_good = proofs.is_disjoint(&items) && all.iter().all(|path| !folders.contains(path));
            let list = |of: &BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>();
            let (proofs, items) = (list(&proofs), list(&items));
            let as_str = |of: &[String]| of.iter().map(|path| path.clone().leak() as &str).collect::<Vec<_>>();
            prop_assert_eq!(check(&as_str(&proofs), &as_str(&items)).is_ok(), is_good);
        }
    }
}
