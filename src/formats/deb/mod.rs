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
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    #[error("cannot read the package")]
    Read(#[source] io::Error),
    #[error("it does not begin as a Debian package does")]
    NotAnArchive,
    #[error("malformed ar header at byte {offset}")]
    Header { offset: u64 },
    #[error("the ar member at byte {offset} goes past the end of the file")]
    PastTheEnd { offset: u64 },
    #[error("ar member {found:?} stands where {expected} belongs")]
    Order { found: String, expected: &'static str },
    #[error("its format is not version 2 of deb(5)")]
    FormatVersion,
    #[error("{what} is larger than {limit} bytes")]
    TooLarge { what: &'static str, limit: u64 },
    #[error("cannot unpack its control.tar")]
    Unpack(#[source] CompressionError),
    #[error("its control.tar is malformed")]
    Tar(#[source] io::Error),
    #[error("its control.tar has a name with \"..\"")]
    Traversal,
    #[error("its control.tar has no file \"control\"")]
    NoControl,
    #[error("its control.tar has more than one entry \"control\"")]
    TwoControls,
    #[error("\"control\" in its control.tar is not a regular file")]
    NotRegular,
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
