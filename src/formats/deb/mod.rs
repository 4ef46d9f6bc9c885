//! Control data of a .deb (deb(5)), read without trusting any of it and without touching its payload.
//!
//! A .deb is an ar archive of `debian-binary`, `control.tar` and `data.tar`, the latter two compressed or not:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `!<arch>\n` |
//! | then, per member: 16 | name, padded with spaces |
//! | 12 + 6 + 6 + 8 | time, owner, group, mode: not looked at |
//! | 10 | size in bytes, decimal, padded with spaces |
//! | 2 | a back quote and a newline |
//! | size | content, and a newline if the size is odd |
//!
//! Where dpkg could see another control file than we do (two of them, links, `..`), the package is refused.

mod ar;
mod control;

use std::io::{self, Read, Seek};

use crate::error_class::ErrorClass;
use crate::formats::compression::{CompressionError, decompress};

pub use control::{Control, ControlError, packages_stanza};

/// Largest control.tar, in bytes, as stored and unpacked alike; real ones are far below 1 MiB.
pub const MAX_CONTROL_TAR_BYTES: u64 = 16 << 20;
/// Largest control file, in bytes; the longest real ones are some 100 KiB of `Provides`.
pub const MAX_CONTROL_BYTES: u64 = 1 << 20;

/// Why a file is not taken as a Debian package.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The file cannot be read.
    #[error("cannot read the package")]
    Read(#[source] io::Error),
    /// It is no ar archive.
    #[error("it does not begin as a Debian package does")]
    NotAnArchive,
    /// An ar header is not as deb(5) has it.
    #[error("malformed ar header at byte {offset}")]
    Header {
        /// Where the header starts.
        offset: u64,
    },
    /// A member is longer than the file.
    #[error("the ar member at byte {offset} goes past the end of the file")]
    PastTheEnd {
        /// Where the member's header starts.
        offset: u64,
    },
    /// The members are not the ones that a package has, in their order.
    #[error("ar member {found:?} stands where {expected} belongs")]
    Order {
        /// The name that is there; empty at the end of the file.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// `debian-binary` does not say 2.x.
    #[error("its format is not version 2 of deb(5)")]
    FormatVersion,
    /// Something is larger than its limit.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// The compressed control.tar is damaged, or unpacks to more than its limit.
    #[error("cannot unpack its control.tar")]
    Unpack(#[source] CompressionError),
    /// control.tar is no tar archive.
    #[error("its control.tar is malformed")]
    Tar(#[source] io::Error),
    /// A name in control.tar leads out of it.
    #[error("its control.tar has a name with \"..\"")]
    Traversal,
    /// There is no control file.
    #[error("its control.tar has no file \"control\"")]
    NoControl,
    /// There are two control files.
    #[error("its control.tar has more than one entry \"control\"")]
    TwoControls,
    /// The control file is a link, a folder or a device.
    #[error("\"control\" in its control.tar is not a regular file")]
    NotRegular,
    /// The control file is not well-formed.
    #[error("its control file is malformed")]
    Control(#[from] ControlError),
}

impl DebError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Read(_) => ErrorClass::Failed,
            Self::NotAnArchive
            | Self::Header { .. }
            | Self::PastTheEnd { .. }
            | Self::Order { .. }
            | Self::FormatVersion
            | Self::TooLarge { .. }
            | Self::Unpack(_)
            | Self::Tar(_)
            | Self::Traversal
            | Self::NoControl
            | Self::TwoControls
            | Self::NotRegular
            | Self::Control(_) => ErrorClass::VerificationFailed,
        }
    }
}

/// Reads the control file of the .deb that `reader` holds from its start.
///
/// Reads the headers, `debian-binary` and `control.tar`; of `data.tar` only that it is there and as long as it says.
pub fn read_control(reader: &mut (impl Read + Seek)) -> Result<Control, DebError> {
    let (compression, packed) = ar::control_member(reader)?;
    let tar = decompress(&packed, compression, MAX_CONTROL_TAR_BYTES).map_err(DebError::Unpack)?;
    Ok(Control::parse(&control_file(&tar)?)?)
}

/// The one regular file named `control` in an uncompressed control.tar.
fn control_file(tar: &[u8]) -> Result<Vec<u8>, DebError> {
    let mut found = None;
    for entry in tar::Archive::new(tar).entries().map_err(DebError::Tar)? {
        let entry = entry.map_err(DebError::Tar)?;
        if !is_control(&entry.path_bytes())? {
            continue;
        }
        if !entry.header().entry_type().is_file() {
            return Err(DebError::NotRegular);
        }
        let mut content = Vec::new();
        entry.take(MAX_CONTROL_BYTES + 1).read_to_end(&mut content).map_err(DebError::Tar)?;
        if content.len() as u64 > MAX_CONTROL_BYTES {
            return Err(DebError::TooLarge { what: "its control file", limit: MAX_CONTROL_BYTES });
        }
        if found.replace(content).is_some() {
            return Err(DebError::TwoControls);
        }
    }
    found.ok_or(DebError::NoControl)
}

/// Whether unpacking `path` would write the file `control`: `./control`, `control`, and spellings such as `.//control`.
fn is_control(path: &[u8]) -> Result<bool, DebError> {
    let mut components = path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    if components.clone().any(|part| part == b"..") {
        return Err(DebError::Traversal);
    }
    Ok(components.next() == Some(b"control") && components.next().is_none())
}

#[cfg(test)]
mod tests;
