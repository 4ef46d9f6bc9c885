//! What can be wrong with a repository's metadata.

use crate::error_class::ErrorClass;
use crate::formats::compression::CompressionError;
use crate::path::MalformedPath;
use crate::terminal::safe;

/// What can be wrong with a repository's metadata.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    #[error("it is no usable XML")]
    Xml(#[source] quick_xml::Error),
    #[error("it has {what}, which no repository needs")]
    Unwanted { what: &'static str },
    #[error("it begins with <{}>, where <{wanted}> is expected", safe(found))]
    Root { found: String, wanted: &'static str },
    #[error("{} has no {what}", safe(place))]
    Lacks { place: String, what: &'static str },
    #[error("{} has a malformed {what}", safe(place))]
    Malformed { place: String, what: &'static str },
    #[error(
        "{} has a checksum of type {:?}, which is broken: it does not prove that the file is upstream's. Ask upstream for \
         metadata with sha256 or sha512, as createrepo_c writes it by default",
        safe(place), safe(found).to_string()
    )]
    WeakChecksum { place: String, found: String },
    #[error("{} has a checksum of type {:?}, and only sha256, sha384 and sha512 are supported", safe(place), safe(found).to_string())]
    Checksum { place: String, found: String },
    #[error("{} is at an unusable path", safe(place))]
    Path { place: String, source: MalformedPath },
    #[error("{} is at another base than the repository", safe(place))]
    Base { place: String },
    #[error("{} is there twice", safe(place))]
    Twice { place: String },
    #[error("repomd.xml has two different entries of the type {}, which dnf refuses too", safe(kind))]
    TwoEntries { kind: String },
    #[error("{} has more than {limit} bytes", safe(place))]
    TooLarge { place: String, limit: u64 },
    #[error("it holds other than the {wanted} bytes that repomd.xml names")]
    OpenSize { wanted: u64 },
    #[error(transparent)]
    Compression(#[from] CompressionError),
    #[error("cannot read or write it")]
    Io(#[from] std::io::Error),
}

impl RpmError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io(_) => ErrorClass::Failed,
            _ => ErrorClass::VerificationFailed,
        }
    }
}
