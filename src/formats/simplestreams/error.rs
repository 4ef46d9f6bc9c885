//! What can be wrong with a stream's metadata.

use crate::error_class::ErrorClass;
use crate::path::MalformedPath;
use crate::terminal::safe;

/// What can be wrong with a stream's metadata.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("it is no usable JSON")]
    Json(#[source] serde_json::Error),
    #[error("its format is {:?}, where {wanted:?} is expected", safe(found).to_string())]
    Format { found: String, wanted: &'static str },
    #[error("{} has no {what}", safe(place))]
    Lacks { place: String, what: &'static str },
    #[error("{} has a malformed {what}", safe(place))]
    Malformed { place: String, what: &'static str },
    #[error("it is {:?}, where the index names {:?}: the mirror mixes streams", safe(found).to_string(), safe(wanted).to_string())]
    OtherStream { found: String, wanted: String },
    #[error("{} names an unusable path", safe(place))]
    Path { place: String, source: MalformedPath },
    #[error("two different files claim the path {path}")]
    TwoFiles { path: String },
    #[error("its {what} exceeds {limit}")]
    TooLarge { what: &'static str, limit: usize },
    #[error("{} is an index within the index, which gapferry does not read", safe(place))]
    NestedIndex { place: String },
}

impl StreamError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::VerificationFailed
    }
}
