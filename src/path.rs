//! Publish paths: where a file stands in a published tree. The only names that ever reach a disk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest publish path, in bytes.
pub const MAX_PATH_BYTES: usize = 1024;
/// Longest component of a publish path, in bytes; leaves room for suffixes within the 255 of common file systems.
pub const MAX_COMPONENT_BYTES: usize = 200;

/// A relative path of plain ASCII components, `/` between them.
///
/// Each component starts with a letter, a digit or `_`, and goes on with these or any of `. + ~ : @ = , % -`. So no value
/// can name a parent folder, an absolute path, a hidden file, an option, or anything a terminal would interpret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishPath(Box<str>);

/// Why a text is not a publish path.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{} is not a publish path: {reason}", text.escape_debug())]
pub struct MalformedPath {
    text: String,
    reason: &'static str,
}

impl PublishPath {
    /// Reads a path as file systems and servers do: slashes at the start, empty components and `.` count for nothing.
    pub fn normalized(text: &str) -> Result<Self, MalformedPath> {
        let strict = text.parse();
        if strict.is_ok() || text.contains("://") {
            return strict; // an address is no path
        }
        let components: Vec<&str> = text.split('/').filter(|component| !matches!(*component, "" | ".")).collect();
        components.join("/").parse()
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The folders above it, the outermost first.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').filter_map(|(at, _)| self.0.get(..at))
    }

    /// This path with `rest` below it.
    pub fn join(&self, rest: &str) -> Result<Self, MalformedPath> {
        format!("{}/{rest}", self.0).parse()
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > MAX_PATH_BYTES {
        return Err("it is longer than 1024 bytes");
    }
    text.split('/').try_for_each(check_component)
}

fn check_component(component: &str) -> Result<(), &'static str> {
    let bytes = component.as_bytes();
    let Some(&first) = bytes.first() else {
        return Err("it has an empty component");
    };
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err("it has a component longer than 200 bytes");
    }
    if !(first.is_ascii_alphanumeric() || first == b'_') {
        return Err("a component starts with something other than a letter, a digit or '_'");
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.+~:@=,%^-".contains(byte);
    if bytes.iter().all(allowed) { Ok(()) } else { Err("it has a character that is not allowed") }
}

impl FromStr for PublishPath {
    type Err = MalformedPath;

    fn from_str(text: &str) -> Result<Self, MalformedPath> {
        match check(text) {
            Ok(()) => Ok(Self(text.into())),
            Err(reason) => {
                let text = text.chars().take(200).collect();
                Err(MalformedPath { text, reason })
            }
        }
    }
}

impl fmt::Display for PublishPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PublishPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl AsRef<std::path::Path> for PublishPath {
    fn as_ref(&self) -> &std::path::Path {
        self.as_str().as_ref()
    }
}

impl Serialize for PublishPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PublishPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for PublishPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublishPath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": MAX_PATH_BYTES,
            "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.+~:@=,%^-]*(/[A-Za-z0-9_][A-Za-z0-9_.+~:@=,%^-]*)*$",
            "description": "relative path of plain ASCII components of at most 200 bytes"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn upstream_names_are_paths() {
        for text in [
            "pool/main/g/gcc-12/libstdc++6_12.2.0-14+deb12u1_amd64.deb",
            "pool/main/a/a_1%3a2~rc1_all.deb",
            "Packages/a/a-1.0^20240101git-1.x86_64.rpm",
            "streams/v1/com.ubuntu.maas:stable:v3:download.sjson",
        ] {
            assert_eq!(text.parse::<PublishPath>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn nothing_that_leaves_the_tree_is_a_path() {
        let long = "a".repeat(201);
        for text in [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            "./a",
            "a/.b",
            "-rf",
            "a\\b",
            "a b",
            "a\nb",
            "\u{202e}a",
            "é",
            &long,
        ] {
            assert!(text.parse::<PublishPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn normalizes_what_names_the_same_file() {
        for text in ["pool/a.deb", "/pool/a.deb", "./pool//a.deb", "pool/./a.deb", "//./pool/a.deb"] {
            assert_eq!(PublishPath::normalized(text).unwrap().as_str(), "pool/a.deb", "{text}");
        }
        for text in ["", "/", "./.", "http://a/b", "pool/../a.deb", "../a.deb", "/pool/a b.deb", "pool/.hidden"] {
            assert!(PublishPath::normalized(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_normalized_path_names_the_same_file(text in "[./ab]{0,20}") {
            if let Ok(path) = PublishPath::normalized(&text) {
                let parts = |text: &str| {
                    let names = std::path::Path::new(text).components();
                    names.filter(|c| matches!(c, std::path::Component::Normal(_))).map(|c| format!("{c:?}")).collect::<Vec<_>>()
                };
                prop_assert!(!text.split('/').any(|part| part == ".."));
                prop_assert_eq!(parts(&text), parts(path.as_str()));
            }
        }

        #[test]
        fn an_accepted_path_never_escapes(text in "\\PC{0,40}") {
            if let Ok(path) = text.parse::<PublishPath>() {
                prop_assert!(std::path::Path::new(path.as_str()).components().all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }
    }
}
