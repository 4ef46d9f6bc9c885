//! The superblock, and bytes out of an image that are checked to be in it.

use std::io::{Read, Seek, SeekFrom};

use super::compression::BlockCompression;
use crate::formats::{Invalid, ReadError};

/// The start of an entry in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TablePlace {
    /// Offset of the metadata block in the image, in bytes.
    pub(super) block: u64,
    /// Bytes to skip of what it unpacks to.
    pub(super) offset: usize,
}

const MAGIC: &[u8; 4] = b"hsqs";
const SUPERBLOCK_BYTES: u64 = 96;
/// Base-2 logarithms of the smallest and the largest block, in bytes: 4 KiB and 1 MiB.
const BLOCK_LOGS: std::ops::RangeInclusive<u16> = 12..=20;

/// An image whose superblock makes sense.
pub(super) struct SquashfsImage<'a, R> {
    reader: &'a mut R,
    /// Its length as it says itself, in bytes: no longer than it is.
    end: u64,
    compression: BlockCompression,
    /// Length of a block of a file, unpacked, in bytes.
    pub(super) block_bytes: usize,
    /// How many fragment blocks there are.
    pub(super) fragments: u32,
    root: TablePlace,
    inode_table: u64,
    directory_table: u64,
    /// Where the list of the fragment table's metadata blocks begins.
    pub(super) fragment_table: u64,
    /// The place of the list of the id table's metadata blocks, and the number of ids.
    pub(super) id_table: u64,
    pub(super) ids: u16,
    /// Metadata blocks that were unpacked last, since a walk reads many inodes of one block.
    recent: Vec<MetadataBlock>,
}

/// A metadata block, unpacked.
#[derive(Clone, Debug)]
pub(super) struct MetadataBlock {
    /// Its place in the image, from the two bytes on that say its length.
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
    /// The place of the block behind it.
    pub(super) next: u64,
}

/// The number of metadata blocks that are kept.
const RECENT_BLOCKS: usize = 8;

pub(super) fn past_the_end(what: &str) -> ReadError {
    ReadError::invalid(format!("{what} goes past the end of the image"))
}

/// The number in `bytes` from `offset` on.
fn number<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], ReadError> {
    let slice = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    slice.copied().ok_or(past_the_end("the superblock"))
}

fn u16_at(bytes: &[u8], offset: usize) -> Result<u16, ReadError> {
    number(bytes, offset).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, ReadError> {
    number(bytes, offset).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Result<u64, ReadError> {
    number(bytes, offset).map(u64::from_le_bytes)
}

impl<'a, R: Read + Seek> SquashfsImage<'a, R> {
    /// Reads the superblock.
    pub(super) fn open(reader: &'a mut R) -> Result<Self, ReadError> {
        let length = reader.seek(SeekFrom::End(0))?;
        let head = read(reader, 0, SUPERBLOCK_BYTES.min(length))?;
        if !head.starts_with(MAGIC) {
            return Err(ReadError::invalid("it does not begin as a squashfs image does"));
        }
        let (major, minor) = (u16_at(&head, 28)?, u16_at(&head, 30)?);
        if (major, minor) != (4, 0) {
            return Err(ReadError::invalid(format!("it is squashfs {major}.{minor}, and only 4.0 is read")));
        }
        let (block_bytes, block_log) = (u32_at(&head, 12)?, u16_at(&head, 22)?);
        if !BLOCK_LOGS.contains(&block_log) || 1_u32.checked_shl(block_log.into()) != Some(block_bytes) {
            return Err(ReadError::invalid("its superblock is malformed: its size of blocks is none"));
        }
        let end = u64_at(&head, 40)?;
        if end > length {
            return Err(past_the_end("the superblock's size of the image"));
        }
        let mut image = Self {
            reader,
            end,
            compression: BlockCompression::of_number(u16_at(&head, 20)?)?,
            block_bytes: block_bytes as usize,
            fragments: u32_at(&head, 16)?,
            root: TablePlace { block: 0, offset: 0 },
            inode_table: u64_at(&head, 64)?,
            directory_table: u64_at(&head, 72)?,
            fragment_table: u64_at(&head, 80)?,
            id_table: u64_at(&head, 48)?,
            ids: u16_at(&head, 26)?,
            recent: Vec::new(),
        };
        let root = u64_at(&head, 32)?;
        // Six bytes say in which metadata block the root's inode is, two where in it.
        image.root = image.inode((root >> 16) & 0xffff_ffff_ffff, root as u16)?;
        Ok(image)
    }

    /// Where the root folder's inode is.
    pub(super) fn root(&self) -> TablePlace {
        self.root
    }

    /// The place in the inode table that is written as `block` and `offset`.
    pub(super) fn inode(&self, block: u64, offset: u16) -> Result<TablePlace, ReadError> {
        place(self.inode_table, block, offset, "an inode")
    }

    /// The place in the directory table that is written as `block` and `offset`.
    pub(super) fn listing(&self, block: u32, offset: u16) -> Result<TablePlace, ReadError> {
        place(self.directory_table, block.into(), offset, "a folder's listing")
    }

    /// The metadata block that begins at `start`, if it was unpacked a short while ago.
    pub(super) fn recent(&self, start: u64) -> Option<MetadataBlock> {
        self.recent.iter().find(|block| block.start == start).cloned()
    }

    /// Keeps a metadata block for a while.
    pub(super) fn keep(&mut self, block: MetadataBlock) {
        if self.recent.len() >= RECENT_BLOCKS {
            self.recent.remove(0);
        }
        self.recent.push(block);
    }

    /// `length` bytes from `offset` on, all of which must be in the image. Callers bound `length` by that of a block.
    pub(super) fn bytes(&mut self, offset: u64, length: u64, what: &'static str) -> Result<Vec<u8>, ReadError> {
        let behind = offset.checked_add(length).filter(|&behind| behind <= self.end);
        behind.ok_or_else(|| past_the_end(what))?;
        let bytes = read(self.reader, offset, length)?;
        // The image may have been cut since it was opened.
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(past_the_end(what)) }
    }

    /// Unpacks the `stored` bytes from `offset` on, unless they are stored as they are; at most `limit` bytes.
    pub(super) fn block(
        &mut self,
        offset: u64,
        stored: Stored,
        limit: usize,
        what: &'static str,
    ) -> Result<Vec<u8>, ReadError> {
        // What compression does not shrink is stored as it is.
        if stored.bytes == 0 || stored.bytes as usize > limit {
            return Err(ReadError::invalid(format!("{what} is malformed")));
        }
        let bytes = self.bytes(offset, stored.bytes.into(), what)?;
        if stored.plain {
            return Ok(bytes);
        }
        let bad =
            |source| Invalid::new(format!("cannot unpack the block at byte {offset} of the image")).because(source);
        Ok(self.compression.unpack(&bytes, limit).map_err(bad)?)
    }
}

/// How a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Its length as stored, in bytes.
    pub(super) bytes: u32,
    /// Whether it is not compressed.
    pub(super) plain: bool,
}

fn place(table: u64, block: u64, offset: u16, what: &'static str) -> Result<TablePlace, ReadError> {
    let block = table.checked_add(block).ok_or_else(|| past_the_end(what))?;
    Ok(TablePlace { block, offset: offset.into() })
}

fn read(reader: &mut (impl Read + Seek), offset: u64, length: u64) -> Result<Vec<u8>, ReadError> {
    reader.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
