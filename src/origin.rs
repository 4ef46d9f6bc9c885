//! The origin of collections and files.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The text of [`Origin::Local`].
const LOCAL: &str = "local";

/// The origin of a collection or a file, as the builder says. Its text is the URL, or `local`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Origin {
    /// The builder's own machine.
    Local,
    /// An upstream, by its URL without credentials. Nothing checks that it is one.
    Url(String),
}

impl Origin {
    /// Its text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Local => LOCAL,
            Self::Url(url) => url,
        }
    }

    /// Returns `true` if it is the builder's own machine, or a folder of it.
    pub fn is_on_disk(&self) -> bool {
        match self {
            Self::Local => true,
            Self::Url(url) => url.starts_with("file:"),
        }
    }
}

impl From<&str> for Origin {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Origin {
    fn from(text: String) -> Self {
        if text == LOCAL { Self::Local } else { Self::Url(text) }
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Local => LOCAL.to_owned(),
            Origin::Url(url) => url,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
