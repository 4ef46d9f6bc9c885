//! Where a file is: a path, or an address.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

/// A path, or an address of http, https or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Path(PathBuf),
    /// Somewhere else.
    Url(Url),
}

impl Place {
    /// The path, if it is one.
    pub(super) fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Path(path) => Some(path),
            Self::Url(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.contains("://") {
            return Ok(Self::Path(text.into()));
        }
        let url = Url::parse(&text).map_err(serde::de::Error::custom)?;
        match unusable(&url) {
            Some(reason) => Err(serde::de::Error::custom(reason)),
            None => Ok(Self::Url(url)),
        }
    }
}

/// Why nothing can be fetched from an address.
pub(super) fn unusable(url: &Url) -> Option<&'static str> {
    (!matches!(url.scheme(), "http" | "https" | "file")).then_some("its address is none of http, https and file")
}
