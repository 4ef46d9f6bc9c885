//! Addresses of upstreams in one normal form, and the collections that answer for them.
//!
//! `serve`, `setup`, the ownership of addresses at import and every comparison use this form, so that no spelling of an address
//! means one thing to a check and another to a client. An address has no scheme and no port: clients reach a site at whatever
//! port it listens on, over HTTP or TLS.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::origin::Origin;

/// The host and path of an upstream, in normal form.
///
/// The host is in lower case, without the dot of the DNS root; names with other letters than ASCII are in Punycode, and address
/// literals in their canonical form. The path is decoded, has no empty, `.` and `..` segments and no slash at its end: empty, or `/` before
/// each segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: String,
    path: String,
}

/// The text is not an [`Address`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an address of an upstream: {}", .0.escape_debug())]
pub struct MalformedUpstreamAddress(String);

impl Address {
    /// Returns the address that an HTTP or HTTPS URL leads to; `None` for other URLs.
    pub fn of_url(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let host = url.host_str().map(normal_host).filter(|host| !host.is_empty())?;
        // A path that is not valid once decoded is kept as it stands: no request can match it.
        let path = normal_path(url.path()).unwrap_or(Cow::Borrowed(url.path()));
        Some(Self { host, path: path.trim_end_matches('/').to_owned() })
    }

    /// Returns the address of a collection's origin; `None` for one that is no HTTP or HTTPS URL.
    pub fn of_origin(origin: &Origin) -> Option<Self> {
        match origin {
            Origin::Local => None,
            Origin::Url(url) => Url::parse(url).ok().as_ref().and_then(Self::of_url),
        }
    }

    /// The host, in normal form.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path, decoded: empty, or with a slash before it and none at its end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether one of the two addresses is at or below the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        let at_or_below = |upper: &str, lower: &str| {
            lower.strip_prefix(upper).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.host == other.host && (at_or_below(&self.path, &other.path) || at_or_below(&other.path, &self.path))
    }

    /// Returns whether web servers can be told host and path without an escape: only such addresses are answered for.
    pub fn is_routable(&self) -> bool {
        let is_label =
            |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let is_host = self.host.starts_with('[') || self.host.split('.').all(is_label);
        is_host && self.path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_.+~:@=,^-".contains(&b))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.host, self.path)
    }
}

/// Reads what [`Display`](fmt::Display) writes.
impl FromStr for Address {
    type Err = MalformedUpstreamAddress;

    fn from_str(text: &str) -> Result<Self, MalformedUpstreamAddress> {
        let at = text.find('/').unwrap_or(text.len());
        let (host, path) = text.split_at(at);
        match !host.is_empty() && !path.ends_with('/') {
            true => Ok(Self { host: host.to_owned(), path: path.to_owned() }),
            false => Err(MalformedUpstreamAddress(text.chars().take(200).collect())),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Returns a host in normal form, as the URL standard has it; without a trailing dot. Text that is no host is only put into lower case.
pub fn normal_host(text: &str) -> String {
    if is_plain_name(text) || text.parse::<Ipv4Addr>().is_ok() {
        return text.to_owned();
    }
    normal_host_by_standard(text)
}

fn normal_host_by_standard(text: &str) -> String {
    let host = match url::Host::parse(text) {
        Ok(host) => host.to_string(),
        Err(_) => text.to_ascii_lowercase(),
    };
    host.trim_end_matches('.').to_owned()
}

/// Returns true if a host is a name that [`url::Host`] would give back as it is: in lower case, neither in Punycode nor an address
/// literal.
fn is_plain_name(text: &str) -> bool {
    let is_plain = |label: &str| {
        let letters = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        !label.is_empty() && letters && !label.starts_with("xn--")
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    last.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('.').all(is_plain)
}

/// Returns whether a host in normal form is a name in DNS: no address literal, and not this machine's own name (RFC 6761, section 6.3).
pub fn is_public_name(host: &str) -> bool {
    let is_local = host == "localhost" || host.ends_with(".localhost");
    let is_literal = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok();
    !is_local && !is_literal
}

/// Returns the path of a request or URL, decoded and normalised as nginx and Apache do: `%XX` is decoded once, empty and `.` segments
/// are dropped, and `..` drops the segment before it. A slash at the end stays. Returns `None` if the path leaves the
/// root, does not start with a slash, or is not UTF-8 once decoded.
pub fn normal_path(path: &str) -> Option<Cow<'_, str>> {
    let decoded = percent_decode(path)?;
    if !decoded.starts_with('/') {
        return None;
    }
    if !decoded.contains("//") && !decoded.contains("/.") {
        return Some(decoded);
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()?),
            name => kept.push(name),
        }
    }
    let ends_in_folder = matches!(decoded.rsplit('/').next(), Some("" | "." | ".."));
    let slash = if ends_in_folder && !kept.is_empty() { "/" } else { "" };
    Some(Cow::Owned(format!("/{}{slash}", kept.join("/"))))
}

/// Decodes `%XX` once (RFC 3986, section 2.1). Returns `None` if an escape is malformed or the result is not UTF-8.
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('%') { decode(text).map(Cow::Owned) } else { Some(Cow::Borrowed(text)) }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A collection that answers for all below a path of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The path: empty, or with a slash before it and none at its end.
    pub prefix: String,
    /// The collection, as KIND/NAME: its folder below a generation.
    pub folder: String,
}

/// The collections that answer for upstreams' addresses, by host.
#[derive(Clone, Debug, Default)]
pub struct RoutingTable(BTreeMap<String, Vec<Route>>);

impl RoutingTable {
    /// Makes a table of addresses and the collections that answer for them, as KIND/NAME. The longest path comes first; collections of
    /// one address answer together, each with what it has.
    pub fn new(answering: impl IntoIterator<Item = (Address, String)>) -> Self {
        let mut routes: BTreeMap<String, Vec<Route>> = BTreeMap::new();
        for (Address { host, path: prefix }, folder) in
            answering.into_iter().filter(|(address, _)| address.is_routable())
        {
            routes.entry(host).or_default().push(Route { prefix, folder });
        }
        for of_host in routes.values_mut() {
            of_host.sort_by(|a, b| {
                b.prefix.len().cmp(&a.prefix.len()).then_with(|| (&a.prefix, &a.folder).cmp(&(&b.prefix, &b.folder)))
            });
            of_host.dedup();
        }
        Self(routes)
    }

    /// Returns whether an upstream that is published has this host, which is in normal form.
    pub fn has_host(&self, host: &str) -> bool {
        self.0.contains_key(host)
    }

    /// Each host with its routes.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, &[Route])> {
        self.0.iter().map(|(host, routes)| (host.as_str(), routes.as_slice()))
    }

    /// Returns the places below a generation that may answer for a host and path, both in normal form. Returns none for a path
    /// of no upstream.
    pub fn find<'a>(&'a self, host: Option<&str>, path: &'a str) -> impl Iterator<Item = String> + 'a {
        let of_host = host.and_then(|host| self.0.get(host)).map(Vec::as_slice).unwrap_or_default();
        of_host.iter().filter_map(move |route| {
            let rest = path.strip_prefix(route.prefix.as_str())?.strip_prefix('/')?;
            Some(format!("{}/{rest}", route.folder))
        })
    }

    /// Returns whether requests for a host that match no route may be answered by path, such as `/apt/NAME/`. Under the name of an upstream
    /// only what is the upstream's is answered; an address literal is nobody's name.
    pub fn answers_by_path(&self, host: Option<&str>) -> bool {
        host.is_none_or(|host| !is_public_name(host) || !self.has_host(host))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(url: &str) -> String {
        Address::of_origin(&url.into()).unwrap().to_string()
    }

    #[test]
    fn spellings_of_an_address_are_equal() {
        for url in [
            "http://archive.example/ubuntu",
            "https://archive.example/ubuntu/",
            "HTTP://ARCHIVE.Example/ubuntu",
            "http://archive.example./ubuntu",
            "http://archive.example:80/ubuntu",
            "https://archive.example:8443/ubuntu",
            "http://u:p@archive.example/ubuntu",
            "http://archive.example//ubuntu//",
            "http://archive.example/./ubuntu/.",
            "http://archive.example/x/../ubuntu",
            "http://archive.example/x/%2e%2e/ubuntu",
            "http://archive.example/%75buntu",
            "http://archive.example/x%2f..%2fubuntu",
            "http:\\\\archive.example\\ubuntu",
            "http://arch%69ve.example/ubuntu",
            "http://ａrchive.example/ubuntu",
            "http://archive。example/ubuntu",
        ] {
            assert_eq!(address(url), "archive.example/ubuntu", "{url}");
        }
        assert_eq!(address("http://BÜCHER.example/"), address("http://xn--bcher-kva.example"));
        assert_eq!(address("http://0x7f.1/a"), address("http://127.0.0.1:81/a"));
        assert_eq!(address("http://[0:0::1]/a"), "[::1]/a");
        for other in ["local", "file:///srv/x", "ftp://a/b", "archive.example/ubuntu", ""] {
            assert_eq!(Address::of_origin(&other.into()), None, "{other}");
        }
    }

    #[test]
    fn literals_and_this_machines_own_names_are_not_public() {
        let is = |text| is_public_name(&normal_host(text));
        assert!(["a", "a.b.", "xn--bcher-kva.example"].into_iter().all(is));
        assert!(!["127.0.0.1", "0x7f.1", "1.2.3", "[::1]", "LocalHost", "a.localhost"].into_iter().any(is));
    }

    #[test]
    fn overlap_goes_by_segments() {
        let of = |url: &str| Address::of_origin(&url.into()).unwrap();
        let ubuntu = of("http://a/ubuntu");
        for (url, overlaps) in [
            ("http://a/ubuntu/pool", true),
            ("http://a/", true),
            ("https://A.:8080/./ubuntu//", true),
            ("http://a/ubuntu2", false),
            ("http://a/Ubuntu", false),
            ("http://b/ubuntu", false),
        ] {
            assert_eq!((ubuntu.overlaps(&of(url)), of(url).overlaps(&ubuntu)), (overlaps, overlaps), "{url}");
        }
    }

    #[test]
    fn paths_are_normalised_as_web_servers_do() {
        for (path, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a//b", "/a/b"),
            ("//a/b", "/a/b"),
            ("/./a/./b", "/a/b"),
            ("/a/x/../b", "/a/b"),
            ("/a/x/..%2fb", "/a/b"),
            ("/a/%2e/b/", "/a/b/"),
            ("/a/b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/a_1%253a2%7e.deb", "/a_1%3a2~.deb"),
            ("/.a/..b/c.", "/.a/..b/c."),
        ] {
            assert_eq!(normal_path(path).as_deref(), Some(normal), "{path}");
        }
        for path in
            ["", "a", "*", "/..", "/a/../..", "/%2e%2e/a", "/a/..%2f..%2fb", "/%", "/%2", "/%zz", "/%ff", "/%+1"]
        {
            assert_eq!(normal_path(path), None, "{path}");
        }
    }

    #[test]
    fn the_longest_path_is_asked_first() {
        let table = RoutingTable::new([
            (Address::of_origin(&"http://a/".into()).unwrap(), "apt/root".to_owned()),
            (Address::of_origin(&"http://a/x".into()).unwrap(), "apt/x".to_owned()),
            (Address::of_origin(&"http://a./x/".into()).unwrap(), "apt/also".to_owned()),
            (Address::of_origin(&"http://a/x;y".into()).unwrap(), "apt/odd".to_owned()),
        ]);
        let find = |host: &str, path: &str| table.find(Some(host), path).collect::<Vec<_>>();
        assert_eq!(find("a", "/x/f"), ["apt/also/f", "apt/x/f", "apt/root/x/f"]);
        assert_eq!(find("a", "/xy/f"), ["apt/root/xy/f"]);
        assert_eq!(find("b", "/x/f"), [""; 0]);
        assert!(!table.answers_by_path(Some("a")) && table.answers_by_path(Some("b")) && table.answers_by_path(None));
    }

    proptest! {
        #[test]
        fn an_address_is_read_as_it_is_written(url in "https?://[a-zA-Z0-9.]{1,8}(:[0-9]{1,4})?(/[a-zA-Z0-9.%~]{0,4}){0,4}") {
            if let Some(address) = Address::of_origin(&url.into()) {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }

        #[test]
        fn hosts_without_need_of_the_standard_stay_as_it_would_leave_them(host in "([a-z0-9._-]|xn--|0x){0,12}|([0-9]{1,3}[.]){3}[0-9]{1,3}") {
            prop_assert_eq!(normal_host(&host), normal_host_by_standard(&host));
        }

        #[test]
        fn a_normal_path_is_stable_and_stays_inside(path in "/[a/.%2eEfF]{0,20}") {
            if let Some(normal) = normal_path(&path).filter(|normal| !normal.contains('%')) {
                prop_assert!(normal.split('/').all(|segment| segment != ".." && segment != "."), "{}", normal);
                prop_assert_eq!(normal_path(&normal), Some(normal.clone()));
            }
        }
    }
}
