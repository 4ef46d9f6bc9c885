//! What can be wrong with a stream's metadata.

use crate::error_class::ErrorClass;
use crate::path::MalformedPath;
use crate::terminal::safe;

/// What can be wrong with a stream's metadata.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It is no JSON, or breaks a limit of ours.
    #[error("it is no usable JSON")]
    Json(#[source] serde_json::Error),
    /// Its `format` is another.
    #[error("its format is {:?}, where {wanted:?} is expected", safe(found).to_string())]
    Format {
        /// What it says.
        found: String,
        /// What it should say.
        wanted: &'static str,
    },
    /// Something that must be there is not.
    #[error("{} has no {what}", safe(place))]
    Lacks {
        /// The entry, product or item.
        place: String,
        /// What it lacks.
        what: &'static str,
    },
    /// A value is not of its kind.
    #[error("{} has a malformed {what}", safe(place))]
    Malformed {
        /// The entry, product or item.
        place: String,
        /// Whose value it is.
        what: &'static str,
    },
    /// A products file is another one than the index says.
    #[error("it is {:?}, where the index names {:?}: the mirror mixes streams", safe(found).to_string(), safe(wanted).to_string())]
    OtherStream {
        /// What it calls itself.
        found: String,
        /// What the index calls it.
        wanted: String,
    },
    /// A path leaves the tree, or is none that can be published.
    #[error("{} names an unusable path", safe(place))]
    Path {
        /// The entry or item.
        place: String,
        /// Why it is unusable.
        source: MalformedPath,
    },
    /// Two entries or items claim one path for different bytes.
    #[error("two different files claim the path {path}")]
    TwoFiles {
        /// The path.
        path: String,
    },
    /// It would take more than any real stream.
    #[error("its {what} exceeds {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The most that is taken.
        limit: usize,
    },
    /// An index that names another index.
    #[error("{} is an index within the index, which gapferry does not read", safe(place))]
    NestedIndex {
        /// The entry.
        place: String,
    },
}

impl StreamError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::VerificationFailed
    }
}
