//! The header of an RPM package (rpm's docs/manual/format_v4.md): lead, signatures, and a table of tagged values.
//!
//! | bytes | what |
//! |---|---|
//! | 96 | lead: a magic number, and nothing that matters |
//! | then, twice | `8e ad e8 01`, 4 unused bytes, the number of entries and the length of their values, big-endian |
//! | per entry: 16 | tag, type, offset of the value, count |
//! | | values; behind those of the signatures padding to a multiple of 8 |

use std::collections::BTreeMap;
use std::io::Read;

use crate::formats::{Invalid, ReadError};

const LEAD_BYTES: u64 = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
/// The length of the start of a header, in bytes.
const INTRO_BYTES: u64 = 16;
/// The length of an entry, in bytes.
const ENTRY_BYTES: usize = 16;
/// The most entries (rpm's `HEADER_TAGS_MAX`).
const MAX_ENTRIES: u32 = 0xffff;
/// The most bytes of values. rpm takes 256 MiB; the largest real ones, of kernels and fonts, have some 10 MiB.
const MAX_VALUE_BYTES: u32 = 64 << 20;

/// The most texts of a tag.
const MAX_TEXTS: usize = 1_000_000;

/// Types of values.
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// A table of tagged values.
#[derive(Clone, Debug)]
pub(super) struct RpmHeader {
    entries: BTreeMap<u32, HeaderEntry>,
    values: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct HeaderEntry {
    kind: u32,
    offset: usize,
    count: usize,
}

fn malformed(what: &'static str) -> ReadError {
    ReadError::Invalid(Invalid::malformed("its RPM header", what))
}

impl RpmHeader {
    /// Reads the lead, the signatures and the header of a package. The payload follows.
    pub(super) fn read(package: &mut impl Read) -> Result<Self, ReadError> {
        let lead = bytes(package, LEAD_BYTES)?;
        if !lead.starts_with(&LEAD_MAGIC) {
            return Err(ReadError::invalid("it does not begin as an RPM package does"));
        }
        let signatures = Self::table(package)?;
        bytes(package, (signatures.values.len() as u64).wrapping_neg() % 8)?;
        Self::table(package)
    }

    fn table(package: &mut impl Read) -> Result<Self, ReadError> {
        let intro = bytes(package, INTRO_BYTES)?;
        let (count, length) = (u32_at(&intro, 8)?, u32_at(&intro, 12)?);
        if !intro.starts_with(&HEADER_MAGIC) || count > MAX_ENTRIES || length > MAX_VALUE_BYTES {
            return Err(malformed("start"));
        }
        let table = bytes(package, u64::from(count) * ENTRY_BYTES as u64)?;
        let values = bytes(package, length.into())?;
        let mut entries = BTreeMap::new();
        for entry in table.chunks_exact(ENTRY_BYTES) {
            let number = |offset| u32_at(entry, offset);
            let size = |offset| number(offset).map(|number| number as usize);
            let of = HeaderEntry { kind: number(4)?, offset: size(8)?, count: size(12)? };
            // Where a tag is there twice, readers could take either.
            if entries.insert(number(0)?, of).is_some() {
                return Err(malformed("table: a tag is there twice"));
            }
        }
        Ok(Self { entries, values })
    }

    /// The texts of a tag; empty if there is none.
    pub(super) fn texts(&self, tag: u32) -> Result<Vec<String>, ReadError> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(Vec::new()) };
        let count = match entry.kind {
            STRING => 1,
            STRING_ARRAY | I18N_STRING => entry.count,
            _ => return Err(malformed("type of a text")),
        };
        if count > MAX_TEXTS {
            return Err(malformed("count of texts"));
        }
        let mut rest = self.values.get(entry.offset..).ok_or_else(|| malformed("offset of a text"))?;
        let mut texts = Vec::new();
        for _ in 0..count {
            let end = memchr::memchr(0, rest).ok_or_else(|| malformed("end of a text"))?;
            texts.push(String::from_utf8_lossy(&rest[..end]).into_owned());
            rest = &rest[end + 1..];
        }
        Ok(texts)
    }

    /// The numbers of a tag; empty if there is none.
    pub(super) fn numbers(&self, tag: u32) -> Result<Vec<u64>, ReadError> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(Vec::new()) };
        let width = match entry.kind {
            INT16 => 2,
            INT32 => 4,
            INT64 => 8,
            _ => return Err(malformed("type of a number")),
        };
        let bytes = entry.count.checked_mul(width).and_then(|bytes| entry.offset.checked_add(bytes));
        let range = bytes.and_then(|end| self.values.get(entry.offset..end)).ok_or_else(|| malformed("numbers"))?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
        Ok(range.chunks_exact(width).map(number).collect())
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, ReadError> {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    found.copied().map(u32::from_be_bytes).ok_or_else(|| malformed("length"))
}

fn bytes(from: &mut impl Read, count: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    from.take(count).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == count { Ok(bytes) } else { Err(malformed("length: it ends too early")) }
}
