//! What a file holds: its blocks, and its end in a fragment.

use std::io::{Read, Seek};

use super::image::{SquashfsImage, TablePlace};
use super::inode::{FileInode, stored};
use super::metadata::TableWalk;
use crate::formats::ReadError;

/// Length of an entry of the fragment table, in bytes, and how many are in a metadata block.
const FRAGMENT_BYTES: usize = 16;
const FRAGMENTS_PER_BLOCK: u32 = 512;

/// The whole content.
pub(super) fn read<R: Read + Seek>(image: &mut SquashfsImage<'_, R>, file: &FileInode) -> Result<Vec<u8>, ReadError> {
    let mut content = Vec::new();
    let mut offset = file.start;
    let mut left = usize::try_from(file.bytes).map_err(|_| ReadError::invalid("the file's size is malformed"))?;
    for block in &file.blocks {
        let expected = left.min(image.block_bytes);
        left -= expected;
        let Some(stored) = *block else {
            content.resize(content.len() + expected, 0);
            continue;
        };
        let bytes = image.block(offset, stored, image.block_bytes, "a block of the file")?;
        if bytes.len() != expected {
            return Err(ReadError::invalid(format!(
                "the block at byte {offset} of the image unpacks to {} bytes instead of {expected}",
                bytes.len()
            )));
        }
        content.extend_from_slice(&bytes);
        // The block lies in the image, so this cannot overflow.
        offset = offset.saturating_add(stored.bytes.into());
    }
    if let Some((number, start)) = file.fragment {
        content.extend_from_slice(&end_of_file(image, number, start as usize, left)?);
    }
    Ok(content)
}

/// The `length` bytes that begin at `start` of fragment block `number`.
fn end_of_file<R: Read + Seek>(
    image: &mut SquashfsImage<'_, R>,
    number: u32,
    start: usize,
    length: usize,
) -> Result<Vec<u8>, ReadError> {
    let what = "the fragment with the file's end";
    let malformed = || ReadError::invalid(format!("{what} is malformed"));
    if number >= image.fragments {
        return Err(malformed());
    }
    let entry = u64::from(number / FRAGMENTS_PER_BLOCK) * 8;
    let entry = image.fragment_table.checked_add(entry).ok_or_else(malformed)?;
    let pointer = image.bytes(entry, 8, what)?;
    let block = pointer.first_chunk().copied().map(u64::from_le_bytes).ok_or_else(malformed)?;
    let place = TablePlace { block, offset: (number % FRAGMENTS_PER_BLOCK) as usize * FRAGMENT_BYTES };
    let mut walk = TableWalk::open(image, place, what)?;
    let (offset, size) = (walk.u64()?, walk.u32()?);
    let block = image.block(offset, stored(size), image.block_bytes, what)?;
    let behind = start.checked_add(length).ok_or_else(malformed)?;
    block.get(start..behind).map(<[u8]>::to_vec).ok_or_else(malformed)
}
