//! The shape of recovery data: how volumes are cut into shards, and which of them make up a group.
//!
//! All of it follows from the volumes' sizes, which the signed manifest has; a recovery file has no say in it.

/// The smallest shard, in bytes.
const MIN_SHARD_BYTES: u64 = 4 << 10;
/// Shards do not grow above this for the sake of their number alone, in bytes.
const USUAL_SHARD_BYTES: u64 = 256 << 10;
/// The largest shard, in bytes.
const MAX_SHARD_BYTES: u64 = 1 << 20;
/// As many shards as are enough for any damage.
const ENOUGH_SHARDS: u64 = 16384;
/// The most shards that one file has digests of: bounds a reader's memory to 64 MiB.
const MAX_SHARDS: u64 = 1 << 22;
/// The most data of one group, in bytes; the decoder needs up to twice as much memory.
const MAX_GROUP_BYTES: u64 = 64 << 20;
/// The most volumes that spare volumes go across.
pub const MAX_ACROSS: usize = 256;

/// A shard of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The volume, counted from 0 within the shape.
    pub volume: usize,
    /// Which of the volume's shards, counted from 0. It may be one behind the volume's end, which is all zeros.
    pub index: u64,
}

/// How volumes are cut, and which shards are in which group.
#[derive(Clone, Debug)]
pub struct Geometry {
    sizes: Vec<u64>,
    /// Of each volume, how many shards those before it have.
    before: Vec<u64>,
    shard: u64,
    groups: u64,
    across: bool,
}

impl Geometry {
    /// Of one volume by itself: neighbouring shards are in different groups, so that a hole hits many groups a little. None
    /// for a volume that is too large.
    pub fn within(size: u64) -> Option<Self> {
        let shard = shard_bytes(size)?;
        let groups = size.div_ceil(shard).div_ceil(MAX_GROUP_BYTES / shard).max(1);
        Some(Self { sizes: vec![size], before: vec![0], shard, groups, across: false })
    }

    /// Across volumes: the shards at one place of each volume are a group. None for volumes that are too many or too large.
    pub fn across(sizes: &[u64]) -> Option<Self> {
        let largest = sizes.iter().copied().max()?;
        let shard = shard_bytes(largest.checked_mul(sizes.len() as u64)?)?;
        if sizes.len() > MAX_ACROSS || shard * sizes.len() as u64 > MAX_GROUP_BYTES {
            return None;
        }
        let counts = sizes.iter().map(|size| size.div_ceil(shard));
        let before = counts.scan(0, |sum, count| Some(std::mem::replace(sum, *sum + count))).collect();
        Some(Self { sizes: sizes.to_vec(), before, shard, groups: largest.div_ceil(shard), across: true })
    }

    /// Size of each shard, in bytes.
    pub fn shard_bytes(&self) -> u64 {
        self.shard
    }

    /// How many groups there are.
    pub fn groups(&self) -> u64 {
        self.groups
    }

    /// Size of a volume, in bytes.
    pub fn size(&self, volume: usize) -> u64 {
        self.sizes.get(volume).copied().unwrap_or_default()
    }

    /// How many shards the volumes have.
    pub fn shards(&self) -> u64 {
        self.sizes.iter().map(|size| size.div_ceil(self.shard)).sum()
    }

    /// The most shards of the volumes in one group.
    pub fn widest(&self) -> u64 {
        match self.across {
            true => self.sizes.len() as u64,
            false => self.shards().div_ceil(self.groups),
        }
    }

    /// Recovery shards per group for so many percent.
    pub fn count(&self, percent: u32) -> u64 {
        (self.widest() * u64::from(percent)).div_ceil(100).max(1)
    }

    /// Whether so many recovery shards per group are possible.
    pub fn allows(&self, count: u64) -> bool {
        let most = if self.across { u64::from(super::MAX_SPARES) } else { self.widest() };
        (1..=most).contains(&count)
    }

    /// The shards of the volumes in a group, in order.
    pub fn members(&self, group: u64) -> Vec<Shard> {
        match self.across {
            true => (0..self.sizes.len()).map(|volume| Shard { volume, index: group }).collect(),
            false => {
                let indexes = (group..self.shards()).step_by(usize::try_from(self.groups).unwrap_or(usize::MAX));
                indexes.map(|index| Shard { volume: 0, index }).collect()
            }
        }
    }

    /// The group that a shard is in.
    pub fn group(&self, index: u64) -> u64 {
        if self.across { index } else { index % self.groups }
    }

    /// Which of all shards of the volumes this one is; none for one behind its volume's end.
    pub fn number(&self, shard: Shard) -> Option<usize> {
        if shard.index >= self.size(shard.volume).div_ceil(self.shard) {
            return None;
        }
        usize::try_from(self.before.get(shard.volume)? + shard.index).ok()
    }

    /// How many recovery shards one file has, with `count` per group.
    pub fn slots(&self, count: u64) -> u64 {
        if self.across { self.groups } else { self.groups * count }
    }

    /// The file that recovery shard `which` of a group is in, counted from 0, and its place there.
    pub fn slot(&self, group: u64, which: u64) -> (usize, u64) {
        match self.across {
            true => (usize::try_from(which).unwrap_or(usize::MAX), group),
            false => (0, which * self.groups + group),
        }
    }
}

fn shard_bytes(total: u64) -> Option<u64> {
    let mut shard = MIN_SHARD_BYTES;
    while shard < USUAL_SHARD_BYTES && total.div_ceil(shard) > ENOUGH_SHARDS {
        shard *= 2;
    }
    while total.div_ceil(shard) > MAX_SHARDS {
        shard *= 2;
    }
    (shard <= MAX_SHARD_BYTES && total > 0).then_some(shard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn every_shard_is_in_one_group_and_every_slot_is_used_once(size in 1_u64..3_000_000_000, percent in 1_u32..=50) {
            let shape = Geometry::within(size).unwrap();
            let count = shape.count(percent);
            prop_assert!(shape.allows(count));
            prop_assert!(reed_solomon_simd::ReedSolomonEncoder::supports(shape.widest() as usize, count as usize));
            prop_assert!(shape.widest() * shape.shard_bytes() <= MAX_GROUP_BYTES);
            let (mut shards, mut slots) = (BTreeSet::new(), BTreeSet::new());
            for group in 0..shape.groups() {
                for shard in shape.members(group) {
                    prop_assert_eq!(shape.group(shard.index), group);
                    prop_assert!(shards.insert(shape.number(shard).unwrap()));
                }
                slots.extend((0..count).map(|which| shape.slot(group, which)));
            }
            prop_assert_eq!(shards.len() as u64, size.div_ceil(shape.shard_bytes()));
            prop_assert_eq!(shards.last().map(|last| *last as u64 + 1), Some(shards.len() as u64));
            prop_assert_eq!(slots.len() as u64, shape.slots(count));
        }

        #[test]
        fn shards_across_volumes_are_numbered_without_gaps(sizes in prop::collection::vec(1_u64..100_000, 1..20)) {
            let shape = Geometry::across(&sizes).unwrap();
            let all = (0..shape.groups()).flat_map(|group| shape.members(group)).filter_map(|shard| shape.number(shard));
            let all: BTreeSet<usize> = all.collect();
            prop_assert_eq!(all.len() as u64, shape.shards());
            prop_assert_eq!(all.last().map(|last| *last as u64 + 1), Some(shape.shards()));
        }
    }

    #[test]
    fn a_dead_erase_block_hits_each_group_of_a_large_volume_once() {
        let shape = Geometry::within(4_000_000_000).unwrap();
        assert_eq!((shape.shard_bytes(), shape.groups()), (256 << 10, 60));
        assert!(shape.groups() > (4 << 20) / shape.shard_bytes() + 1);
        assert_eq!((Geometry::within(0).is_none(), Geometry::within(1 << 50).is_none()), (true, true));
        assert!(Geometry::across(&[4_000_000_000; 256]).is_some());
        assert!(Geometry::across(&[1; 257]).is_none() && Geometry::across(&[u64::MAX; 2]).is_none());
    }
}
