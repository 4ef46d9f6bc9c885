//! What was restored of a volume: kept in a nameless file of the reader's own, never on the medium.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Restored pieces of one volume.
#[derive(Debug, Default)]
pub(super) struct Patches {
    /// Sparse; each piece stands where it stands in the volume.
    file: Option<File>,
    /// Where pieces start and end, in bytes; no two touch.
    pieces: BTreeMap<u64, u64>,
}

impl Patches {
    /// Where pieces start and end, in bytes.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, u64)> {
        self.pieces.iter().map(|(start, end)| (*start, *end))
    }

    /// Keeps a piece, in `scratch`.
    pub(super) fn put(&mut self, offset: u64, bytes: &[u8], scratch: &Path) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(scratch)?);
        }
        if let Some(file) = &self.file {
            file.write_all_at(bytes, offset)?;
        }
        let (mut start, mut end) = (offset, offset + bytes.len() as u64);
        if let Some((before, until)) = self.pieces.range(..=start).next_back().map(|(s, e)| (*s, *e))
            && until >= start
        {
            (start, end) = (before, end.max(until));
        }
        while let Some((next, until)) = self.pieces.range(start..=end).next().map(|(s, e)| (*s, *e)) {
            self.pieces.remove(&next);
            end = end.max(until);
        }
        self.pieces.insert(start, end);
        Ok(())
    }

    /// Reads, from the pieces where there are any, and through `medium` elsewhere.
    pub(super) fn read(
        &self,
        bytes: &mut [u8],
        offset: u64,
        medium: impl Fn(&mut [u8], u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut left, mut at) = (bytes, offset);
        while !left.is_empty() {
            let piece = self.pieces.range(..=at).next_back().map(|(_, end)| *end).filter(|end| *end > at);
            let end = piece.or_else(|| self.pieces.range(at..).next().map(|(start, _)| *start)).unwrap_or(u64::MAX);
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(left.len());
            let (now, rest) = left.split_at_mut(length);
            match (&self.file, piece) {
                (Some(file), Some(_)) => file.read_exact_at(now, at)?,
                _ => medium(now, at)?,
            }
            (left, at) = (rest, at + length as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_cover_the_medium(puts in prop::collection::vec((0_u64..200, 1_usize..50), 0..20), from in 0_u64..250) {
            let (mut patches, mut model) = (Patches::default(), vec![0_u8; 300]);
            let scratch = tempfile::tempdir().unwrap();
            for (offset, length) in puts {
                patches.put(offset, &vec![1; length], scratch.path()).unwrap();
                model[offset as usize..offset as usize + length].fill(1);
            }
            let mut found = vec![9; 300 - from as usize];
            patches.read(&mut found, from, |bytes, _| { bytes.fill(0); Ok(()) }).unwrap();
            prop_assert_eq!(&found, &model[from as usize..]);
            let covered: u64 = patches.pieces().map(|(start, end)| end - start).sum();
            prop_assert_eq!(covered, model.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        }
    }
}
