//! Walks over all that a package has: the entries of control.tar, then those of data.tar.

use std::io::{Read, Seek, SeekFrom};

use super::{MAX_CONTROL_TAR_BYTES, ar};
use crate::formats::archive::{ArchiveCaps, EntryPlace, EntryVisitor, walk_tar};
use crate::formats::compression::{decompress, reader};
use crate::formats::{Invalid, ReadError};

/// Hands each entry of the .deb that `file` holds from its start to `visit`.
pub fn walk_deb(file: &mut (impl Read + Seek + Send), visit: &mut EntryVisitor<'_>) -> Result<(), ReadError> {
    let members = ar::members(file)?;
    let control = decompress(&members.control.1, members.control.0, MAX_CONTROL_TAR_BYTES)
        .map_err(|error| Invalid::new("cannot unpack its control.tar").because(error))?;
    let caps = ArchiveCaps::of_stored(members.payload.size);
    walk_tar(control.as_slice(), EntryPlace::Control, caps, visit)?;
    let compression = members.payload.compression.ok_or_else(|| {
        ReadError::invalid("its data.tar is compressed by the old lzma, which gapferry does not unpack")
    })?;
    file.seek(SeekFrom::Start(members.payload.start))?;
    let payload = reader(file.take(members.payload.size), compression)
        .map_err(|error| Invalid::new("cannot unpack its data.tar").because(error))?;
    walk_tar(payload, EntryPlace::Payload, caps, visit)
}
