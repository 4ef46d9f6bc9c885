//! Names of hosts that name servers and web servers can be told.

use std::fmt;
use std::str::FromStr;

/// Longest name, and longest label of one, in bytes (RFC 1035, section 2.3.4).
const MAX_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// A host's name in lower case: labels of letters, digits, `-` and `_` with dots between them. No address, and not this
/// machine's own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

/// The text is not a [`HostName`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no name of a host")]
pub struct MalformedHost(String);

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = MalformedHost;

    fn from_str(text: &str) -> Result<Self, MalformedHost> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let last = name.rsplit('.').next().unwrap_or_default();
        // RFC 6761, section 6.3: these names are every machine's own. RFC 3696, section 2: no top domain is a number, so this is
        // an address.
        let is_own = last == "localhost" || last.bytes().all(|byte| byte.is_ascii_digit());
        match name.len() <= MAX_BYTES && name.split('.').all(is_label) && !is_own {
            true => Ok(Self(name.into())),
            false => Err(MalformedHost(text.chars().take(64).collect())),
        }
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let edges = label.starts_with('-') || label.ends_with('-');
    !label.is_empty() && label.len() <= MAX_LABEL_BYTES && !edges && label.bytes().all(allowed)
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_and_nothing_else() {
        for (text, name) in
            [("Archive.Example.COM.", "archive.example.com"), ("a_b.c-d", "a_b.c-d"), ("store", "store")]
        {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), name);
        }
        for text in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "10.0.0.1",
            "[::1]",
            "localhost",
            "x.localhost",
            "a b",
            "a\nb",
            "a;b",
            "a\"b",
            "a'b",
            "$(id)",
            "a/b",
            "a#b",
            "a{b}",
            "*.a",
            "é.example",
            &"a".repeat(64),
            &"ab.".repeat(100),
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text:?}");
        }
    }
}
