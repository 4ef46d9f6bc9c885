//! The parts of a volume: its index, joined with the item lists in one pass, and with the layout that follows from it.
//!
//! The index says all that is needed to read a volume. The lists say which blobs there are, and in which order and under which names
//! they stand in volumes, so that nothing in a volume is left to its builder's choice.

use std::io::Read;
use std::ops::Range;

use super::PackedVolume;
use super::index::{PartLine, VOLUME_INDEX_CAPS};
use crate::bundle::canonical::parse_line;
use crate::bundle::format_error::{FormatError, contradiction};
use crate::bundle::layout::{TRAILER, header_length, padding};
use crate::bundle::state::lists::BlobWalk;
use crate::bundle::stored_list::ListReader;

/// A part of a volume, with what the lists say of its blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePart {
    /// The line of the index.
    pub line: PartLine,
    /// The blob's size, in bytes.
    pub blob_size: u64,
}

impl VolumePart {
    /// Returns `true` if the part is all of its blob.
    pub fn is_whole(&self) -> bool {
        self.line.is_whole(self.blob_size)
    }

    /// Returns the start of the part's header in the volume, and the end of its padding.
    pub fn range(&self) -> Range<u64> {
        let stored = self.line.stored_bytes();
        self.line.offset - header_length(&self.line.name)..self.line.offset + stored + padding(stored)
    }
}

/// The place of a volume in its packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumePlace {
    /// Others follow.
    Inner,
    /// No other follows: all blobs end in it.
    Last,
}

/// Goes through the parts of one volume, in order. The walk can be taken on to the next volume of the packing.
pub struct VolumeParts<'a, 'w, R: Read> {
    index: ListReader<R>,
    walk: &'a mut BlobWalk<'w>,
    volume: PackedVolume,
    place: VolumePlace,
    /// The part before, its blob's place and its number.
    before: Option<(VolumePart, u32, u64)>,
    /// Start of the next member's header, in bytes.
    end: u64,
}

impl<'a, 'w, R: Read> VolumeParts<'a, 'w, R> {
    /// Starts to read the index of a volume, of which the caller has checked the stored bytes.
    pub fn new(
        index: R,
        volume: PackedVolume,
        place: VolumePlace,
        walk: &'a mut BlobWalk<'w>,
    ) -> Result<Self, FormatError> {
        let index = ListReader::new(index, volume.index, VOLUME_INDEX_CAPS)?;
        Ok(Self { index, walk, volume, place, before: None, end: 0 })
    }

    /// Returns the next part. Returns `None` behind the last one of a volume that ends where it must.
    pub fn next_part(&mut self) -> Result<Option<VolumePart>, FormatError> {
        let Some(text) = self.index.next_line()? else { return self.finish().map(|()| None) };
        let line = parse_line(text).and_then(|line| self.join(line));
        line.map(Some).map_err(|error| error.at_line(self.index.lines()))
    }

    /// Returns the end of the last member that was read.
    pub fn end(&self) -> u64 {
        self.end
    }

    fn join(&mut self, line: PartLine) -> Result<VolumePart, FormatError> {
        let fail = |reason| Err(FormatError::Blob { digest: line.blob, reason });
        let Some(blob) = self.walk.seek(&line.blob)? else { return fail("the state does not have it") };
        line.check(blob.size)?;
        let Some(number) = line.number(&blob.name, blob.size) else {
            return fail("a member has another name than its place in the lists says");
        };
        if (number == 1) != (line.start == 0) {
            return fail("a part's number does not fit its start");
        }
        let (place, blob_size) = (blob.place, blob.size);
        match &self.before {
            Some((before, same, last)) if *same == place => {
                if line.start != before.line.end() || number != last + 1 {
                    return fail("its parts do not follow one another");
                }
            }
            Some((_, other, _)) if *other > place => return fail("its parts are not where their order says"),
            Some((before, ..)) if before.line.end() != before.blob_size => {
                return Err(FormatError::Blob { digest: before.line.blob, reason: "its parts do not cover it" });
            }
            Some(_) if line.start != 0 => return fail("its parts do not cover it"),
            Some(_) | None => {}
        }
        if line.offset != self.end + header_length(&line.name) {
            return fail("a part does not stand where its volume goes on");
        }
        self.end = line.offset + line.stored_bytes() + padding(line.stored_bytes());
        let part = VolumePart { line, blob_size };
        self.before = Some((part.clone(), place, number));
        Ok(part)
    }

    fn finish(&mut self) -> Result<(), FormatError> {
        let Some((last, ..)) = &self.before else { return contradiction("the volume has no part") };
        if self.place == VolumePlace::Last && last.line.end() != last.blob_size {
            return Err(FormatError::Blob { digest: last.line.blob, reason: "its parts do not cover it" });
        }
        match self.end + TRAILER == self.volume.size {
            true => Ok(()),
            false => contradiction("the volume has another size than its parts"),
        }
    }
}
