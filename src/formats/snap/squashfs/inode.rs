//! Inodes of folders and of regular files, basic and extended.

use std::io::{Read, Seek};

use super::image::{SquashfsImage, Stored, TablePlace};
use super::metadata::TableWalk;
use crate::formats::ReadError;
use crate::formats::archive::EntryKind;

const WHAT: &str = "an inode";
/// Length of what all inodes begin with behind their type: mode, owner, group, time and number.
const COMMON_BYTES: usize = 14;
/// Stands for no fragment.
const NO_FRAGMENT: u32 = u32::MAX;
/// Listings are counted as if they had these many bytes for `.` and `..`, which they do not have.
const DOTS_BYTES: u32 = 3;
/// Of a block's stored length: the block is not compressed.
const PLAIN: u32 = 1 << 24;

/// Where the names in a folder are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FolderInode {
    /// Nothing is there if the folder is empty.
    pub(super) place: TablePlace,
    /// In bytes.
    pub(super) bytes: u32,
}

/// Where the content of a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileInode {
    /// Length of the content, in bytes.
    pub(super) bytes: u64,
    /// Where its first block is, in bytes from the start of the image.
    pub(super) start: u64,
    /// Its blocks, one behind the other; none is stored of one that has only zeros.
    pub(super) blocks: Vec<Option<Stored>>,
    /// Number of the fragment block that has its end, if one has, and where in it that begins, in bytes.
    pub(super) fragment: Option<(u32, u32)>,
}

/// The longest target of a symbolic link, in bytes.
const MAX_LINK_BYTES: u32 = 4096;

/// The fields that all inodes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InodeHead {
    pub(super) kind: EntryKind,
    pub(super) mode: u32,
    /// Places of owner and group in the table of ids.
    pub(super) owner: u16,
    pub(super) group: u16,
}

/// Reads the fields that the inode at `place` begins with.
pub(super) fn head<R: Read + Seek>(
    image: &mut SquashfsImage<'_, R>,
    place: TablePlace,
) -> Result<InodeHead, ReadError> {
    let mut walk = TableWalk::open(image, place, WHAT)?;
    let kind = match walk.u16()? {
        1 | 8 => EntryKind::Folder,
        2 | 9 => EntryKind::File,
        3 | 10 => EntryKind::SymbolicLink,
        4..=7 | 11..=14 => EntryKind::Special,
        _ => return Err(ReadError::invalid(format!("{WHAT} is of an unknown type"))),
    };
    let mode = u32::from(walk.u16()?) & 0o7777;
    Ok(InodeHead { kind, mode, owner: walk.u16()?, group: walk.u16()? })
}

/// The target of the symbolic link whose inode is at `place`.
pub(super) fn link<R: Read + Seek>(image: &mut SquashfsImage<'_, R>, place: TablePlace) -> Result<Vec<u8>, ReadError> {
    let mut walk = TableWalk::open(image, place, WHAT)?;
    walk.skip::<{ 2 + COMMON_BYTES + 4 }>()?; // type, what all have, links
    let length = walk.u32()?;
    if length > MAX_LINK_BYTES {
        return Err(ReadError::invalid(format!("a link's target is longer than {MAX_LINK_BYTES} bytes")));
    }
    let mut target = vec![0; length as usize];
    walk.fill(&mut target)?;
    Ok(target)
}

/// How a data block or a fragment block is stored, by the number that says so.
pub(super) fn stored(number: u32) -> Stored {
    Stored { bytes: number & (PLAIN - 1), plain: number & PLAIN != 0 }
}

/// The folder whose inode is at `place`; none if it is no folder.
pub(super) fn folder<R: Read + Seek>(
    image: &mut SquashfsImage<'_, R>,
    place: TablePlace,
) -> Result<Option<FolderInode>, ReadError> {
    let mut walk = TableWalk::open(image, place, WHAT)?;
    let kind = walk.u16()?;
    walk.skip::<COMMON_BYTES>()?;
    let (block, bytes, offset) = match kind {
        1 => {
            let block = walk.u32()?;
            walk.skip::<4>()?; // links
            let bytes = walk.u16()?.into();
            (block, bytes, walk.u16()?)
        }
        8 => {
            walk.skip::<4>()?; // links
            let bytes = walk.u32()?;
            let block = walk.u32()?;
            walk.skip::<6>()?; // parent, entries in the index
            (block, bytes, walk.u16()?)
        }
        _ => return Ok(None),
    };
    Ok(Some(FolderInode { place: image.listing(block, offset)?, bytes: bytes.saturating_sub(DOTS_BYTES) }))
}

/// The regular file whose inode is at `place`, of at most `cap` bytes; none if it is no regular file.
pub(super) fn file<R: Read + Seek>(
    image: &mut SquashfsImage<'_, R>,
    place: TablePlace,
    cap: u64,
) -> Result<Option<FileInode>, ReadError> {
    let block_bytes = image.block_bytes as u64;
    let mut walk = TableWalk::open(image, place, WHAT)?;
    let kind = walk.u16()?;
    walk.skip::<COMMON_BYTES>()?;
    let (start, bytes, fragment, offset) = match kind {
        2 => {
            let start = walk.u32()?.into();
            let (fragment, offset) = (walk.u32()?, walk.u32()?);
            (start, walk.u32()?.into(), fragment, offset)
        }
        9 => {
            let (start, bytes) = (walk.u64()?, walk.u64()?);
            walk.skip::<12>()?; // bytes that are not stored, links
            let (fragment, offset) = (walk.u32()?, walk.u32()?);
            walk.skip::<4>()?; // extended attributes
            (start, bytes, fragment, offset)
        }
        _ => return Ok(None),
    };
    if bytes > cap {
        return Err(ReadError::invalid(format!("the file is larger than {cap} bytes")));
    }
    let fragment = (fragment != NO_FRAGMENT).then_some((fragment, offset));
    let count = if fragment.is_some() { bytes / block_bytes } else { bytes.div_ceil(block_bytes) };
    let mut blocks = Vec::new();
    for _ in 0..count {
        let number = walk.u32()?;
        blocks.push((number != 0).then(|| stored(number)));
    }
    Ok(Some(FileInode { bytes, start, blocks, fragment }))
}
