//! Names of suites, as source lists write them (sources.list(5)).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::formats::{Invalid, shortened};
use crate::path::{MalformedPath, PublishPath};

/// The folder of the suites that have components.
const DISTS: &str = "dists";

/// A suite of an archive, by the name that source lists give it.
///
/// A name that ends in a slash is the folder of a flat suite below the root of the archive. Flat suites have no components: their
/// indexes lie beside their Release. `./` and `/` are the root itself. Every other name is that of a folder below `dists`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuiteName {
    /// The folder; `None` for the root of the archive.
    folder: Option<PublishPath>,
    layout: Layout,
}

/// The places of a suite's indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Layout {
    /// In folders of components.
    Components,
    /// Beside Release.
    Flat,
}

impl SuiteName {
    /// The flat suite in the folder of this path. An empty path is the root of the archive.
    pub fn flat(folder: &str) -> Result<Self, MalformedPath> {
        let is_root = folder.split('/').all(|component| matches!(component, "" | "."));
        let folder = (!is_root).then(|| PublishPath::normalized(folder)).transpose()?;
        Ok(Self { folder, layout: Layout::Flat })
    }

    /// The suite whose Release lies in a folder of the archive, which is empty for the root.
    pub fn of_folder(folder: &str) -> Result<Self, MalformedPath> {
        match folder.strip_prefix(DISTS).and_then(|rest| rest.strip_prefix('/')) {
            Some(_) => Ok(Self { folder: Some(folder.parse()?), layout: Layout::Components }),
            None => Self::flat(folder),
        }
    }

    /// Returns whether it has no components.
    pub fn is_flat(&self) -> bool {
        self.layout == Layout::Flat
    }

    /// The folder of its Release below the root of the archive; empty for the root.
    pub fn folder(&self) -> &str {
        self.folder.as_ref().map_or("", PublishPath::as_str)
    }

    /// The path of a file of the suite below the root of the archive.
    pub fn path(&self, file: &str) -> String {
        below(self.folder(), file)
    }
}

/// The path of `rest` below `folder`, either of which may be empty.
pub fn below(folder: &str, rest: &str) -> String {
    if folder.is_empty() || rest.is_empty() { format!("{folder}{rest}") } else { format!("{folder}/{rest}") }
}

/// The folder of a suite below its collection, with a slash at its end, given the suite's name; the name itself if it is none.
pub fn folder_of_suite(name: &str) -> String {
    match name.parse::<SuiteName>() {
        Ok(suite) if suite.is_flat() => suite.to_string(),
        Ok(suite) => format!("{}/", suite.folder()),
        Err(_) => name.to_owned(),
    }
}

impl FromStr for SuiteName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let name = match text.ends_with('/') {
            true => Self::flat(text),
            false => format!("{DISTS}/{text}")
                .parse()
                .map(|folder| Self { folder: Some(folder), layout: Layout::Components }),
        };
        name.map_err(|source| Invalid::new(format!("{} is no suite", shortened(text))).because(source))
    }
}

impl fmt::Display for SuiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.layout, self.folder()) {
            (Layout::Flat, "") => f.pad("./"),
            (Layout::Flat, folder) => write!(f, "{folder}/"),
            (Layout::Components, folder) => f.pad(folder.get(DISTS.len() + 1..).unwrap_or_default()),
        }
    }
}

impl Serialize for SuiteName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SuiteName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn suite(text: &str) -> SuiteName {
        text.parse().unwrap()
    }

    #[test]
    fn a_slash_at_the_end_makes_a_suite_flat() {
        for (text, shown, in_release) in [
            ("bookworm", "bookworm", "dists/bookworm/InRelease"),
            ("bookworm/updates", "bookworm/updates", "dists/bookworm/updates/InRelease"),
            ("./", "./", "InRelease"),
            ("/", "./", "InRelease"),
            (".//./", "./", "InRelease"),
            ("bookworm/", "bookworm/", "bookworm/InRelease"),
            ("./a//b/", "a/b/", "a/b/InRelease"),
            ("/a/", "a/", "a/InRelease"),
            ("dists/x/", "dists/x/", "dists/x/InRelease"),
        ] {
            let name = suite(text);
            assert_eq!((name.to_string().as_str(), name.path("InRelease").as_str()), (shown, in_release), "{text}");
            assert_eq!(name.is_flat(), text.ends_with('/'), "{text}");
        }
        for text in ["", "../x", "../", "a/../b/", "$(ARCH)/", "a b/", ".hidden/"] {
            assert!(text.parse::<SuiteName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_folder_tells_the_suite() {
        for (folder, shown) in
            [("", "./"), ("a/b", "a/b/"), ("dists/a", "a"), ("dists", "dists/"), ("distsx/a", "distsx/a/")]
        {
            assert_eq!(SuiteName::of_folder(folder).unwrap().to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn a_suite_is_read_as_it_is_shown(text in "[a./]{1,8}") {
            if let Ok(name) = text.parse::<SuiteName>() {
                prop_assert_eq!(name.to_string().parse(), Ok(name.clone()));
                prop_assert!(name.path("x").parse::<PublishPath>().is_ok());
            }
        }
    }
}
