//! Why a file is not read from an image.

use std::io;

use crate::error_class::ErrorClass;

/// Why a file is not read from a squashfs image.
#[derive(Debug, thiserror::Error)]
pub enum SquashfsError {
    /// The image cannot be read.
    #[error("cannot read the image")]
    Read(#[source] io::Error),
    /// It is no squashfs image.
    #[error("it does not begin as a squashfs image does")]
    NotAnImage,
    /// It is of a version that is not squashfs 4.0.
    #[error("it is squashfs {major}.{minor}, and only 4.0 is read")]
    Version {
        /// Before the dot.
        major: u16,
        /// Behind it.
        minor: u16,
    },
    /// Its compression is one that snaps do not have.
    #[error("its compression, {name}, is not supported")]
    Unsupported {
        /// What it is called.
        name: &'static str,
    },
    /// Its compression is none that squashfs 4.0 has.
    #[error("its compression has the number {number}, which means none")]
    Compression {
        /// As the superblock has it.
        number: u16,
    },
    /// A field of the superblock has a value that it cannot have.
    #[error("its superblock is malformed: {what}")]
    Superblock {
        /// What cannot be.
        what: &'static str,
    },
    /// The image is shorter than it says, or something in it is said to be behind its end.
    #[error("{what} goes past the end of the image")]
    PastTheEnd {
        /// What does.
        what: &'static str,
    },
    /// Something in it contradicts the format.
    #[error("{what} is malformed")]
    Malformed {
        /// What does.
        what: &'static str,
    },
    /// Compressed bytes are damaged, or unpack to more than a block may hold.
    #[error("cannot unpack the block at byte {offset} of the image")]
    Unpack {
        /// Where the stored bytes begin.
        offset: u64,
        /// What the decoder said.
        #[source]
        source: io::Error,
    },
    /// A block is not as long as what it is part of needs it to be.
    #[error("the block at byte {offset} of the image unpacks to {found} bytes instead of {expected}")]
    BlockLength {
        /// Where the stored bytes begin.
        offset: u64,
        /// Its length unpacked, in bytes.
        found: usize,
        /// What it has to be, in bytes.
        expected: usize,
    },
    /// Something is larger than its limit.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// A folder's names are not in their order, or one is there twice.
    #[error("a folder has names out of order, or one of them twice")]
    Order,
    /// There is no such file.
    #[error("there is no {path:?} in it")]
    NotFound {
        /// Of the file or of the folder above it, from the root.
        path: String,
    },
    /// A file or a link stands where a folder is needed.
    #[error("{path:?} in it is not a folder")]
    NotAFolder {
        /// From the root, and empty for the root.
        path: String,
    },
    /// The file is a link, a folder or a device.
    #[error("{path:?} in it is not a regular file")]
    NotRegular {
        /// From the root.
        path: String,
    },
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
