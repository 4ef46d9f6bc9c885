//! What a MAAS should be like, and how to tell whether it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use crate::digest::Sha256;
use crate::units::Bytes;

/// What a MAAS should be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedState {
    /// Where `gapferry serve` answers for MAAS, without a slash at the end.
    pub serve_url: String,
    /// Boot sources.
    pub sources: Vec<WantedSource>,
    /// Images that are uploaded.
    pub uploads: Vec<WantedUpload>,
    /// Archives.
    pub repositories: Vec<WantedRepository>,
    /// Settings by name.
    pub settings: BTreeMap<String, Setting>,
    /// Releases of Ubuntu that machines can be commissioned with, the best first.
    pub commissioning: Vec<String>,
    /// The fate of MAAS's own archives that point at what this site has ceased to publish.
    pub lost_archives: LostArchives,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// The fate of an archive that is built into MAAS and points at what this site has ceased to publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostArchives {
    /// It stays as it is, with a note.
    #[default]
    Keep,
    /// It points at Ubuntu's own archive again, as after MAAS's installation.
    Reset,
}

/// A boot source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedSource {
    /// The collection that it is.
    pub name: String,
    /// Where it is, with a slash at the end.
    pub url: String,
    /// Who signs it, as a binary keyring.
    pub keyring: Vec<u8>,
    /// What is imported from it.
    pub images: BTreeMap<WantedImage, Build>,
}

/// All kernels of one release for one architecture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WantedImage {
    /// Operating system, such as `ubuntu`.
    pub os: String,
    /// Release, such as `jammy`.
    pub release: String,
    /// Architecture, such as `amd64`.
    pub arch: String,
}

/// What of an image is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The newest version; versions are ordered as text.
    pub version: String,
    /// Bytes that MAAS fetches for it.
    pub bytes: u64,
}

/// An image that MAAS cannot take from a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedUpload {
    /// OS/RELEASE.
    pub name: String,
    /// What MAAS calls it afterwards.
    pub resource: String,
    /// ARCH/SUBARCH.
    pub architecture: String,
    /// For people.
    pub title: String,
    /// How it is packed, in MAAS's words.
    pub filetype: String,
    /// What a custom image is built on; none for what MAAS commissions with.
    pub base_image: Option<String>,
    /// What it has to have.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
    /// Where it is on this machine; absolute.
    pub path: PathBuf,
}

/// An archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRepository {
    /// MAAS's name for it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Who signs it, in ASCII armor.
    pub key: String,
    /// Whether it has no source packages. Where it has some, MAAS's setting stays.
    pub no_sources: bool,
    /// What depends on whether MAAS has it built in.
    pub kind: RepositoryKind,
}

/// The two kinds of archives that MAAS knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepositoryKind {
    /// One of the two that are built in: the release of the machine with its pockets.
    BuiltIn {
        /// Pockets that are not published.
        disabled_pockets: BTreeSet<String>,
        /// Components that are not published.
        disabled_components: BTreeSet<String>,
    },
    /// One besides.
    Additional {
        /// Suites.
        distributions: BTreeSet<String>,
        /// Components.
        components: BTreeSet<String>,
        /// Architectures.
        arches: BTreeSet<String>,
    },
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// On or off.
    Switch(bool),
    /// Text.
    Text(String),
    /// Several words. MAAS has them as one text, or as a list.
    Words(Vec<String>),
}

impl WantedImage {
    /// How MAAS names it: OS/RELEASE.
    pub fn resource(&self) -> String {
        format!("{}/{}", self.os, self.release)
    }
}

impl fmt::Display for WantedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.os, self.release, self.arch)
    }
}

impl fmt::Display for WantedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} ({})", self.name, self.architecture, Bytes(self.size))
    }
}

impl Setting {
    /// Whether MAAS has it so.
    pub fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Switch(wanted), Value::Bool(value)) => wanted == value,
            (Self::Text(wanted), Value::String(value)) => same_url(wanted, value),
            (Self::Text(wanted), Value::Null) => wanted.is_empty(),
            (Self::Words(wanted), Value::String(value)) => {
                let words = value.split([' ', ',', '\n']).filter(|word| !word.is_empty());
                words.eq(wanted.iter().map(String::as_str))
            }
            (Self::Words(wanted), Value::Array(values)) => {
                values.iter().map(|value| value.as_str().unwrap_or_default()).eq(wanted.iter().map(String::as_str))
            }
            _ => false,
        }
    }
}

/// As it is sent.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
            Self::Words(words) => f.write_str(&words.join(" ")),
        }
    }
}

/// Whether the addresses differ in a slash at the end only, which MAAS 3.8 takes away.
pub(super) fn same_url(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_compared_as_maas_writes_them() {
        let words = Setting::Words(vec!["10.0.0.1".into(), "10.0.0.2".into()]);
        for (setting, value, same) in [
            (Setting::Switch(false), json!(false), true),
            (Setting::Switch(false), json!(true), false),
            (Setting::Switch(false), json!(null), false),
            (Setting::Text("http://p:3128/".into()), json!("http://p:3128"), true),
            (Setting::Text("no".into()), json!("auto"), false),
            (Setting::Text(String::new()), json!(null), true),
            (words.clone(), json!("10.0.0.1 10.0.0.2"), true),
            (words.clone(), json!("10.0.0.1,10.0.0.2"), true),
            (words.clone(), json!(["10.0.0.1", "10.0.0.2"]), true),
            (words.clone(), json!("10.0.0.1"), false),
            (words, json!(null), false),
        ] {
            assert_eq!(setting.is(&value), same, "{setting} {value}");
        }
    }
}
