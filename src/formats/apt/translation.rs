//! Translation indexes: long descriptions of packages, in one language each.

use std::collections::{BTreeMap, BTreeSet};

use super::deb822::Stanzas;

/// The descriptions that the stanzas of Packages indexes refer to.
///
/// An archive with Translation indexes keeps only the first line of each description in Packages. The rest is in
/// `Translation-en`, in the stanza of the same package with the same `Description-md5`.
#[derive(Debug, Default)]
pub struct Descriptions<'a> {
    /// Digests by package. An empty set stands for a package that names none, so that any description counts.
    by_package: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Descriptions<'a> {
    /// Adds the packages of a Packages index.
    pub fn add(&mut self, packages: &'a [u8]) {
        for stanza in Stanzas::new(packages) {
            if let Some(package) = stanza.field("Package") {
                self.by_package.entry(package).or_default().extend(stanza.field("Description-md5"));
            }
        }
    }

    /// Returns the stanzas of a Translation index that describe these packages, byte for byte.
    pub fn cut(&self, translation: &[u8]) -> Vec<u8> {
        let mut kept = Vec::new();
        for stanza in Stanzas::new(translation) {
            let digests = stanza.field("Package").and_then(|package| self.by_package.get(package));
            let digest = || stanza.field("Description-md5");
            if digests.is_some_and(|known| known.is_empty() || digest().is_some_and(|digest| known.contains(digest))) {
                kept.extend_from_slice(stanza.bytes());
                kept.extend_from_slice(b"\n\n");
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_the_descriptions_of_the_packages_alone() {
        let mut descriptions = Descriptions::default();
        let packages = b"Package: a\nDescription: short\nDescription-md5: 11\n\nPackage: b\nDescription: long\n more\n";
        descriptions.add(packages);
        let stanza = |package: &str, digest: &str| {
            format!("Package: {package}\nDescription-md5: {digest}\nDescription-en: short\n long\n .\n \u{fc}\n\n")
        };
        let kept = [stanza("a", "11"), stanza("b", "33")].concat();
        let text = [stanza("a", "11"), stanza("a", "22"), stanza("b", "33"), stanza("c", "11")].concat();
        assert_eq!(String::from_utf8(descriptions.cut(text.as_bytes())).unwrap(), kept);
        assert_eq!(Descriptions::default().cut(text.as_bytes()), b"");
    }

    proptest! {
        #[test]
        fn cutting_never_panics(packages in proptest::collection::vec(any::<u8>(), 0..200), text in "(Package: [ab]\n\n?){0,9}") {
            let mut descriptions = Descriptions::default();
            descriptions.add(&packages);
            descriptions.add(b"Package: a\n");
            let cut = descriptions.cut(text.as_bytes());
            prop_assert!(Stanzas::new(&cut).all(|stanza| stanza.field("Package") == Some("a")));
        }
    }
}
