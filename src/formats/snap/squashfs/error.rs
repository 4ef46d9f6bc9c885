//! Why a file is not read from an image.

use std::io;

use crate::error_class::ErrorClass;

/// Why a file is not read from a squashfs image.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum SquashfsError {
    #[error("cannot read the image")]
    Read(#[source] io::Error),
    #[error("it does not begin as a squashfs image does")]
    NotAnImage,
    #[error("it is squashfs {major}.{minor}, and only 4.0 is read")]
    Version { major: u16, minor: u16 },
    #[error("its compression, {name}, is not supported")]
    Unsupported { name: &'static str },
    #[error("its compression has the number {number}, which means none")]
    Compression { number: u16 },
    #[error("its superblock is malformed: {what}")]
    Superblock { what: &'static str },
    #[error("{what} goes past the end of the image")]
    PastTheEnd { what: &'static str },
    #[error("{what} is malformed")]
    Malformed { what: &'static str },
    #[error("cannot unpack the block at byte {offset} of the image")]
    Unpack { offset: u64, source: io::Error },
    #[error("the block at byte {offset} of the image unpacks to {found} bytes instead of {expected}")]
    BlockLength { offset: u64, found: usize, expected: usize },
    #[error("{what} is larger than {limit} bytes")]
    TooLarge { what: &'static str, limit: u64 },
    #[error("a folder has names out of order, or one of them twice")]
    Order,
    #[error("there is no {path:?} in it")]
    NotFound { path: String },
    #[error("{path:?} in it is not a folder")]
    NotAFolder { path: String },
    #[error("{path:?} in it is not a regular file")]
    NotRegular { path: String },
}

impl SquashfsError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Read(_) => ErrorClass::Failed,
            Self::NotAnImage
            | Self::Version { .. }
            | Self::Unsupported { .. }
            | Self::Compression { .. }
            | Self::Superblock { .. }
            | Self::PastTheEnd { .. }
            | Self::Malformed { .. }
            | Self::Unpack { .. }
            | Self::BlockLength { .. }
            | Self::TooLarge { .. }
            | Self::Order
            | Self::NotFound { .. }
            | Self::NotAFolder { .. }
            | Self::NotRegular { .. } => ErrorClass::VerificationFailed,
        }
    }
}
