//! Changes between two states that clients of the older one notice: collections and suites that are gone, and collections that come
//! from elsewhere.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::address::Address;
use crate::kind::Kind;
use crate::origin::Origin;

/// A collection as far as its clients depend on it: where it is, where it comes from, and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientView {
    /// The collection, as KIND/NAME.
    pub(crate) folder: String,
    /// Its kind.
    pub(crate) kind: Kind,
    /// The upstream.
    pub(crate) origin: Origin,
    /// The suites that upstream signs; only of archives.
    pub(crate) suites: BTreeSet<String>,
}

impl ClientView {
    /// Returns whether both have one upstream, in whatever spelling.
    fn has_upstream_of(&self, other: &Self) -> bool {
        let address = Address::of_origin(&self.origin);
        self.kind == other.kind
            && (self.origin == other.origin || (address.is_some() && address == Address::of_origin(&other.origin)))
    }

    /// Returns the place at which clients ask for it, in words.
    pub(crate) fn place(&self) -> String {
        match self.kind.has_address() {
            true => format!("at /{}/", self.folder),
            false => format!("for its {}", self.kind),
        }
    }
}

/// A change that clients notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CollectionChange<'a> {
    /// A collection is gone.
    Gone {
        /// The collection in the older state.
        old: &'a ClientView,
        /// A collection of another name that has the same upstream now, and did not before.
        successor: Option<&'a ClientView>,
    },
    /// A collection comes from elsewhere.
    Moved {
        /// The collection in the older state.
        old: &'a ClientView,
        /// The collection in the newer state.
        new: &'a ClientView,
    },
    /// A collection lacks a suite that it had.
    SuiteGone {
        /// The collection in the older state.
        old: &'a ClientView,
        /// The suite.
        suite: &'a str,
    },
}

impl CollectionChange<'_> {
    /// The collection as it was.
    pub(crate) fn old(&self) -> &ClientView {
        match self {
            Self::Gone { old, .. } | Self::Moved { old, .. } | Self::SuiteGone { old, .. } => old,
        }
    }

    /// The warning about it, with words for whoever can do something about it.
    pub(crate) fn warning(&self, message: String) -> ClientWarning {
        let change = match self {
            Self::Gone { successor: None, .. } => "gone",
            Self::Gone { successor: Some(_), .. } => "renamed",
            Self::Moved { .. } => "moved",
            Self::SuiteGone { .. } => "suite-gone",
        };
        ClientWarning { collection: self.old().folder.clone(), change, message }
    }
}

/// A warning that clients will not find what they found before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientWarning {
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// The change: `gone`, `renamed`, `moved` or `suite-gone`.
    pub change: &'static str,
    /// The consequence for clients, and the way to keep what they have, in words.
    pub message: String,
}

/// Returns what clients of `before` notice when `after` takes its place. What is handed on has no clients here.
pub(crate) fn changes<'a>(before: &'a [ClientView], after: &'a [ClientView]) -> Vec<CollectionChange<'a>> {
    let of_one = |old: &'a ClientView| -> Vec<CollectionChange<'a>> {
        let Some(new) = after.iter().find(|new| new.folder == old.folder) else {
            let is_new = |new: &ClientView| before.iter().all(|other| other.folder != new.folder);
            let successor = after.iter().find(|new| is_new(new) && new.has_upstream_of(old));
            return vec![CollectionChange::Gone { old, successor }];
        };
        if !new.has_upstream_of(old) {
            return vec![CollectionChange::Moved { old, new }];
        }
        let lost = old.suites.iter().filter(|suite| !new.suites.contains(*suite));
        lost.map(|suite| CollectionChange::SuiteGone { old, suite }).collect()
    };
    before.iter().filter(|old| !old.kind.is_handed_on()).flat_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(folder: &str, origin: &str, suites: &[&str]) -> ClientView {
        let (kind, _) = folder.split_once('/').unwrap();
        ClientView {
            folder: folder.to_owned(),
            kind: Kind::of_name(kind).unwrap(),
            origin: origin.into(),
            suites: suites.iter().map(|suite| (*suite).to_owned()).collect(),
        }
    }

    fn found(before: &[ClientView], after: &[ClientView]) -> Vec<String> {
        let warnings = changes(before, after).into_iter().map(|change| change.warning(String::new()));
        warnings.map(|warning| format!("{} {}", warning.collection, warning.change)).collect()
    }

    #[test]
    fn finds_what_clients_miss() {
        let (a, b) = (view("apt/a", "http://x/a", &["noble"]), view("apt/b", "http://x/b", &["noble", "jammy"]));
        let renamed = ClientView { folder: "apt/c".to_owned(), ..b.clone() };
        let swapped = [("apt/a", &b), ("apt/b", &a)]
            .map(|(folder, other)| ClientView { folder: folder.to_owned(), ..other.clone() });
        let before = [a.clone(), b.clone()];
        for (after, expected) in [
            (vec![a.clone(), b.clone()], &[][..]),
            (vec![b.clone(), a.clone()], &[]),
            (vec![view("apt/a", "https://X.:443/a/", &["noble"]), b.clone()], &[]),
            (vec![a.clone()], &["apt/b gone"]),
            (vec![], &["apt/a gone", "apt/b gone"]),
            (vec![a.clone(), renamed], &["apt/b renamed"]),
            (swapped.to_vec(), &["apt/a moved", "apt/b moved"]),
            (vec![a.clone(), view("apt/b", "http://x/b", &["noble"])], &["apt/b suite-gone"]),
            (vec![a.clone(), view("yum/c", "http://x/b", &[])], &["apt/b gone"]),
        ] {
            assert_eq!(found(&before, &after), expected, "{after:?}");
        }
        // Two collections of one upstream: the other one was there before, and is no new name of the lost one.
        let both = [a.clone(), ClientView { folder: "apt/a2".to_owned(), ..a.clone() }];
        assert_eq!(found(&both, &[a]), ["apt/a2 gone"]);
        assert_eq!(found(&[view("enterprise-store/x", "local", &[])], &[]), [""; 0]);
    }
}
