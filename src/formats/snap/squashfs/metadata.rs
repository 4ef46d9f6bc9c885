//! Metadata blocks: the tables, in pieces of 8 KiB that are compressed each by itself.

use std::io::{Read, Seek};

use super::image::{MetadataBlock, SquashfsImage, Stored, TablePlace, past_the_end};
use crate::formats::ReadError;

/// Length of a metadata block, unpacked, in bytes; only the last of a table is shorter.
const METADATA_BYTES: usize = 8192;
/// Of the two bytes before a metadata block: it is not compressed. The other bits are its length.
const PLAIN: u16 = 1 << 15;

/// Goes through a table from a place on.
pub(super) struct TableWalk<'i, 'r, R> {
    image: &'i mut SquashfsImage<'r, R>,
    what: &'static str,
    /// The block that is being read, unpacked.
    block: Vec<u8>,
    /// How much of it has been read, in bytes.
    taken: usize,
    /// Where the block behind it begins.
    next: u64,
}

impl<'i, 'r, R: Read + Seek> TableWalk<'i, 'r, R> {
    /// Begins at `place`; `what` is there, for messages.
    pub(super) fn open(
        image: &'i mut SquashfsImage<'r, R>,
        place: TablePlace,
        what: &'static str,
    ) -> Result<Self, ReadError> {
        let mut walk = Self { image, what, block: Vec::new(), taken: 0, next: place.block };
        walk.load()?;
        if place.offset >= walk.block.len() {
            return Err(ReadError::invalid(format!("{what} is malformed")));
        }
        walk.taken = place.offset;
        Ok(walk)
    }

    fn load(&mut self) -> Result<(), ReadError> {
        let block = match self.image.recent(self.next) {
            Some(block) => block,
            None => {
                let block = self.unpack()?;
                self.image.keep(block.clone());
                block
            }
        };
        (self.block, self.next, self.taken) = (block.bytes, block.next, 0);
        Ok(())
    }

    fn unpack(&mut self) -> Result<MetadataBlock, ReadError> {
        let what = self.what;
        let header = self.image.bytes(self.next, 2, what)?;
        let header = header.first_chunk().copied().map(u16::from_le_bytes);
        let header = header.ok_or_else(|| past_the_end(what))?;
        let stored = Stored { bytes: (header & !PLAIN).into(), plain: header & PLAIN != 0 };
        // It lies in the image, so this cannot overflow.
        let start = self.next.saturating_add(2);
        let bytes = self.image.block(start, stored, METADATA_BYTES, what)?;
        Ok(MetadataBlock { start: self.next, bytes, next: start.saturating_add(stored.bytes.into()) })
    }

    /// The next bytes.
    pub(super) fn fill(&mut self, mut target: &mut [u8]) -> Result<(), ReadError> {
        while !target.is_empty() {
            let left = self.block.get(self.taken..).unwrap_or_default();
            if left.is_empty() {
                // Whoever could make blocks short could make us read very many of them.
                if self.block.len() != METADATA_BYTES {
                    return Err(ReadError::invalid(format!("{} is malformed", self.what)));
                }
                self.load()?;
                continue;
            }
            let count = left.len().min(target.len());
            let (from, (to, rest)) = (left.split_at(count).0, target.split_at_mut(count));
            to.copy_from_slice(from);
            target = rest;
            self.taken += count;
        }
        Ok(())
    }

    /// Leaves bytes out.
    pub(super) fn skip<const N: usize>(&mut self) -> Result<(), ReadError> {
        self.fill(&mut [0; N])
    }

    /// The next two bytes.
    pub(super) fn u16(&mut self) -> Result<u16, ReadError> {
        let mut bytes = [0; 2];
        self.fill(&mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    /// The next four bytes.
    pub(super) fn u32(&mut self) -> Result<u32, ReadError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The next eight bytes.
    pub(super) fn u64(&mut self) -> Result<u64, ReadError> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}
