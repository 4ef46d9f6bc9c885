//! A walk over a tar archive: ustar, GNU and pax.
//!
//! The crate `tar` parses headers. It is not let loose on the whole, since it reads long names and pax headers of any length into
//! memory. Where two programs could find different entries in an archive, such as a link that says it has content, it is refused.

use std::io::{self, Read};

use super::{ArchiveCaps, ArchiveEntry, CappedReader, EntryKind, EntryPlace, EntryVisitor, shown_path};
use crate::formats::{Invalid, ReadError};

/// The length of a header, and what contents are padded to, in bytes.
const BLOCK_BYTES: usize = 512;
/// The largest long name, in bytes.
const MAX_LONG_NAME_BYTES: u64 = 8 << 10;
/// The largest pax header, in bytes.
const MAX_PAX_BYTES: u64 = 1 << 20;
/// The place of the checksum in a header.
const CHECKSUM: std::ops::Range<usize> = 148..156;
/// The place of the byte in an extension of a sparse file's header that says whether another one follows.
const SPARSE_GOES_ON: usize = 504;

/// Fields of an entry from the headers before it.
#[derive(Debug, Default)]
struct LongFields {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    user: Option<String>,
    group: Option<String>,
}

struct TarWalk<R> {
    reader: CappedReader<R>,
    place: EntryPlace,
    entries_left: u64,
    next: LongFields,
}

/// Hands each entry of an uncompressed archive to `visit`. `place` is the part of the package that the archive is.
pub fn walk_tar(
    reader: impl Read,
    place: EntryPlace,
    caps: ArchiveCaps,
    visit: &mut EntryVisitor<'_>,
) -> Result<(), ReadError> {
    let reader = CappedReader::new(reader, caps.bytes);
    let mut walk = TarWalk { reader, place, entries_left: caps.entries, next: LongFields::default() };
    while let Some(header) = walk.header()? {
        walk.entries_left = walk.entries_left.checked_sub(1).ok_or_else(|| {
            ReadError::invalid(format!("it has more than the {} entries that gapferry looks at", caps.entries))
        })?;
        walk.member(&header, visit)?;
    }
    Ok(())
}

fn malformed(error: io::Error) -> ReadError {
    Invalid::new("its tar archive has a malformed header").because(error).into()
}

fn cut() -> ReadError {
    ReadError::invalid("its tar archive ends in the middle of an entry")
}

impl<R: Read> TarWalk<R> {
    /// Reads the next header; `None` at the end.
    fn header(&mut self) -> Result<Option<tar::Header>, ReadError> {
        let Some(block) = self.block()? else { return Ok(None) };
        if block == [0; BLOCK_BYTES] {
            return Ok(None);
        }
        let header = tar::Header::from_byte_slice(&block).clone();
        let byte = |(place, byte): (usize, &u8)| u32::from(if CHECKSUM.contains(&place) { b' ' } else { *byte });
        let sum: u32 = block.iter().enumerate().map(byte).sum();
        match header.cksum().map_err(malformed)? == sum {
            true => Ok(Some(header)),
            false => Err(ReadError::invalid("its tar archive has a header with a wrong checksum")),
        }
    }

    /// Reads a block; `None` at the end.
    fn block(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>, ReadError> {
        let (mut block, mut filled) = ([0; BLOCK_BYTES], 0);
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(cut()),
                read => filled += read,
            }
        }
        Ok(Some(block))
    }

    fn member(&mut self, header: &tar::Header, visit: &mut EntryVisitor<'_>) -> Result<(), ReadError> {
        let size = header.entry_size().map_err(malformed)?;
        match header.entry_type().as_byte() {
            b'L' => self.next.path = Some(self.long_name(size)?),
            b'K' => self.next.link = Some(self.long_name(size)?),
            b'x' | b'X' => {
                let text = self.extension(size, MAX_PAX_BYTES)?;
                self.pax(&text)?;
            }
            b'g' => {
                let text = self.extension(size, MAX_PAX_BYTES)?;
                self.global_pax(&text)?;
            }
            b'V' => self.skip(size)?,
            _ => {
                let next = std::mem::take(&mut self.next);
                self.entry(header, next, visit)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, header: &tar::Header, long: LongFields, visit: &mut EntryVisitor<'_>) -> Result<(), ReadError> {
        let path = long.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = kind(header.entry_type(), &path)?;
        let size = match long.size {
            Some(size) => size,
            None => header.entry_size().map_err(malformed)?,
        };
        if kind != EntryKind::File && size > 0 {
            return Err(ReadError::invalid("its tar archive has a link, a folder or a device with content"));
        }
        if header.entry_type() == tar::EntryType::GNUSparse {
            self.skip_sparse_map(header)?;
        }
        let link = long.link.or_else(|| header.link_name_bytes().map(|link| link.into_owned())).unwrap_or_default();
        let entry = ArchiveEntry {
            capabilities: None,
            kind,
            link: shown_link(&link)?,
            mode: number(&header.as_old().mode, || header.mode().map(u64::from))? as u32 & 0o7777,
            owner: owner(header, long.user, long.group)?,
            path: shown_path(&path)?,
            place: self.place,
            size,
        };
        let mut content = (&mut self.reader).take(size);
        visit(&entry, &mut content)?;
        let rest = content.limit().saturating_add(padding(size));
        self.skip_exactly(rest)
    }

    /// Reads the content of an entry that says something of the next one.
    fn extension(&mut self, size: u64, cap: u64) -> Result<Vec<u8>, ReadError> {
        if size > cap {
            return Err(ReadError::invalid(format!("its tar archive has a name or a header of more than {cap} bytes")));
        }
        let mut content = Vec::new();
        (&mut self.reader).take(size).read_to_end(&mut content)?;
        if content.len() as u64 != size {
            return Err(cut());
        }
        self.skip_exactly(padding(size)).map(|()| content)
    }

    fn long_name(&mut self, size: u64) -> Result<Vec<u8>, ReadError> {
        let mut name = self.extension(size, MAX_LONG_NAME_BYTES)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }

    /// Takes the fields of a pax header (pax(1), "pax Extended Header").
    fn pax(&mut self, text: &[u8]) -> Result<(), ReadError> {
        for field in tar::PaxExtensions::new(text) {
            let field = field.map_err(malformed)?;
            let (value, words) = (field.value_bytes(), String::from_utf8_lossy(field.value_bytes()));
            match field.key_bytes() {
                b"path" | b"GNU.sparse.name" => self.next.path = Some(value.to_vec()),
                b"linkpath" => self.next.link = Some(value.to_vec()),
                b"size" => {
                    let size = words.parse().map_err(|_| ReadError::invalid("its pax header has a malformed size"))?;
                    self.next.size = Some(size);
                }
                b"uname" => self.next.user = Some(words.into_owned()),
                b"gname" => self.next.group = Some(words.into_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses a pax header for all entries that changes where they end or how they are called.
    fn global_pax(&mut self, text: &[u8]) -> Result<(), ReadError> {
        for field in tar::PaxExtensions::new(text) {
            if matches!(field.map_err(malformed)?.key_bytes(), b"path" | b"linkpath" | b"size") {
                return Err(ReadError::invalid("its tar archive has one path or size for all entries"));
            }
        }
        Ok(())
    }

    /// Passes over the blocks that go on with the map of a sparse file. Its content is read as it is stored, without the holes.
    fn skip_sparse_map(&mut self, header: &tar::Header) -> Result<(), ReadError> {
        let mut goes_on = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        while goes_on {
            let block = self.block()?.ok_or_else(cut)?;
            goes_on = block.get(SPARSE_GOES_ON).is_some_and(|byte| *byte != 0);
        }
        Ok(())
    }

    fn skip(&mut self, size: u64) -> Result<(), ReadError> {
        self.skip_exactly(size.saturating_add(padding(size)))
    }

    fn skip_exactly(&mut self, bytes: u64) -> Result<(), ReadError> {
        let skipped = io::copy(&mut (&mut self.reader).take(bytes), &mut io::sink())?;
        if skipped == bytes { Ok(()) } else { Err(cut()) }
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK_BYTES as u64
}

fn kind(of: tar::EntryType, path: &[u8]) -> Result<EntryKind, ReadError> {
    Ok(match of.as_byte() {
        // dpkg and old tars take a file whose name ends so for a folder.
        0 | b'0' | b'7' if path.ends_with(b"/") => EntryKind::Folder,
        0 | b'0' | b'7' | b'S' => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::SymbolicLink,
        b'3' | b'4' | b'6' => EntryKind::Special,
        b'5' => EntryKind::Folder,
        other => {
            let other = char::from(other);
            return Err(ReadError::invalid(format!("its tar archive has an entry of the unknown type {other:?}")));
        }
    })
}

/// Returns the number in a field. An empty one is 0, as for GNU tar.
fn number(field: &[u8], parse: impl FnOnce() -> io::Result<u64>) -> Result<u64, ReadError> {
    match field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        true => Ok(0),
        false => parse().map_err(malformed),
    }
}

/// A link's target as it is shown: unlike a path it may be relative.
fn shown_link(link: &[u8]) -> Result<String, Invalid> {
    shown_path(link)?;
    Ok(String::from_utf8_lossy(link).into_owned())
}

/// Returns the names of owner and group, or their numbers if there are no names.
fn owner(header: &tar::Header, user: Option<String>, group: Option<String>) -> Result<String, ReadError> {
    let named = |long: Option<String>, name: Option<&[u8]>, number: u64| {
        let name = long.unwrap_or_else(|| String::from_utf8_lossy(name.unwrap_or_default()).into_owned());
        if name.is_empty() { number.to_string() } else { name }
    };
    let user = named(user, header.username_bytes(), number(&header.as_old().uid, || header.uid())?);
    let group = named(group, header.groupname_bytes(), number(&header.as_old().gid, || header.gid())?);
    Ok(format!("{user}:{group}"))
}
