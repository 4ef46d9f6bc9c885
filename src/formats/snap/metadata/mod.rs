//! What a snap says of itself in its `meta/snap.yaml`, read without trusting any of it.
//!
//! The yardstick is what snapd takes when it installs a snap: its packages `snap` and `snap/naming`, and `overlord/snapstate`
//! for what a snap needs besides itself. Of a repeated key the last counts, as there; fields that nobody here needs are not
//! looked at.

mod epoch;
mod needs;
mod rights;
mod yaml;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{Read, Seek};

use super::api::Epoch;
use super::{ALL, squashfs};
use crate::formats::assertions::is_snap_name;
use crate::formats::{Invalid, ReadError, shortened};

pub use needs::{NeedReason, SnapNeed};
pub use rights::SnapRights;

use super::listing::is_architecture;
use yaml::SnapYaml;

/// Largest `meta/snap.yaml`, in bytes; real ones are far below 100 KiB.
pub const MAX_SNAP_YAML_BYTES: u64 = 1 << 20;
/// Stands for no base at all.
const NO_BASE: &str = "none";
/// Longest version, in bytes (snapd's `snap/validate.go`).
const MAX_VERSION_BYTES: usize = 32;

/// What a snap says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its version, as it is written.
    pub version: String,
    /// What it is.
    pub kind: SnapKind,
    /// The snap with the root file system that it runs in, `none` if it runs in none.
    pub base: Option<String>,
    /// `strict`, `classic` or `devmode`.
    pub confinement: String,
    /// `stable` or `devel`.
    pub grade: String,
    /// Architectures that it runs on, as dpkg calls them, or `all`.
    pub architectures: Vec<String>,
    /// Which data of earlier revisions it can read.
    pub epoch: Epoch,
    /// Its name for people; often empty.
    pub title: String,
    /// For people, one line.
    pub summary: String,
    /// For people, some paragraphs.
    pub description: String,
    /// An SPDX expression, if it names one.
    pub license: Option<String>,
    /// Names of its apps.
    pub apps: BTreeSet<String>,
    /// Snaps that its content plugs are connected to unless told otherwise.
    pub default_providers: BTreeSet<String>,
}

/// What a snap is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SnapKind {
    /// Programs.
    #[default]
    App,
    /// A root file system for others to run in.
    Base,
    /// What a device with Ubuntu Core needs to boot.
    Gadget,
    /// A kernel.
    Kernel,
    /// A root file system with snapd in it: `core`.
    Os,
    /// snapd.
    Snapd,
}

impl SnapKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::App, Self::Base, Self::Gadget, Self::Kernel, Self::Os, Self::Snapd];

    /// As `snap.yaml` and the store write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Base => "base",
            Self::Gadget => "gadget",
            Self::Kernel => "kernel",
            Self::Os => "os",
            Self::Snapd => "snapd",
        }
    }
}

impl fmt::Display for SnapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Metadata {
    /// Reads the text of a `meta/snap.yaml`.
    pub fn parse(yaml: &[u8]) -> Result<Self, Invalid> {
        if yaml.len() as u64 > MAX_SNAP_YAML_BYTES {
            return Err(Invalid::new(format!("its meta/snap.yaml is larger than {MAX_SNAP_YAML_BYTES} bytes")));
        }
        Self::of_yaml(SnapYaml::parse(std::str::from_utf8(yaml).map_err(not_utf8)?)?)
    }

    /// Reads the snap that `image` holds from its start; the text is that of its `meta/snap.yaml`.
    pub fn of_snap(image: &mut (impl Read + Seek)) -> Result<(Self, String), ReadError> {
        let yaml = squashfs::read_file(image, &["meta", "snap.yaml"], MAX_SNAP_YAML_BYTES);
        let yaml = yaml.map_err(|error| error.within("cannot read its meta/snap.yaml"))?;
        let yaml = String::from_utf8(yaml).map_err(|error| not_utf8(error.utf8_error()))?;
        Ok((Self::parse(yaml.as_bytes())?, yaml))
    }

    /// Whether devices of this architecture can run it; of all of them, only what says so.
    pub fn fits(&self, architecture: &str) -> bool {
        self.architectures.iter().any(|own| own == ALL || own == architecture)
    }

    fn of_yaml(yaml: SnapYaml) -> Result<Self, Invalid> {
        let name = must("name", yaml.name, is_snap_name)?;
        Ok(Self {
            version: must("version", yaml.version, is_version)?,
            kind: kind(&name, yaml.kind)?,
            base: some("base", yaml.base, |base| base == NO_BASE || is_snap_name(base))?,
            confinement: one_of("confinement", yaml.confinement, &["strict", "classic", "devmode"])?,
            grade: one_of("grade", yaml.grade, &["stable", "devel"])?,
            architectures: architectures(yaml.architectures)?,
            epoch: yaml.epoch.unwrap_or_default().0,
            title: yaml.title.unwrap_or_default(),
            summary: yaml.summary.unwrap_or_default(),
            description: yaml.description.unwrap_or_default(),
            license: yaml.license.filter(|license| !license.is_empty()),
            apps: names("app", yaml.apps.unwrap_or_default().into_keys(), is_app_name)?,
            default_providers: names("default-provider", yaml::providers(yaml.plugs), is_snap_name)?,
            name,
        })
    }
}

fn not_utf8(error: std::str::Utf8Error) -> Invalid {
    Invalid::new("its meta/snap.yaml is not UTF-8").because(error)
}

fn check(field: &'static str, value: String, is_good: impl Fn(&str) -> bool) -> Result<String, Invalid> {
    if is_good(&value) {
        return Ok(value);
    }
    let value = shortened(&value);
    Err(Invalid::new(format!("its meta/snap.yaml has {field} \"{value}\", which snapd does not take")))
}

/// A value that may be missing, which an empty one is too.
fn some(field: &'static str, value: Option<String>, is_good: impl Fn(&str) -> bool) -> Result<Option<String>, Invalid> {
    value.filter(|value| !value.is_empty()).map(|value| check(field, value, is_good)).transpose()
}

fn must(field: &'static str, value: Option<String>, is_good: impl Fn(&str) -> bool) -> Result<String, Invalid> {
    some(field, value, is_good)?.ok_or_else(|| Invalid::lacks("its meta/snap.yaml", field))
}

/// One of some words, the first unless told otherwise.
fn one_of(field: &'static str, value: Option<String>, words: &[&'static str]) -> Result<String, Invalid> {
    let value = some(field, value, |value| words.contains(&value))?;
    Ok(value.unwrap_or_else(|| words.first().copied().unwrap_or_default().to_owned()))
}

fn names(
    field: &'static str,
    values: impl Iterator<Item = String>,
    is_good: fn(&str) -> bool,
) -> Result<BTreeSet<String>, Invalid> {
    values.map(|value| check(field, value, is_good)).collect()
}

fn kind(name: &str, word: Option<String>) -> Result<SnapKind, Invalid> {
    // As snapd has it, by whatever type the snap calls itself.
    if name == "snapd" {
        return Ok(SnapKind::Snapd);
    }
    let of_word = |word: &str| match word {
        "application" => Some(SnapKind::App),
        _ => SnapKind::ALL.into_iter().find(|kind| kind.word() == word),
    };
    let word = some("type", word, |word| of_word(word).is_some())?;
    Ok(word.as_deref().and_then(of_word).unwrap_or_default())
}

fn architectures(list: Option<yaml::Texts>) -> Result<Vec<String>, Invalid> {
    let list = list.map(|texts| texts.0).filter(|texts| !texts.is_empty()).unwrap_or_else(|| vec![ALL.to_owned()]);
    list.into_iter().map(|value| check("architecture", value, is_architecture)).collect()
}

/// As `ValidateVersion` of snapd's `snap/validate.go`.
fn is_version(version: &str) -> bool {
    let first = version.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let last = version.bytes().last().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+~".contains(&byte));
    let rest = version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":.+~-".contains(&byte));
    first && last && rest && version.len() <= MAX_VERSION_BYTES
}

/// As `validAppName` of snapd's `snap/naming/validate.go`.
fn is_app_name(name: &str) -> bool {
    name.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests;
