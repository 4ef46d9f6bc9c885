//! Entries of archives of all forms.

use std::io::Read;

use crate::formats::{Invalid, ReadError};

/// The longest path of an entry, in bytes: Linux opens none that is longer.
const MAX_PATH_BYTES: usize = 4096;

/// The part of a package that has an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryPlace {
    /// The control data: scripts and what the packaging system reads.
    Control,
    /// The files that are installed.
    Payload,
}

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// Another name of a regular file.
    HardLink,
    /// A symbolic link.
    SymbolicLink,
    /// A folder.
    Folder,
    /// A device, a pipe or a socket.
    Special,
}

/// An entry of an archive. Its names are what the archive says, and fit for being shown alone: no file may be named after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// The capabilities of the file, in the words of cap_to_text(3).
    pub capabilities: Option<String>,
    /// Its type.
    pub kind: EntryKind,
    /// The target of a link.
    pub link: String,
    /// The permission bits, with setuid, setgid and sticky bit.
    pub mode: u32,
    /// Its owner and group, such as `root:root`.
    pub owner: String,
    /// Its path, beginning with a slash.
    pub path: String,
    /// The part of the package.
    pub place: EntryPlace,
    /// The length of its content, in bytes.
    pub size: u64,
}

/// Takes an entry with its content, which it need not read.
pub type EntryVisitor<'a> = dyn FnMut(&ArchiveEntry, &mut dyn Read) -> Result<(), ReadError> + 'a;

/// Returns a path as it is shown: with a slash before each name, and without `.` and empty names. Bytes that are not UTF-8 are replaced.
pub fn shown_path(path: &[u8]) -> Result<String, Invalid> {
    if path.len() > MAX_PATH_BYTES {
        return Err(Invalid::new(format!("it has a path of more than {MAX_PATH_BYTES} bytes")));
    }
    let text = String::from_utf8_lossy(path);
    let names = text.split('/').filter(|name| !matches!(*name, "" | "."));
    let shown: String = names.flat_map(|name| ["/", name]).collect();
    Ok(if shown.is_empty() { "/".to_owned() } else { shown })
}
