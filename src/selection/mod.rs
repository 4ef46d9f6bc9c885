//! The selection: the TOML file that says what to carry.

mod error;
mod units;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

pub use error::SelectionError;
pub use units::{Bytes, Days};

use crate::collect::apt::closure::Seed;
use crate::collection::{Label, Publish};
use crate::formats::apt::packages::Priority;

/// The largest selection that is read, in bytes.
const MAX_SELECTION_BYTES: u64 = 4 << 20;

/// What to carry, and to which site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Selection {
    /// The site that it is for.
    pub site: Label,
    /// Which of the site's bundles it makes.
    pub name: Label,
    /// The size that no volume exceeds.
    #[serde(default = "default_volume_size")]
    pub volume_size: Bytes,
    /// How long the bundle stays valid.
    #[serde(default = "default_expires")]
    pub expires: Days,
    /// The site's epoch.
    #[serde(default = "default_epoch")]
    pub epoch: u64,
    /// Sources of Debian packages.
    #[serde(default)]
    pub apt: Vec<AptSource>,
}

/// A source of Debian packages: one archive by its URL, several by apt's own source lists, or a folder of .debs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptSource {
    /// Its name; the site pins upstream's keyring under it.
    pub name: Label,
    /// Root of the archive.
    pub url: Option<Url>,
    /// apt's own source lists, instead of `url`; those that do not exist are passed over, but one must.
    #[serde(default)]
    pub sources: OneOrMany<PathBuf>,
    /// A folder of .debs, instead of `url`. They come without proof by upstream.
    pub local: Option<PathBuf>,
    /// Suites and pockets; solved together.
    #[serde(default)]
    pub suites: Vec<String>,
    /// Components.
    #[serde(default)]
    pub components: Vec<String>,
    /// Architectures, the native one first; the host's where empty.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Who must have signed the archive; with `sources`, their own Signed-By counts unless this is given.
    pub keyring: Option<PathBuf>,
    /// Packages to carry with all that they need; with no packages, priorities and tasks, everything is carried.
    #[serde(default)]
    pub packages: Vec<SeedText>,
    /// Priorities whose packages are carried too, such as `required`.
    #[serde(default)]
    pub priorities: Vec<PriorityText>,
    /// Tasks whose packages are carried too.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// Whether what packages recommend is carried too, as apt installs it by default.
    #[serde(default = "yes")]
    pub recommends: bool,
    /// dpkg's status file of the target; what it has is left out.
    pub installed: Option<PathBuf>,
    /// Whether source packages are carried too: those of the selected packages.
    #[serde(default)]
    pub deb_src: bool,
    /// How it is published at the site.
    #[serde(default)]
    pub publish: Publish,
    /// Take metadata whose Valid-Until is past.
    #[serde(default)]
    pub allow_expired: bool,
}

impl AptSource {
    /// Whether everything is carried, rather than a closure.
    pub fn whole(&self) -> bool {
        self.packages.is_empty() && self.priorities.is_empty() && self.tasks.is_empty()
    }
}

/// A value that may stand alone or in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form<T> {
            One(T),
            Many(Vec<T>),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::One(value) => vec![value],
            Form::Many(values) => values,
        }))
    }
}

/// A [`Seed`] as a selection writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedText(pub Seed);

impl<'de> Deserialize<'de> for SeedText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A [`Priority`] as a selection writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityText(pub Priority);

impl<'de> Deserialize<'de> for PriorityText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| serde::de::Error::custom(format!("{text:?} is {error}")))
    }
}

fn yes() -> bool {
    true
}

fn default_epoch() -> u64 {
    1
}

/// Fits FAT32 with room to spare.
fn default_volume_size() -> Bytes {
    Bytes(4_000_000_000)
}

fn default_expires() -> Days {
    Days(90)
}

impl Selection {
    /// Reads the selection at `path`; its relative paths are taken from the folder that it is in.
    pub fn load(path: &Path) -> Result<Self, SelectionError> {
        let io = |source| SelectionError::Io { path: path.to_owned(), source };
        if fs::metadata(path).map_err(io)?.len() > MAX_SELECTION_BYTES {
            return Err(io(std::io::ErrorKind::FileTooLarge.into()));
        }
        let text = fs::read_to_string(path).map_err(io)?;
        let mut selection = Self::parse(&text).map_err(|error| error.in_file(path))?;
        selection.anchor(path.parent().unwrap_or(Path::new("")));
        Ok(selection)
    }

    /// Reads a selection and checks that it makes sense.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        let selection: Self = toml::from_str(text).map_err(|error| SelectionError::syntax(text, &error))?;
        selection.check()?;
        Ok(selection)
    }

    fn check(&self) -> Result<(), SelectionError> {
        let wrong = |source: &AptSource, reason| Err(SelectionError::Source { name: source.name.clone(), reason });
        if self.apt.is_empty() {
            return Err(SelectionError::Empty);
        }
        for (at, source) in self.apt.iter().enumerate() {
            let origins = [source.url.is_some(), !source.sources.0.is_empty(), source.local.is_some()];
            if origins.into_iter().filter(|given| *given).count() != 1 {
                return wrong(source, "it needs exactly one of url, sources and local");
            }
            if source.url.is_some() && (source.suites.is_empty() || source.components.is_empty()) {
                return wrong(source, "with url it needs suites and components");
            }
            if source.url.is_some() && source.keyring.is_none() {
                return wrong(source, "with url it needs a keyring: upstream's signatures are never passed over");
            }
            if self.apt.iter().take(at).any(|other| other.name == source.name) {
                return wrong(source, "another source has the same name");
            }
        }
        Ok(())
    }

    fn anchor(&mut self, folder: &Path) {
        let anchor = |path: &mut PathBuf| *path = folder.join(&*path);
        for source in &mut self.apt {
            source.sources.0.iter_mut().for_each(anchor);
            [&mut source.local, &mut source.keyring, &mut source.installed].into_iter().flatten().for_each(anchor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"
site = "dc1"
name = "base"
volume-size = "4 GB"
expires = "90 days"

[[apt]]
name = "ubuntu"
url = "http://archive.example/ubuntu"
suites = ["jammy", "jammy-updates"]
components = ["main"]
architectures = ["amd64"]
keyring = "archive.gpg"
packages = ["nginx", "postgresql-14:amd64", "curl=7.81.0-1"]
priorities = ["required"]
recommends = true
installed = "target-status"
publish = "verbatim"
"#;

    #[test]
    fn a_whole_selection() {
        let selection = Selection::parse(GOOD).unwrap();
        assert_eq!(selection.volume_size.0, 4_000_000_000);
        assert_eq!(selection.apt[0].packages.len(), 3);
        assert_eq!(selection.apt[0].publish, Publish::Verbatim);
    }

    #[test]
    fn a_mistyped_key_is_named_with_its_line_and_the_nearest_one() {
        let error = Selection::parse(&GOOD.replace("suites", "suits")).unwrap_err().to_string();
        assert!(
            error.contains("line 10") && error.contains("`suits`") && error.contains("did you mean `suites`"),
            "{error}"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (from, to, reason) in [
            ("keyring = \"archive.gpg\"", "", "keyring"),
            ("suites", "sources = \"x\"\nsuites", "exactly one"),
            ("\"dc1\"", "\"DC1\"", "DC1"),
            ("\"4 GB\"", "\"4 XB\"", "4 XB"),
            ("\"required\"", "\"requird\"", "requird"),
            ("\"verbatim\"", "\"verbatm\"", "verbatm"),
            ("[[apt]]", "[[atp]]", "did you mean `apt`"),
        ] {
            let error = Selection::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(reason), "{to}: {error}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _ = Selection::parse(&text);
            let _ = Selection::parse(&format!("{GOOD}{text}"));
        }
    }
}
