//! Names of what `store-admin export` writes: `NAME-YYYYMMDDTHHMMSS.tar.gz`, such as `jq-20221026T104628.tar.gz`.
//!
//! From Canonical's documentation of the Enterprise Store, "Export snaps". What is inside is not documented, and is never
//! looked at.

use std::fmt;
use std::str::FromStr;

use crate::formats::{Invalid, shortened};

/// The ending of all of them.
const SUFFIX: &str = ".tar.gz";
/// The longest name that is taken, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// A file that `store-admin export` wrote, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportName {
    /// `YYYYMMDDTHHMMSS`. First, so that sorting is by age.
    pub made: String,
    /// What is exported: a snap's name, or `store-export-` and a store's id.
    pub name: String,
}

impl FromStr for ExportName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parse = || {
            let (name, made) = text.strip_suffix(SUFFIX)?.rsplit_once('-')?;
            let (day, second) = made.split_once('T')?;
            let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
            let good = digits(day, 8) && digits(second, 6) && starts && name.chars().all(plain);
            (good && text.len() <= MAX_NAME_BYTES).then(|| Self { made: made.to_owned(), name: name.to_owned() })
        };
        parse().ok_or_else(|| {
            let text = shortened(text);
            Invalid::new(format!(
                "{text:?} is not named NAME-YYYYMMDDTHHMMSS.tar.gz, as `store-admin export` names files"
            ))
        })
    }
}

impl fmt::Display for ExportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}{SUFFIX}", self.name, self.made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_the_program_writes_is_one() {
        for text in ["jq-20221026T104628.tar.gz", "store-export-Ab1-20221026T104628.tar.gz"] {
            assert_eq!(text.parse::<ExportName>().unwrap().to_string(), text);
        }
        for text in [
            "jq.tar.gz",
            "jq-20221026T104628.tar",
            "-20221026T104628.tar.gz",
            "-jq-20221026T104628.tar.gz",
            "a/jq-20221026T104628.tar.gz",
            "jq-20221026T10462.tar.gz",
            "jq x-20221026T104628.tar.gz",
            "jq-20221026-104628.tar.gz",
        ] {
            assert!(text.parse::<ExportName>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_a_file_name_and_comes_back(text in "\\PC{0,40}(-[0-9]{8}T[0-9]{6}\\.tar\\.gz)?") {
            if let Ok(name) = text.parse::<ExportName>() {
                prop_assert!(!text.contains('/') && !text.starts_with(['-', '.']));
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
