//! What can be wrong with a repository's metadata.

use crate::error_class::ErrorClass;
use crate::formats::compression::CompressionError;
use crate::path::MalformedPath;
use crate::terminal::safe;

/// What can be wrong with a repository's metadata.
#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    /// It is no XML, or it ends too early, or an element is too large.
    #[error("it is no usable XML")]
    Xml(#[source] quick_xml::Error),
    /// It has what a repository's metadata never has.
    #[error("it has {what}, which no repository needs")]
    Unwanted {
        /// What it has.
        what: &'static str,
    },
    /// It is another document.
    #[error("it begins with <{}>, where <{wanted}> is expected", safe(found))]
    Root {
        /// What it begins with.
        found: String,
        /// What it should begin with.
        wanted: &'static str,
    },
    /// Something that must be there is not.
    #[error("{} has no {what}", safe(place))]
    Lacks {
        /// The kind of metadata, or the package.
        place: String,
        /// What it lacks.
        what: &'static str,
    },
    /// A value is not of its kind.
    #[error("{} has a malformed {what}", safe(place))]
    Malformed {
        /// The kind of metadata, or the package.
        place: String,
        /// Whose value it is.
        what: &'static str,
    },
    /// Its digest is broken: others can make a file that has it too.
    #[error(
        "{} has a checksum of type {:?}, which is broken: it does not prove that the file is upstream's. Ask upstream for \
         metadata with sha256 or sha512, as createrepo_c writes it by default",
        safe(place), safe(found).to_string()
    )]
    WeakChecksum {
        /// The kind of metadata, or the package.
        place: String,
        /// The type.
        found: String,
    },
    /// Its digest is not one that we know.
    #[error("{} has a checksum of type {:?}, and only sha256 and sha512 are supported", safe(place), safe(found).to_string())]
    Checksum {
        /// The kind of metadata, or the package.
        place: String,
        /// The type.
        found: String,
    },
    /// A path leaves the repository, or is none that can be published.
    #[error("{} is at an unusable path", safe(place))]
    Path {
        /// The kind of metadata, or the package.
        place: String,
        /// Why it is unusable.
        source: MalformedPath,
    },
    /// A location is relative to something else than the repository.
    #[error("{} is at another base than the repository", safe(place))]
    Base {
        /// The kind of metadata, or the package.
        place: String,
    },
    /// Two entries claim one name.
    #[error("{} is there twice", safe(place))]
    Twice {
        /// The kind of metadata, or the path.
        place: String,
    },
    /// It is larger than any real one.
    #[error("{} has more than {limit} bytes", safe(place))]
    TooLarge {
        /// The kind of metadata.
        place: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// It holds another number of bytes than is signed.
    #[error("it holds other than the {wanted} bytes that repomd.xml names")]
    OpenSize {
        /// What repomd.xml names.
        wanted: u64,
    },
    /// It cannot be expanded.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// It cannot be read or written.
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
