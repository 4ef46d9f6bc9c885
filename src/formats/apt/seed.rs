//! Packages that are asked for, as `apt-get install` takes them.

use std::fmt;
use std::str::FromStr;

use crate::formats::{Invalid, shortened};
use serde::Deserialize;

use super::relation::{is_name, is_version};

/// A package that is asked for, as `apt-get install` takes it: `NAME[:ARCHITECTURE][=VERSION|/SUITE]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Seed {
    /// Its name.
    pub name: String,
    /// Its architecture; the native one where absent, or else the first foreign one that has it.
    pub architecture: Option<String>,
    /// Exactly this version.
    pub version: Option<String>,
    /// The version of this suite or codename.
    pub suite: Option<String>,
}

impl Seed {
    /// The candidate of this name.
    pub fn named(name: impl AsRef<str>) -> Self {
        Self { name: name.as_ref().to_owned(), architecture: None, version: None, suite: None }
    }
}

impl FromStr for Seed {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (rest, version, suite) = match (text.split_once('='), text.split_once('/')) {
            (Some((rest, version)), _) => (rest, Some(version), None),
            (None, Some((rest, suite))) => (rest, None, Some(suite)),
            (None, None) => (text, None, None),
        };
        let (name, architecture) = match rest.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (rest, None),
        };
        let names = [Some(name), architecture, suite];
        if names.into_iter().flatten().all(is_name) && version.is_none_or(is_version) {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let (architecture, version, suite) = (owned(architecture), owned(version), owned(suite));
            Ok(Self { name: name.to_owned(), architecture, version, suite })
        } else {
            Err(Invalid::new(format!("{} is not NAME[:ARCHITECTURE][=VERSION|/SUITE]", shortened(text))))
        }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (sign, part) in [(':', &self.architecture), ('=', &self.version), ('/', &self.suite)] {
            if let Some(part) = part {
                write!(f, "{sign}{part}")?;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Seed {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}
