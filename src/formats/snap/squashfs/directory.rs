//! Names in a folder.

use std::io::{Read, Seek};

use super::MAX_LISTING_BYTES;
use super::image::{SquashfsImage, TablePlace};
use super::inode::FolderInode;
use super::metadata::TableWalk;
use crate::formats::ReadError;

const WHAT: &str = "a folder's listing";
/// Most names behind one header.
const MAX_RUN: u32 = 256;
/// Longest name, in bytes.
const MAX_NAME_BYTES: u32 = 256;
/// Length of a header, in bytes.
const HEADER_BYTES: u32 = 12;
/// Length of an entry without its name, in bytes.
const ENTRY_BYTES: u32 = 8;

/// Where the inode of `name` is. The whole listing is read, so that no other entry of this name can be.
pub(super) fn find<R: Read + Seek>(
    image: &mut SquashfsImage<'_, R>,
    listing: FolderInode,
    name: &str,
) -> Result<Option<TablePlace>, ReadError> {
    let mut found = None;
    each(image, listing, |entry, block, offset| {
        if entry == name.as_bytes() {
            found = Some((block, offset));
        }
    })?;
    found.map(|(block, offset)| image.inode(block.into(), offset)).transpose()
}

/// The names in a folder, each with the place of its inode.
pub(super) fn entries<R: Read + Seek>(
    image: &mut SquashfsImage<'_, R>,
    listing: FolderInode,
) -> Result<Vec<(Vec<u8>, TablePlace)>, ReadError> {
    let mut entries = Vec::new();
    each(image, listing, |name, block, offset| entries.push((name.to_vec(), block, offset)))?;
    let place = |(name, block, offset): (Vec<u8>, u32, u16)| Ok((name, image.inode(block.into(), offset)?));
    entries.into_iter().map(place).collect()
}

/// Hands each name to `entry`, with block and offset of its inode as they are written.
fn each<R: Read + Seek>(
    image: &mut SquashfsImage<'_, R>,
    listing: FolderInode,
    mut entry: impl FnMut(&[u8], u32, u16),
) -> Result<(), ReadError> {
    if u64::from(listing.bytes) > MAX_LISTING_BYTES {
        return Err(ReadError::invalid(format!("{WHAT} is larger than {MAX_LISTING_BYTES} bytes")));
    }
    if listing.bytes == 0 {
        return Ok(());
    }
    let malformed = || ReadError::invalid(format!("{WHAT} is malformed"));
    let mut walk = TableWalk::open(image, listing.place, WHAT)?;
    let mut left = listing.bytes;
    let (mut last, mut name) = (Vec::new(), Vec::new());
    while left > 0 {
        // Counts are written as one less than they are.
        let count = walk.u32()?.saturating_add(1);
        let block = walk.u32()?;
        walk.skip::<4>()?; // number of an inode
        let Some(mut rest) = left.checked_sub(HEADER_BYTES).filter(|_| count <= MAX_RUN) else {
            return Err(malformed());
        };
        for _ in 0..count {
            let offset = walk.u16()?;
            walk.skip::<4>()?; // number and type of the inode
            let length = u32::from(walk.u16()?).saturating_add(1);
            let Some(behind) = rest.checked_sub(ENTRY_BYTES + length).filter(|_| length <= MAX_NAME_BYTES) else {
                return Err(malformed());
            };
            rest = behind;
            name.resize(length as usize, 0);
            walk.fill(&mut name)?;
            if name <= last {
                return Err(ReadError::invalid("a folder has names out of order, or one of them twice"));
            }
            entry(&name, block, offset);
            std::mem::swap(&mut last, &mut name);
        }
        left = rest;
    }
    Ok(())
}
