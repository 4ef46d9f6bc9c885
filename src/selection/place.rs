//! Where a file is: a path, or an address.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use crate::digest::Sha256;

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

/// The place of a file that a table names.
#[derive(Clone, Debug)]
pub enum FilePlace {
    /// On this machine.
    Path {
        /// A file, a folder, or a pattern of a shell.
        path: PathBuf,
        /// The digest that a file must have.
        sha256: Option<Sha256>,
    },
    /// At an address.
    Url {
        /// The address.
        url: Url,
        /// The file's digest: nothing else says what is wanted.
        sha256: Sha256,
    },
}

impl FilePlace {
    /// Makes a place of the keys `from`, `url` and `sha256`. The error says what contradicts itself.
    pub(super) fn new(from: Option<PathBuf>, url: Option<Url>, sha256: Option<Sha256>) -> Result<Self, &'static str> {
        match (from, url, sha256) {
            (Some(path), None, sha256) => Ok(Self::Path { path, sha256 }),
            (None, Some(url), Some(sha256)) => match unusable(&url) {
                None => Ok(Self::Url { url, sha256 }),
                Some(reason) => Err(reason),
            },
            (None, Some(_), None) => Err("with url it needs sha256: nothing else says what is to be fetched"),
            _ => Err("it needs exactly one of from and url"),
        }
    }

    /// The address, if it is one.
    pub fn url(&self) -> Option<&Url> {
        match self {
            Self::Path { .. } => None,
            Self::Url { url, .. } => Some(url),
        }
    }

    /// The path, if it is one.
    pub(super) fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Path { path, .. } => Some(path),
            Self::Url { .. } => None,
        }
    }
}
