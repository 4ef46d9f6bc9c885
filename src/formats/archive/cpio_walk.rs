//! A walk over a cpio archive in the forms that RPM packages have (rpm's `lib/cpio.c`): newc with and without a checksum, and RPM's own
//! one, whose headers say nothing but the number of a file.

use std::io::{self, Read};

use super::{ArchiveCaps, CappedReader};
use crate::formats::ReadError;

/// The length of the magic number.
const MAGIC_BYTES: usize = 6;
/// The length of the fields of newc: 13 numbers of 8 hexadecimal digits.
const NEWC_FIELDS: usize = 13;
const DIGITS: usize = 8;
/// The longest name, in bytes, with the zero behind it.
const MAX_NAME_BYTES: u64 = 4097;
/// The name of the last entry.
const TRAILER: &[u8] = b"TRAILER!!!";

/// An entry of a cpio archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpioEntry {
    /// One with a name.
    Named {
        /// Its path, as it is written.
        path: Vec<u8>,
        /// The length of its content, in bytes.
        size: u64,
    },
    /// One with the number of a file in the header of the package.
    Numbered(u32),
}

/// Takes an entry with its content, which it need not read.
pub type CpioVisitor<'a> = dyn FnMut(&CpioEntry, &mut dyn Read) -> Result<(), ReadError> + 'a;

struct CpioWalk<R> {
    reader: CappedReader<R>,
    /// The bytes that were read so far: names and contents begin at multiples of four.
    position: u64,
}

/// Hands each entry of an uncompressed archive to `visit`. `sizes` are the lengths of the numbered files.
pub fn walk_cpio(
    reader: impl Read,
    caps: ArchiveCaps,
    sizes: &[u64],
    visit: &mut CpioVisitor<'_>,
) -> Result<(), ReadError> {
    let mut walk = CpioWalk { reader: CappedReader::new(reader, caps.bytes), position: 0 };
    for _ in 0..caps.entries {
        let Some((entry, size)) = walk.entry(sizes)? else { return Ok(()) };
        let mut content = (&mut walk.reader).take(size);
        visit(&entry, &mut content)?;
        let rest = content.limit();
        walk.position += size - rest;
        walk.skip(rest)?;
        walk.align()?;
    }
    Err(ReadError::invalid(format!("it has more than the {} entries that gapferry looks at", caps.entries)))
}

fn malformed() -> ReadError {
    ReadError::invalid("its cpio archive is malformed")
}

impl<R: Read> CpioWalk<R> {
    /// Reads the next header; `None` at the end.
    fn entry(&mut self, sizes: &[u64]) -> Result<Option<(CpioEntry, u64)>, ReadError> {
        let magic = self.bytes(MAGIC_BYTES as u64)?;
        match magic.as_slice() {
            b"070701" | b"070702" => self.newc(),
            b"07070X" => {
                let number = self.number()?;
                self.align()?;
                let size = usize::try_from(number).ok().and_then(|number| sizes.get(number)).ok_or_else(malformed)?;
                Ok(Some((CpioEntry::Numbered(number), *size)))
            }
            _ => Err(malformed()),
        }
    }

    fn newc(&mut self) -> Result<Option<(CpioEntry, u64)>, ReadError> {
        let fields = (0..NEWC_FIELDS).map(|_| self.number()).collect::<Result<Vec<_>, _>>()?;
        let field = |place: usize| fields.get(place).copied().map(u64::from).ok_or_else(malformed);
        let (size, name_bytes) = (field(6)?, field(11)?);
        if !(1..=MAX_NAME_BYTES).contains(&name_bytes) {
            return Err(malformed());
        }
        let mut path = self.bytes(name_bytes)?;
        if path.pop() != Some(0) || path.contains(&0) {
            return Err(malformed());
        }
        self.align()?;
        match path == TRAILER {
            true => Ok(None),
            false => Ok(Some((CpioEntry::Named { path, size }, size))),
        }
    }

    fn number(&mut self) -> Result<u32, ReadError> {
        let digits = self.bytes(DIGITS as u64)?;
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(&digits).ok().filter(|_| is_hex);
        text.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or_else(malformed)
    }

    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        (&mut self.reader).take(count).read_to_end(&mut bytes)?;
        self.position += count;
        if bytes.len() as u64 == count { Ok(bytes) } else { Err(malformed()) }
    }

    fn align(&mut self) -> Result<(), ReadError> {
        self.skip(self.position.wrapping_neg() % 4)
    }

    fn skip(&mut self, count: u64) -> Result<(), ReadError> {
        let skipped = io::copy(&mut (&mut self.reader).take(count), &mut io::sink())?;
        self.position += skipped;
        if skipped == count { Ok(()) } else { Err(malformed()) }
    }
}
