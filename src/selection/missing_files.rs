//! Files that an upstream lists and does not have, or has with other bytes.

use serde::Deserialize;

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
