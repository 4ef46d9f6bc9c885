//! Byte ranges of a blob: parts of several packings overlap, and together they may make up the blob.

/// Byte ranges, as few as possible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteRanges(
    /// Starts and ends, sorted; no range touches the next one.
    Vec<(u64, u64)>,
);

impl ByteRanges {
    /// Adds the bytes from `start` up to `end`.
    pub fn add(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let first = self.0.partition_point(|range| range.1 < start);
        let behind = self.0.partition_point(|range| range.0 <= end);
        let touched = self.0.get(first..behind).unwrap_or_default();
        let from = touched.first().map_or(start, |range| range.0.min(start));
        let to = touched.last().map_or(end, |range| range.1.max(end));
        self.0.splice(first..behind, [(from, to)]);
    }

    /// Removes the bytes from `start` up to `end`.
    pub fn remove(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let left = |&(from, to): &(u64, u64)| [(from, to.min(start)), (from.max(end), to)];
        self.0 = self.0.iter().flat_map(left).filter(|(from, to)| from < to).collect();
    }

    /// Returns `true` if a byte from `start` up to `end` is in it.
    pub fn overlaps(&self, start: u64, end: u64) -> bool {
        self.0.iter().any(|range| range.0 < end && start < range.1 && start < end)
    }

    /// Returns `true` if all bytes from `start` up to `end` are in it.
    pub fn has(&self, start: u64, end: u64) -> bool {
        start >= end || self.0.iter().any(|range| range.0 <= start && end <= range.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_that_touch_are_one() {
        let mut ranges = ByteRanges::default();
        for (start, end) in [(10, 20), (30, 40), (20, 25), (5, 5), (26, 30)] {
            ranges.add(start, end);
        }
        assert_eq!(ranges.0, [(10, 25), (26, 40)]);
        assert!(ranges.has(10, 25) && ranges.has(3, 3) && !ranges.has(24, 27));
        ranges.add(0, 100);
        assert_eq!(ranges.0, [(0, 100)]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_bytes(changed in prop::collection::vec((0..40_u64, 0..10_u64, 0..3), 0..12), (at, length) in (0..40_u64, 0..9_u64)) {
            let (mut ranges, mut bytes) = (ByteRanges::default(), std::collections::BTreeSet::new());
            for (start, length, change) in changed {
                if change == 0 {
                    ranges.remove(start, start + length);
                    bytes.retain(|byte| !(start..start + length).contains(byte));
                } else {
                    ranges.add(start, start + length);
                    bytes.extend(start..start + length);
                }
            }
            prop_assert_eq!(ranges.overlaps(at, at + length), (at..at + length).any(|byte| bytes.contains(&byte)));
            prop_assert!(ranges.0.windows(2).all(|pair| pair[0].1 < pair[1].0));
            prop_assert_eq!(ranges.has(at, at + length), (at..at + length).all(|byte| bytes.contains(&byte)));
        }
    }
}
