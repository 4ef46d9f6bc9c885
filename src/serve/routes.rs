//! Which collections answer for which upstream's host and path.

use std::collections::HashMap;

use url::Url;

use super::host::Host;
use crate::collection::Kind;
use crate::site::{Alias, Generation};

/// By host, the addresses that a generation answers for.
#[derive(Debug, Default)]
pub(super) struct Routes(HashMap<String, Vec<Route>>);

/// One collection under one of its upstream's addresses.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    /// What the path begins with: empty, or with a slash before and none behind it.
    prefix: String,
    /// Where the collection stands below its generation.
    folder: String,
}

impl Routes {
    /// The addresses of what `generation` publishes: each collection's own upstream, and the site's aliases for it. A snap
    /// store's addresses are not those of files.
    pub(super) fn of(generation: &Generation, aliases: &[Alias]) -> Self {
        let mut routes = Self::default();
        for published in generation.published.values().filter(|published| published.kind != Kind::Snaps) {
            let folder = published.folder();
            let aliases = aliases.iter().filter(|alias| alias.collection == folder).map(|alias| alias.url.clone());
            for url in Url::parse(&published.origin).into_iter().chain(aliases) {
                routes.add(&url, folder.clone());
            }
        }
        for of_host in routes.0.values_mut() {
            // The most exact address goes first; of several collections of one, each answers for what it has.
            of_host.sort_by(|a, b| b.prefix.len().cmp(&a.prefix.len()).then_with(|| a.folder.cmp(&b.folder)));
            of_host.dedup();
        }
        routes
    }

    fn add(&mut self, url: &Url, folder: String) {
        if let Some(host) = url.host_str().and_then(Host::parse) {
            let prefix = url.path().trim_end_matches('/').to_owned();
            self.0.entry(host.name).or_default().push(Route { prefix, folder });
        }
    }

    /// Whether an upstream that is published has this host.
    pub(super) fn has_host(&self, host: &Host) -> bool {
        self.0.contains_key(&host.name)
    }

    /// The places below a generation that may answer for the path of an upstream; none if it is of no upstream.
    pub(super) fn find<'a>(&'a self, host: Option<&Host>, path: &'a str) -> impl Iterator<Item = String> + 'a {
        let of_host = host.and_then(|host| self.0.get(&host.name)).map(Vec::as_slice).unwrap_or_default();
        of_host.iter().filter_map(move |route| {
            let rest = path.strip_prefix(route.prefix.as_str())?.strip_prefix('/')?;
            Some(format!("{}/{rest}", route.folder))
        })
    }
}
