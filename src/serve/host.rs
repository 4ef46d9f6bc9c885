//! Whom a request is for: the host that it names, checked (RFC 9112, section 3.2).

use std::net::Ipv6Addr;

use axum::http::request::Parts;
use axum::http::{Version, header};

use crate::address::normal_host;

/// The longest name in DNS, and room for brackets (RFC 1035, section 2.3.4).
const MAX_NAME_BYTES: usize = 255;

/// The host that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// In normal form, without a port.
    pub(super) name: String,
    /// As it came, with its port: fit to be part of an address that is answered.
    pub(super) authority: String,
}

/// A request that names no host, two, or one that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadHost;

impl Host {
    /// The host of a request; none for one of HTTP/1.0, which need not name any.
    pub(super) fn of(request: &Parts) -> Result<Option<Self>, BadHost> {
        let mut headers = request.headers.get_all(header::HOST).iter();
        let header = headers.next();
        if headers.next().is_some() {
            return Err(BadHost);
        }
        let header = header.map(|value| value.to_str().map_err(|_| BadHost)).transpose()?;
        // What the target says goes before the header, and the header must be there all the same.
        let header_is_missing = header.is_none() && request.version == Version::HTTP_11;
        match request.uri.authority().map(|authority| authority.as_str()).or(header) {
            _ if header_is_missing => Err(BadHost),
            Some(text) => Self::parse(text).map(Some).ok_or(BadHost),
            None => Ok(None),
        }
    }

    /// A name or an address, with or without a port (RFC 3986, section 3.2.2, without user names, escapes and empty names).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (text, None),
        };
        let good_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
        let rooted = name.strip_suffix('.').unwrap_or(name);
        let fits = name.len() <= MAX_NAME_BYTES && (is_name(rooted) || is_address(name));
        let host = Self { name: normal_host(rooted), authority: text.to_owned() };
        (port.is_none_or(good_port) && fits).then_some(host)
    }
}

fn is_address(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

fn is_name(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    name.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (good, name) in [
            ("a", "a"),
            ("Store.Example:8080", "store.example"),
            ("store.example.", "store.example"),
            ("store.example.:80", "store.example"),
            ("10.0.0.1", "10.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[FE80::1]", "[fe80::1]"),
            ("a_b.c-d:1", "a_b.c-d"),
        ] {
            let host = Host::parse(good).unwrap();
            assert_eq!((host.name.as_str(), host.authority.as_str()), (name, good));
        }
        let long = "a".repeat(300);
        for bad in [
            "", ".", "..", "a..b", ".a", "a..", ":80", "a:", "a:99999", "a:+1", "a/b", "a b", "u@a", "u:p@a:80",
            "a:80:80", "[::1", "::1", "[x]", "[::1].", "a\"", "%61", "é", &long,
        ] {
            assert_eq!(Host::parse(bad), None, "{bad}");
        }
    }
}
