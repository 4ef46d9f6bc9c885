//! A .deb (deb(5)), read without trusting any of it: its control data, or a walk over all entries.
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
mod contents;
mod control;

use std::io::{self, Read, Seek};

use crate::formats::compression::decompress;
use crate::formats::{Invalid, ReadError};

pub use contents::walk_deb;
pub use control::{Control, packages_stanza};

/// Largest control.tar, in bytes, as stored and unpacked alike; real ones are far below 1 MiB.
pub const MAX_CONTROL_TAR_BYTES: u64 = 16 << 20;
/// Largest control file, in bytes; the longest real ones are some 100 KiB of `Provides`.
pub const MAX_CONTROL_BYTES: u64 = 1 << 20;

/// Reads the control file of the .deb that `reader` holds from its start.
///
/// Reads the headers, `debian-binary` and `control.tar`; of `data.tar` only that it is there and as long as it says.
pub fn read_control(reader: &mut (impl Read + Seek)) -> Result<Control, ReadError> {
    let (compression, packed) = ar::members(reader)?.control;
    let tar = decompress(&packed, compression, MAX_CONTROL_TAR_BYTES)
        .map_err(|error| Invalid::new("cannot unpack its control.tar").because(error))?;
    let control = Control::parse(&control_file(&tar)?);
    Ok(control.map_err(|error| Invalid::new("its control file is malformed").because(error))?)
}

/// The one regular file named `control` in an uncompressed control.tar.
fn control_file(tar: &[u8]) -> Result<Vec<u8>, Invalid> {
    let malformed = |error: io::Error| Invalid::new("its control.tar is malformed").because(error);
    let mut found = None;
    for entry in tar::Archive::new(tar).entries().map_err(malformed)? {
        let entry = entry.map_err(malformed)?;
        if !is_control(&entry.path_bytes())? {
            continue;
        }
        if !entry.header().entry_type().is_file() {
            return Err(Invalid::new("\"control\" in its control.tar is not a regular file"));
        }
        let mut content = Vec::new();
        entry.take(MAX_CONTROL_BYTES + 1).read_to_end(&mut content).map_err(malformed)?;
        if content.len() as u64 > MAX_CONTROL_BYTES {
            return Err(Invalid::new(format!("its control file is larger than {MAX_CONTROL_BYTES} bytes")));
        }
        if found.replace(content).is_some() {
            return Err(Invalid::new("its control.tar has more than one entry \"control\""));
        }
    }
    found.ok_or_else(|| Invalid::new("its control.tar has no file \"control\""))
}

/// Whether unpacking `path` would write the file `control`: `./control`, `control`, and spellings such as `.//control`.
fn is_control(path: &[u8]) -> Result<bool, Invalid> {
    let mut components = path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    if components.clone().any(|part| part == b"..") {
        return Err(Invalid::new("its control.tar has a name with \"..\""));
    }
    Ok(components.next() == Some(b"control") && components.next().is_none())
}

#[cfg(test)]
mod tests;
