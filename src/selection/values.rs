//! Values that several tables of a selection have.

use serde::Deserialize;

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

/// The answer of a selection to files that an upstream lists and does not have, or has with other bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingFiles {
    /// The export fails.
    #[default]
    Fail,
    /// They are left out, with a note for each.
    LeaveOut,
}

/// The default of keys that are true unless they are set.
pub(super) fn yes() -> bool {
    true
}
