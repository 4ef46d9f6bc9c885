//! What a file holds: its blocks, and its end in a fragment.

use std::io::{self, Read, Seek};

use super::image::{SquashfsImage, TablePlace};
use super::inode::{FileInode, stored};
use super::metadata::TableWalk;
use crate::formats::ReadError;

/// Length of an entry of the fragment table, in bytes, and how many are in a metadata block.
const FRAGMENT_BYTES: usize = 16;
const FRAGMENTS_PER_BLOCK: u32 = 512;

/// A file's content, read block by block.
pub(super) struct FileContent<'i, 'r, R> {
    image: &'i mut SquashfsImage<'r, R>,
    file: FileInode,
    /// The number of the next block, where it begins in the image, and the bytes that are not read yet.
    next: usize,
    offset: u64,
    left: u64,
    /// The block before, unpacked, and the number of its bytes that were handed on.
    block: Vec<u8>,
    taken: usize,
}

impl<'i, 'r, R: Read + Seek> FileContent<'i, 'r, R> {
    /// Starts to read a file.
    pub(super) fn new(image: &'i mut SquashfsImage<'r, R>, file: FileInode) -> Self {
        let (offset, left) = (file.start, file.bytes);
        Self { image, file, next: 0, offset, left, block: Vec::new(), taken: 0 }
    }

    /// The next piece; `None` at the end.
    fn next_block(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let expected = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.image.block_bytes);
        let Some(block) = self.file.blocks.get(self.next).copied() else {
            let Some((number, start)) = self.file.fragment.filter(|_| self.left > 0) else { return Ok(None) };
            self.left = 0;
            return end_of_file(self.image, number, start as usize, expected).map(Some);
        };
        self.next += 1;
        self.left = self.left.saturating_sub(expected as u64);
        let Some(stored) = block else { return Ok(Some(vec![0; expected])) };
        let bytes = self.image.block(self.offset, stored, self.image.block_bytes, "a block of the file")?;
        if bytes.len() != expected {
            return Err(ReadError::invalid(format!(
                "the block at byte {} of the image unpacks to {} bytes instead of {expected}",
                self.offset,
                bytes.len()
            )));
        }
        // The block lies in the image, so this cannot overflow.
        self.offset = self.offset.saturating_add(stored.bytes.into());
        Ok(Some(bytes))
    }
}

impl<R: Read + Seek> Read for FileContent<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken >= self.block.len() {
            match self.next_block() {
                Ok(Some(block)) => (self.block, self.taken) = (block, 0),
                Ok(None) => return Ok(0),
                Err(ReadError::Io(error)) => return Err(error),
                Err(ReadError::Invalid(error)) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        let rest = self.block.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let (from, to) = (rest.split_at(count).0, buffer.split_at_mut(count).0);
        to.copy_from_slice(from);
        self.taken += count;
        Ok(count)
    }
}

/// The whole content.
pub(super) fn read<R: Read + Seek>(image: &mut SquashfsImage<'_, R>, file: FileInode) -> Result<Vec<u8>, ReadError> {
    let mut blocks = FileContent::new(image, file);
    let mut content = Vec::new();
    while let Some(block) = blocks.next_block()? {
        content.extend_from_slice(&block);
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
