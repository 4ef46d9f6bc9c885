//! The address at which clients reach the site.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::HostName;
use crate::path::PublishPath;
use crate::terminal::without_password;

/// An address of http or https, with no user, query or fragment, and a path of plain names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeUrl(Url);

/// The text is not a [`ServeUrl`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no address that can be used: give http://HOST or http://HOST:PORT")]
pub struct MalformedServeUrl(String);

impl ServeUrl {
    /// The host's name; none for an address.
    pub fn host(&self) -> Option<HostName> {
        self.0.host_str()?.parse().ok()
    }

    /// Whether it leads below the host's root.
    pub fn has_path(&self) -> bool {
        self.0.path() != "/"
    }
}

impl FromStr for ServeUrl {
    type Err = MalformedServeUrl;

    fn from_str(text: &str) -> Result<Self, MalformedServeUrl> {
        let refuse = || MalformedServeUrl(without_password(text));
        let url = Url::parse(text).map_err(|_| refuse())?;
        let bare = url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        let path = url.path().trim_matches('/');
        let plain_path = path.is_empty() || (!path.contains('%') && path.parse::<PublishPath>().is_ok());
        let host = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.parse::<HostName>().is_ok(),
            Some(_) => true,
            None => false,
        };
        match matches!(url.scheme(), "http" | "https") && bare && anonymous && plain_path && host {
            true => Ok(Self(url)),
            false => Err(refuse()),
        }
    }
}

/// Without a slash at its end.
impl fmt::Display for ServeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain() {
        for (text, shown) in [
            ("http://gapferry.dc1.example/", "http://gapferry.dc1.example"),
            ("https://10.0.0.5:8443", "https://10.0.0.5:8443"),
            ("http://[fd00::5]/mirror/", "http://[fd00::5]/mirror"),
        ] {
            assert_eq!(text.parse::<ServeUrl>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "ftp://a",
            "http://",
            "http://u:p@a",
            "http://a?b",
            "http://a#b",
            "http://a/$(id)",
            "http://a/b;c",
            "a b",
        ] {
            let error = bad.parse::<ServeUrl>().unwrap_err().to_string();
            assert!(!error.contains("u:p"), "{error}");
        }
    }
}
