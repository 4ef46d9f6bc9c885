//! `[[serve.alias]]` of `site.toml`: further addresses under which a collection is asked for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::collection::{Kind, Label};

/// Under which names a site answers besides those of what it publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Serve {
    /// Further addresses of collections.
    #[serde(default)]
    pub alias: Vec<Alias>,
}

/// A further address of a collection, such as that of a mirror, or of the security pocket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Alias {
    /// What clients ask for, such as `http://security.ubuntu.com/ubuntu`; its scheme and port are not compared.
    pub url: Url,
    /// The collection that answers, as KIND/NAME, such as `apt/ubuntu`.
    pub collection: String,
}

impl Serve {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it, in words for who wrote it.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for alias in &self.alias {
            alias.check().map_err(|reason| format!("serve.alias {}: {reason}", alias.url))?;
            let address = (alias.url.host_str(), alias.url.path().trim_end_matches('/'), &alias.collection);
            if !seen.insert(address) {
                return Err(format!("serve.alias {}: {} has it already", alias.url, alias.collection));
            }
        }
        Ok(())
    }
}

impl Alias {
    fn check(&self) -> Result<(), String> {
        let url = &self.url;
        if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
            return Err("an address starts with http:// or https:// and a host".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err("an address has no user, no query and no fragment".to_owned());
        }
        let (kind, name) = self.collection.split_once('/').unwrap_or((&self.collection, ""));
        if kind == Kind::Snaps.as_str() {
            return Err("snaps need no address: they are answered under every host".to_owned());
        }
        let known = Kind::ALL.into_iter().any(|known| known.as_str() == kind);
        match known && name.parse::<Label>().is_ok() {
            true => Ok(()),
            false => Err(format!("{:?} is no collection: it is KIND/NAME, such as apt/ubuntu", self.collection)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, collection: &str) -> Result<(), String> {
        Serve { alias: vec![Alias { url: url.parse().unwrap(), collection: collection.to_owned() }] }.check()
    }

    #[test]
    fn aliases_are_checked() {
        assert_eq!(check("http://archive.ubuntu.com/ubuntu", "apt/ubuntu"), Ok(()));
        assert_eq!(check("https://images.maas.io:443/", "images/maas"), Ok(()));
        for (url, collection, words) in [
            ("ftp://a/b", "apt/u", "http://"),
            ("file:///a", "apt/u", "http://"),
            ("http://u@a/b", "apt/u", "no user"),
            ("http://a/b?c", "apt/u", "no query"),
            ("http://a/b", "ubuntu", "KIND/NAME"),
            ("http://a/b", "debs/ubuntu", "KIND/NAME"),
            ("http://a/b", "apt/../x", "KIND/NAME"),
            ("http://a/b", "snaps/store", "every host"),
        ] {
            let error = check(url, collection).unwrap_err();
            assert!(error.contains(words) && error.contains(url), "{error}");
        }
        let alias = Alias { url: "http://a/b".parse().unwrap(), collection: "apt/u".to_owned() };
        let slashed = Alias { url: "http://a/b/".parse().unwrap(), ..alias.clone() };
        assert!(Serve { alias: vec![alias, slashed] }.check().unwrap_err().contains("already"));
    }
}
