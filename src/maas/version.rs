//! Versions of MAAS, as far as what its API does differs between them. `docs/maas.md` has the whole table.

use serde::Deserialize;

/// A version of MAAS. The default is older than all that are told apart here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaasVersion {
    major: u32,
    minor: u32,
}

/// The answer to `version/`, which MAAS has had since before 2.0.
#[derive(Debug, Default, Deserialize)]
pub(super) struct VersionAnswer {
    /// Such as `3.6.5` or `3.8.0~alpha1`.
    #[serde(default)]
    pub(super) version: String,
}

impl MaasVersion {
    /// The first version that keeps images by boot source and architecture.
    pub const V3_8: Self = Self { major: 3, minor: 8 };

    /// Parses the beginning of a version, such as `3.8.0~alpha1`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.');
        let mut number = || {
            let part = parts.next()?;
            let end = part.find(|char: char| !char.is_ascii_digit()).unwrap_or(part.len());
            part[..end].parse().ok()
        };
        Some(Self { major: number()?, minor: number()? })
    }

    /// Returns true if boot sources have the fields `name`, `priority`, `enabled` and `skip_keyring_verification`, and MAAS's own
    /// sources can be disabled, but not deleted: since 3.8.
    pub fn has_source_fields(self) -> bool {
        self >= Self::V3_8
    }

    /// Returns true if a PUT of a selection only ever adds architectures: since 3.8. The API shows a table of selections that MAAS
    /// keeps for it alone, and imports by another one with a row for each architecture. Only a DELETE removes those rows.
    pub fn keeps_architectures_at_put(self) -> bool {
        self >= Self::V3_8
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_releases_and_previews() {
        for (text, expected) in [
            ("3.6.5", Some((3, 6))),
            ("3.8.0~alpha1", Some((3, 8))),
            ("3.8b1", Some((3, 8))),
            ("3.10.0", Some((3, 10))),
            ("3", None),
            ("", None),
            ("x.y", None),
        ] {
            let expected = expected.map(|(major, minor)| MaasVersion { major, minor });
            assert_eq!(MaasVersion::parse(text), expected, "{text}");
        }
        let new = |text| MaasVersion::parse(text).unwrap().has_source_fields();
        assert!(!new("3.7.3") && new("3.8.0") && new("3.10.1") && new("4.0"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,12}") {
            let _ = MaasVersion::parse(&text);
        }
    }
}
