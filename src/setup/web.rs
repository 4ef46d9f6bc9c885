//! What nginx and Apache are told alike: which paths of which host lead to which files.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::{Facts, HostName, ServeUrl, quote};
use crate::collection::Kind;

/// How a web server is to be set up.
#[derive(Clone, Debug, Default)]
pub struct WebServer {
    /// Addresses to listen on; all of them at port 80 if there are none.
    pub listen: Vec<SocketAddr>,
    /// The site's own name.
    pub own: Option<HostName>,
    /// Where `gapferry serve` answers for the snap store.
    pub store_backend: Option<ServeUrl>,
}

/// Types of files by the end of their names, for clients that look at them. All else is bytes.
pub(super) const TYPES: [(&str, &str); 8] = [
    ("application/gzip", "gz"),
    ("application/json", "json"),
    ("application/vnd.debian.binary-package", "deb"),
    ("application/x.ubuntu.assertion", "assert"),
    ("application/x-xz", "xz"),
    ("application/zstd", "zst"),
    ("text/plain", "asc dsc manifest sjson"),
    ("application/pgp-keys", "gpg key"),
];

/// A regular expression for the path of a file below a generation, if another generation may have something else there
/// ([`Kind::is_immutable`] says the contrary). Caches in front must ask again before they answer with such a file.
pub(super) const CHANGES: &str = concat!(
    r"/(?:apt/[^/]+/dists/(?!(?:.*/)?by-hash/)|(?:os-)?images/[^/]+/streams/|snaps/[^/]+/.*(?<!\.snap)$|",
    r"yum/[^/]+/repodata/(?![0-9a-f]{64}-)|files/|keys/)"
);

/// The methods that files are asked with, as in the header `Allow`.
pub(super) const METHODS: &str = "GET, HEAD";

/// All below a path of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// A regular expression of the path, up to the slash before the rest.
    pub(super) prefix: String,
    /// Folders below a generation in which the rest is looked for, in this order.
    pub(super) folders: Vec<String>,
}

/// The routes of each upstream's host, the longest path first. Of several trees under one path, each answers for what it
/// has, as in `gapferry serve`; so a longer path also looks where a shorter one leads.
pub(super) fn routes(facts: &Facts) -> BTreeMap<HostName, Vec<Route>> {
    let files = || facts.upstreams.iter().filter(|upstream| upstream.kind != Kind::Snaps);
    let hosts: BTreeSet<&HostName> = files().map(|upstream| &upstream.host).collect();
    let of = |host: &HostName| {
        let trees: Vec<(String, String)> = files()
            .filter(|upstream| upstream.host == *host)
            .map(|upstream| {
                (upstream.path.as_ref().map_or(String::new(), |path| format!("/{path}")), upstream.folder())
            })
            .collect();
        let mut paths: Vec<&String> = trees.iter().map(|(path, _)| path).collect();
        paths.sort_by_key(|path| (std::cmp::Reverse(path.len()), *path));
        paths.dedup();
        paths.into_iter().map(|path| route(path, &trees)).collect()
    };
    hosts.into_iter().map(|host| (host.clone(), of(host))).collect()
}

/// The route for `path`, from all trees of the host with their paths.
fn route(path: &str, trees: &[(String, String)]) -> Route {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (shorter, folder) in trees {
        // The rest of a path below a shorter one begins with what the longer one has more.
        if let Some(more) = path.strip_prefix(shorter.as_str()).filter(|more| more.is_empty() || more.starts_with('/'))
        {
            found.push((more.len(), format!("{folder}{more}")));
        }
    }
    found.sort();
    Route { prefix: quote::regex(path), folders: found.into_iter().map(|(_, folder)| folder).collect() }
}

/// What stands above the configuration.
pub(super) fn head(facts: &Facts, what: &str) -> String {
    let mut text = facts.headline(what);
    text += "\nThe same files as from gapferry itself, by path and by the upstreams' names. A new generation is served at once.";
    if facts.folders.contains(Kind::Snaps.as_str()) {
        text += "\nThe snap store is more than files: /v2/ and /api/ must go to a gapferry that serves the site; --store-backend names it.";
    }
    if facts.upstreams.iter().any(|upstream| upstream.tls) || facts.store_hosts().values().any(|tls| *tls) {
        text += "\nSome of these hosts are asked over https by clients that keep their settings; that takes a certificate for them.";
    }
    quote::comment("#", &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    #[test]
    fn the_longest_path_comes_first_and_looks_everywhere() {
        let routes = routes(&facts());
        let names: Vec<&str> = routes.keys().map(HostName::as_str).collect();
        assert_eq!(names, ["archive.example.com", "images.example.com"]);
        let route = |prefix: &str, folders: &[&str]| Route {
            prefix: prefix.into(),
            folders: folders.iter().map(|folder| (*folder).to_owned()).collect(),
        };
        let archive = &routes[&"archive.example.com".parse().unwrap()];
        let expected = [route("/ubuntu", &["apt/extra", "apt/ubuntu", "apt/whole/ubuntu"]), route("", &["apt/whole"])];
        assert_eq!(*archive, expected);
        let images = &routes[&"images.example.com".parse().unwrap()];
        assert_eq!(*images, [route("/v3/stable\\.d", &["images/maas"])]);
    }
}
