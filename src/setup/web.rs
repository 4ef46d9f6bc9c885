//! What nginx and Apache are told alike: which paths of which host lead to which files.

use std::net::SocketAddr;

use super::{Facts, HostName, ServeUrl, quote};
use crate::address::Route;
use crate::kind::{ClientProgram, Kind};

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

/// Returns a regular expression for the path of a file below a generation, if another generation may have something else there
/// ([`Kind::is_immutable`] says the contrary). Caches in front must ask again before they answer with such a file.
pub(super) fn changes() -> String {
    let of_kind = |kind: &Kind| Some(format!("{kind}/[^/]+/{}|", kind.changes()?));
    format!("/(?:{}keys/)", Kind::ALL.iter().filter_map(of_kind).collect::<String>())
}

/// The methods that files are asked with, as in the header `Allow`.
pub(super) const METHODS: &str = "GET, HEAD";

/// All below a path of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WebRoute {
    /// A regular expression of the path, up to the slash before the rest.
    pub(super) prefix: String,
    /// Folders below a generation in which the rest is looked for, in this order.
    pub(super) folders: Vec<String>,
}

/// Returns the routes of each upstream's host, as `gapferry serve` has them. Of several trees under one path, each answers for what it has;
/// so a longer path also looks where a shorter one leads.
pub(super) fn routes(facts: &Facts) -> Vec<(&str, Vec<WebRoute>)> {
    let of = |(host, routes): (_, &[Route])| {
        let mut prefixes: Vec<&str> = routes.iter().map(|route| route.prefix.as_str()).collect();
        prefixes.dedup();
        (host, prefixes.into_iter().map(|prefix| web_route(prefix, routes)).collect())
    };
    facts.routes.hosts().map(of).collect()
}

/// The route for a path, from all routes of its host.
fn web_route(prefix: &str, all: &[Route]) -> WebRoute {
    let folder = |route: &Route| {
        // The rest of a path below a shorter one begins with what the longer one has more.
        let more =
            prefix.strip_prefix(route.prefix.as_str()).filter(|more| more.is_empty() || more.starts_with('/'))?;
        Some(format!("{}{more}", route.folder))
    };
    WebRoute { prefix: quote::regex(prefix), folders: all.iter().filter_map(folder).collect() }
}

/// What stands above the configuration.
pub(super) fn head(facts: &Facts, what: &str) -> String {
    let mut text = facts.headline(what);
    text += "\nThe same files as from gapferry itself, by path and by the upstreams' names. A new generation is served at once.";
    if facts.has_client(ClientProgram::Snapd) {
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
        let facts = facts();
        let route = |prefix: &str, folders: &[&str]| WebRoute {
            prefix: prefix.into(),
            folders: folders.iter().map(|folder| (*folder).to_owned()).collect(),
        };
        let archive =
            vec![route("/ubuntu", &["apt/extra", "apt/ubuntu", "apt/whole/ubuntu"]), route("", &["apt/whole"])];
        let images = vec![route("/v3/stable\\.d", &["images/maas"])];
        let expected = [("archive.example.com", archive), ("images.example.com", images)];
        assert_eq!(routes(&facts), expected);
    }
}
