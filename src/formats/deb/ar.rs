//! The ar archive around a package, walked by its headers.

use std::io::{Read, Seek, SeekFrom};

use super::MAX_CONTROL_TAR_BYTES;
use crate::formats::compression::Compression;
use crate::formats::{Invalid, ReadError};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER_BYTES: u64 = 60;
/// Longest `debian-binary`, in bytes; it holds four, and later minor versions may add lines.
const MAX_VERSION_BYTES: u64 = 64;
/// Most members with a leading `_`, which deb(5) says to ignore, before one that counts.
const MAX_IGNORED_MEMBERS: usize = 8;

/// A member's name, and where its header and its content are, in bytes from the start of the file.
struct ArMember {
    name: String,
    offset: u64,
    content: u64,
    size: u64,
}

/// The members of a package that count.
pub(super) struct DebMembers {
    /// The compression and the stored bytes of `control.tar`.
    pub(super) control: (Compression, Vec<u8>),
    pub(super) payload: PayloadMember,
}

/// The place of `data.tar`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PayloadMember {
    /// `None` for lzma, which no decoder here reads.
    pub(super) compression: Option<Compression>,
    /// Its first byte, from the start of the file.
    pub(super) start: u64,
    /// Its length as stored, in bytes.
    pub(super) size: u64,
}

/// Finds the members of the package.
pub(super) fn members(reader: &mut (impl Read + Seek)) -> Result<DebMembers, ReadError> {
    let mut archive = ArWalk::open(reader)?;
    let version = archive.next("debian-binary", |name| (name == "debian-binary").then_some(()))?;
    check_version(&archive.content(&version.0, "its debian-binary", MAX_VERSION_BYTES)?)?;
    let (control, compression) = archive.next("control.tar", control_compression)?;
    let packed = archive.content(&control, "its control.tar", MAX_CONTROL_TAR_BYTES)?;
    let (payload, is_lzma) = archive.next("data.tar", payload_is_lzma)?;
    let of_payload = (!is_lzma).then(|| Compression::of_name(&payload.name));
    let payload = PayloadMember { compression: of_payload, start: payload.content, size: payload.size };
    Ok(DebMembers { control: (compression, packed), payload })
}

/// What deb(5) allows for control.tar.
fn control_compression(name: &str) -> Option<Compression> {
    let suffix = name.strip_prefix("control.tar")?;
    let allowed = [Compression::Plain, Compression::Gzip, Compression::Xz, Compression::Zstd];
    allowed.into_iter().find(|compression| compression.suffix() == suffix)
}

/// Payloads come in more compressions (deb(5)). Returns whether it is the one that no decoder here reads.
fn payload_is_lzma(name: &str) -> Option<bool> {
    let suffix = name.strip_prefix("data.tar")?;
    matches!(suffix, "" | ".gz" | ".xz" | ".zst" | ".bz2" | ".lzma").then_some(suffix == ".lzma")
}

fn other_version() -> Invalid {
    Invalid::new("its format is not version 2 of deb(5)")
}

fn check_version(content: &[u8]) -> Result<(), Invalid> {
    let line = content.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let minor = line.strip_prefix(b"2.").ok_or_else(other_version)?;
    let digits = !minor.is_empty() && minor.iter().all(u8::is_ascii_digit);
    if digits && content.len() > line.len() { Ok(()) } else { Err(other_version()) }
}

fn bad_header(offset: u64) -> ReadError {
    ReadError::invalid(format!("malformed ar header at byte {offset}"))
}

fn past_the_end(offset: u64) -> ReadError {
    ReadError::invalid(format!("the ar member at byte {offset} goes past the end of the file"))
}

fn other_member(found: &str, expected: &str) -> ReadError {
    ReadError::invalid(format!("ar member {found:?} stands where {expected} belongs"))
}

/// Goes from header to header.
struct ArWalk<'a, R> {
    reader: &'a mut R,
    /// Where the next header starts.
    position: u64,
    /// Length of the file.
    end: u64,
}

impl<'a, R: Read + Seek> ArWalk<'a, R> {
    fn open(reader: &'a mut R) -> Result<Self, ReadError> {
        let end = reader.seek(SeekFrom::End(0))?;
        let mut walk = Self { reader, position: 0, end };
        let magic = walk.bytes(0, MAGIC.len() as u64)?;
        if magic != MAGIC {
            return Err(ReadError::invalid("it does not begin as a Debian package does"));
        }
        walk.position = MAGIC.len() as u64;
        Ok(walk)
    }

    /// The next member that counts, if `is_expected` knows its name.
    fn next<T>(
        &mut self,
        expected: &'static str,
        is_expected: impl Fn(&str) -> Option<T>,
    ) -> Result<(ArMember, T), ReadError> {
        for _ in 0..=MAX_IGNORED_MEMBERS {
            let Some(member) = self.member()? else {
                return Err(other_member("", expected));
            };
            if let Some(value) = is_expected(&member.name) {
                return Ok((member, value));
            }
            if !member.name.starts_with('_') || expected == "debian-binary" {
                return Err(other_member(&member.name, expected));
            }
        }
        Err(other_member("_", expected))
    }

    /// The member at the current position, or none at the end; moves on behind it.
    fn member(&mut self) -> Result<Option<ArMember>, ReadError> {
        let offset = self.position;
        if offset >= self.end {
            return Ok(None);
        }
        let header = self.bytes(offset, HEADER_BYTES)?;
        let (name, size) = parse_header(&header).ok_or_else(|| bad_header(offset))?;
        let content = offset + HEADER_BYTES;
        let behind = content.checked_add(size).filter(|&behind| behind <= self.end);
        let behind = behind.ok_or_else(|| past_the_end(offset))?;
        self.position = behind + size % 2;
        // Padding after the last member is missing in some archives; anywhere else it is a newline.
        if size % 2 == 1 && behind < self.end && self.bytes(behind, 1)? != b"\n" {
            return Err(bad_header(behind));
        }
        Ok(Some(ArMember { name, offset, content, size }))
    }

    fn content(&mut self, member: &ArMember, what: &'static str, limit: u64) -> Result<Vec<u8>, ReadError> {
        if member.size > limit {
            return Err(ReadError::invalid(format!("{what} is larger than {limit} bytes")));
        }
        let content = self.bytes(member.content, member.size)?;
        if content.len() as u64 == member.size { Ok(content) } else { Err(past_the_end(member.offset)) }
    }

    /// Up to `length` bytes from `offset`; fewer at the end of the file.
    fn bytes(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, ReadError> {
        self.reader.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Name and size in an ar header; none if it is not one.
fn parse_header(header: &[u8]) -> Option<(String, u64)> {
    let (name, rest) = header.split_at_checked(16)?;
    let size = rest.get(32..42)?;
    if rest.get(42..)? != b"`\n" {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?.trim_end_matches(' ');
    // GNU ar ends names with a slash; dpkg takes that too.
    let name = name.strip_suffix('/').unwrap_or(name);
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    let size = std::str::from_utf8(size).ok()?.trim_end_matches(' ');
    // Ten digits at most, so this cannot overflow; `parse` alone would take a sign.
    let size = size.bytes().all(|byte| byte.is_ascii_digit()).then(|| size.parse().ok())??;
    plain.then(|| (name.to_owned(), size))
}
