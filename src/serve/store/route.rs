//! What a request is for: path and query, checked.

use axum::http::Method;

use std::borrow::Cow;

use crate::address::percent_decode;

/// A service of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoreRoute {
    Root,
    Refresh,
    Info { name: String },
    Find,
    Names,
    Sections,
    Categories,
    Cohorts,
    Nonces,
    Sessions,
    Assertion { kind: String, key: Vec<String> },
    OwnAssertions,
    Download { file: String },
    Unknown,
}

impl StoreRoute {
    /// What is at `path`; `None` if it is no path.
    pub(super) fn of(path: &str) -> Option<Self> {
        // Each part is decoded by itself, so that a slash within one is no separator.
        let decode = |part| percent_decode(part).map(Cow::into_owned);
        let parts: Vec<String> = path.strip_prefix('/')?.split('/').map(decode).collect::<Option<_>>()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Some(match parts.as_slice() {
            [""] => Self::Root,
            ["v2", "snaps", "refresh"] => Self::Refresh,
            ["v2", "snaps", "info", name] => Self::Info { name: (*name).to_owned() },
            ["v2", "snaps", "find"] => Self::Find,
            ["v2", "snaps", "categories"] => Self::Categories,
            ["v2", "cohorts"] => Self::Cohorts,
            ["v2", "auth", "store", "assertions"] => Self::OwnAssertions,
            ["v2", "assertions", kind, key @ ..] => {
                let key = key.iter().map(|&part| part.to_owned()).collect();
                Self::Assertion { kind: (*kind).to_owned(), key }
            }
            ["api", "v1", "snaps", "names"] => Self::Names,
            ["api", "v1", "snaps", "sections"] => Self::Sections,
            ["api", "v1", "snaps", "auth", "nonces"] => Self::Nonces,
            ["api", "v1", "snaps", "auth", "sessions"] => Self::Sessions,
            ["api", "v1", "snaps", "download", file] => Self::Download { file: (*file).to_owned() },
            _ => Self::Unknown,
        })
    }

    fn is_posted(&self) -> bool {
        matches!(self, Self::Refresh | Self::Cohorts | Self::Nonces | Self::Sessions)
    }

    /// Whether it can be asked so. What is unknown is answered as that, however it is asked.
    pub(super) fn allows(&self, method: &Method) -> bool {
        match self {
            Self::Unknown => true,
            _ if self.is_posted() => method == Method::POST,
            _ => method == Method::GET || method == Method::HEAD,
        }
    }

    /// How it can be asked, for the header `Allow`.
    pub(super) fn methods(&self) -> &'static str {
        if self.is_posted() { "POST" } else { "GET, HEAD" }
    }
}

/// The query of an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn of(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first value of this name that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_path_are_decoded_once_and_apart() {
        let name = |path: &str| StoreRoute::of(path);
        assert_eq!(name("/v2/snaps/info/a%2Fb"), Some(StoreRoute::Info { name: "a/b".to_owned() }));
        assert_eq!(name("/v2/snaps/info/a%252Fb"), Some(StoreRoute::Info { name: "a%2Fb".to_owned() }));
        assert_eq!(name("/v2/snaps/info/a/b"), Some(StoreRoute::Unknown));
        assert_eq!(name("/v2/snaps/refresh/"), Some(StoreRoute::Unknown));
        for bad in ["/v2/%", "/v2/%zz", "/v2/%ff", "*"] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }
}
