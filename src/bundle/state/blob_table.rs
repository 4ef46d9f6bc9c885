//! All blobs of a state in 48 bytes each: the digest, the size, and the place of the line that names the blob first.

use crate::bundle::format_error::FormatError;
use crate::digest::Sha256;
use crate::digest::search::place_of;

/// A blob of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// The blob's digest.
    pub sha256: Sha256,
    /// The blob's size, in bytes.
    pub size: u64,
    /// The first line that names it, counted from 0 over all lists in the order of the manifest.
    pub place: u32,
    marks: u32,
}

const _: () = assert!(size_of::<BlobEntry>() == 48, "what a join may keep of an item");
const _: () = assert!(super::MAX_LINES * size_of::<BlobEntry>() as u64 <= 192 << 20, "the largest table");

/// A yes or no about blobs, for whoever has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobMark {
    /// The blob does not travel, since the site is known to hold it.
    Held = 1,
    /// The site lacks the blob.
    Lacking = 2,
    /// The volumes of a packing have the blob.
    Carried = 4,
}

/// All blobs of a state, sorted by digest.
#[derive(Clone, Debug, Default)]
pub struct BlobTable(Vec<BlobEntry>);

/// Takes the lines of all lists in order, and makes a [`BlobTable`] of them.
#[derive(Debug, Default)]
pub struct BlobTableBuilder {
    entries: Vec<BlobEntry>,
    /// The lines so far, with those that were left out.
    lines: u64,
}

impl BlobTableBuilder {
    /// Starts a table for so many lines.
    pub fn with_lines(lines: u64) -> Self {
        let entries = Vec::with_capacity(usize::try_from(lines.min(super::MAX_LINES)).unwrap_or_default());
        Self { entries, lines: 0 }
    }

    /// Adds the blob of the next line.
    pub fn add(&mut self, sha256: Sha256, size: u64) -> Result<(), FormatError> {
        let place = self.lines as u32;
        self.leave_out(1)?;
        self.entries.push(BlobEntry { sha256, size, place, marks: 0 });
        Ok(())
    }

    /// Leaves out the blobs of the next lines.
    pub fn leave_out(&mut self, lines: u64) -> Result<(), FormatError> {
        let end = self.lines.checked_add(lines).filter(|end| *end <= super::MAX_LINES);
        self.lines = end.ok_or(FormatError::TooMany { cap: super::MAX_LINES, what: "lines in all lists" })?;
        Ok(())
    }

    /// Returns the table. Fails if two lines give one digest two sizes.
    pub fn finish(self) -> Result<BlobTable, FormatError> {
        let Self { mut entries, .. } = self;
        entries.sort_unstable_by_key(|entry| (entry.sha256, entry.place));
        let mut wrong = None;
        entries.dedup_by(|next, first| {
            let is_same = next.sha256 == first.sha256;
            if is_same && next.size != first.size {
                wrong = Some(next.sha256);
            }
            is_same
        });
        match wrong {
            Some(digest) => Err(FormatError::Blob { digest, reason: "two lines give it two sizes" }),
            None => Ok(BlobTable(entries)),
        }
    }
}

impl BlobTable {
    /// The blobs, sorted by digest.
    pub fn iter(&self) -> impl Iterator<Item = &BlobEntry> {
        self.0.iter()
    }

    /// The number of blobs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if the state has no blob.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the blob, if it is of this state.
    pub fn get(&self, digest: &Sha256) -> Option<&BlobEntry> {
        self.0.get(self.place_of(digest)?)
    }

    /// Returns the blob's number in the order of the table.
    pub fn place_of(&self, digest: &Sha256) -> Option<usize> {
        place_of(&self.0, digest.as_bytes(), |entry| entry.sha256.as_bytes())
    }

    /// Returns the blobs with this mark.
    pub fn set_of(&self, mark: BlobMark) -> BlobSet {
        let mut set = BlobSet(vec![0; self.0.len().div_ceil(64)]);
        let marked = self.0.iter().enumerate().filter(|(_, entry)| entry.has(mark));
        marked.for_each(|(place, _)| set.insert(place));
        set
    }

    /// Sets a mark of each blob in the set, and clears it of all others.
    pub fn mark_set(&mut self, mark: BlobMark, set: &BlobSet) {
        let mut places = 0..;
        self.mark_where(mark, |_| places.next().is_some_and(|place| set.contains(place)));
    }

    /// Sets a mark of a blob. Returns `false` if the blob is not of this state.
    pub fn mark(&mut self, digest: &Sha256, mark: BlobMark) -> bool {
        let at = self.place_of(digest);
        let entry = at.and_then(|at| self.0.get_mut(at));
        entry.map(|entry| entry.marks |= mark as u32).is_some()
    }

    /// Clears a mark of a blob.
    pub fn clear(&mut self, digest: &Sha256, mark: BlobMark) {
        let at = self.place_of(digest);
        if let Some(entry) = at.and_then(|at| self.0.get_mut(at)) {
            entry.marks &= !(mark as u32);
        }
    }

    /// Sets a mark of each blob for which `is_marked`, and clears it of all others.
    pub fn mark_where(&mut self, mark: BlobMark, mut is_marked: impl FnMut(&BlobEntry) -> bool) {
        for entry in &mut self.0 {
            let set = if is_marked(entry) { mark as u32 } else { 0 };
            entry.marks = entry.marks & !(mark as u32) | set;
        }
    }

    /// Returns the blobs with this mark.
    pub fn marked(&self, mark: BlobMark) -> impl Iterator<Item = &BlobEntry> {
        self.0.iter().filter(move |entry| entry.has(mark))
    }
}

/// Some of the blobs of a table, by their numbers in it: a bit for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSet(Vec<u64>);

impl BlobSet {
    /// Returns `true` if the blob is in the set.
    pub fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
    }

    /// Removes the blob.
    pub fn remove(&mut self, place: usize) {
        if let Some(bits) = self.0.get_mut(place / 64) {
            *bits &= !(1 << (place % 64));
        }
    }

    fn insert(&mut self, place: usize) {
        if let Some(bits) = self.0.get_mut(place / 64) {
            *bits |= 1 << (place % 64);
        }
    }
}

impl BlobEntry {
    /// Returns `true` if the blob has the mark.
    pub fn has(&self, mark: BlobMark) -> bool {
        self.marks & mark as u32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_line_is_the_place_of_a_blob() {
        let mut builder = BlobTableBuilder::with_lines(3);
        for text in ["b", "a", "b"] {
            builder.add(Sha256::of(text.as_bytes()), 1).unwrap();
        }
        let mut table = builder.finish().unwrap();
        let place = |table: &BlobTable, text: &str| table.get(&Sha256::of(text.as_bytes())).map(|entry| entry.place);
        assert_eq!((place(&table, "a"), place(&table, "b"), place(&table, "c")), (Some(1), Some(0), None));
        assert!(table.mark(&Sha256::of(b"a"), BlobMark::Held) && !table.mark(&Sha256::of(b"c"), BlobMark::Held));
        table.mark_where(BlobMark::Lacking, |entry| !entry.has(BlobMark::Held));
        let marked = |mark| table.marked(mark).map(|entry| entry.place).collect::<Vec<_>>();
        assert_eq!(
            (marked(BlobMark::Held), marked(BlobMark::Lacking), marked(BlobMark::Carried)),
            (vec![1], vec![0], vec![])
        );
    }

    #[test]
    fn a_set_has_the_marked_blobs() {
        let digest = |number: u8| Sha256::of(&[number]);
        let mut table = BlobTableBuilder::with_lines(100);
        (0..100).for_each(|number| table.add(digest(number), 1).unwrap());
        let mut table = table.finish().unwrap();
        [3, 70, 99].iter().for_each(|number| assert!(table.mark(&digest(*number), BlobMark::Lacking)));
        let mut set = table.set_of(BlobMark::Lacking);
        let place = |number| table.place_of(&digest(number)).unwrap();
        assert!(set.contains(place(70)) && !set.contains(place(71)) && !set.contains(1000));
        set.remove(place(70));
        set.remove(1000);
        table.mark_set(BlobMark::Lacking, &set);
        let mut wanted = [digest(3), digest(99)];
        wanted.sort();
        assert_eq!(table.marked(BlobMark::Lacking).map(|blob| blob.sha256).collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn two_sizes_of_a_blob_are_refused() {
        let mut builder = BlobTableBuilder::default();
        builder.add(Sha256::of(b"a"), 1).unwrap();
        builder.add(Sha256::of(b"a"), 2).unwrap();
        assert!(matches!(builder.finish(), Err(FormatError::Blob { .. })));
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut builder = BlobTableBuilder::with_lines(bytes.len() as u64);
            let mut map = std::collections::BTreeMap::new();
            for (place, byte) in (0..).zip(&bytes) {
                builder.add(Sha256::of(&[*byte]), u64::from(*byte)).unwrap();
                map.entry(Sha256::of(&[*byte])).or_insert((u64::from(*byte), place));
            }
            let table = builder.finish().unwrap();
            let found: Vec<_> = table.iter().map(|entry| (entry.sha256, (entry.size, entry.place))).collect();
            prop_assert_eq!(found, map.into_iter().collect::<Vec<_>>());
        }
    }
}
