//! `[[serve.alias]]` of `site.toml`: further addresses under which a collection is asked for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::address::Address;
use crate::kind::Kind;
use crate::label::Label;

/// Under which names a site answers besides those of what it publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Serve {
    /// Further addresses of collections.
    #[serde(default)]
    pub alias: Vec<Alias>,
    /// Collections, as KIND/NAME, that do not answer for the address of their upstream, but only by path and for aliases.
    #[serde(default)]
    pub by_path_only: BTreeSet<String>,
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
        let of_collection =
            |text: &String| check_collection(text).map_err(|reason| format!("serve.by-path-only: {reason}"));
        self.by_path_only.iter().try_for_each(of_collection)?;
        let mut seen = BTreeSet::new();
        for alias in &self.alias {
            alias.check().map_err(|reason| format!("serve.alias {}: {reason}", alias.url))?;
            let address = (Address::of_url(&alias.url), &alias.collection);
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
        if Address::of_url(url).is_none_or(|address| !address.is_routable()) {
            return Err("an address has a path of plain names".to_owned());
        }
        if let Some((kind, _)) = Kind::of_path(&self.collection).filter(|(kind, _)| !kind.has_address()) {
            return Err(format!("{kind} need no address: they are answered under every host"));
        }
        check_collection(&self.collection)
    }
}

fn check_collection(text: &str) -> Result<(), String> {
    let (kind, name) = text.split_once('/').unwrap_or((text, ""));
    let known = Kind::of_name(kind).is_some();
    match known && name.parse::<Label>().is_ok() {
        true => Ok(()),
        false => Err(format!("{text:?} is no collection: it is KIND/NAME, such as apt/ubuntu")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, collection: &str) -> Result<(), String> {
        let alias = vec![Alias { url: url.parse().unwrap(), collection: collection.to_owned() }];
        Serve { alias, ..Serve::default() }.check()
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
            ("http://a/b%20c", "apt/u", "plain names"),
        ] {
            let error = check(url, collection).unwrap_err();
            assert!(error.contains(words) && error.contains(url), "{error}");
        }
        let alias = Alias { url: "http://a/b".parse().unwrap(), collection: "apt/u".to_owned() };
        let slashed = Alias { url: "http://a/b/".parse().unwrap(), ..alias.clone() };
        assert!(Serve { alias: vec![alias, slashed], ..Serve::default() }.check().unwrap_err().contains("already"));
    }
}
