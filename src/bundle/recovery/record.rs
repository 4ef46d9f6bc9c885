//! The recovery file: a head with digests of all shards, recovery shards, and the head once more.
//!
//! All of it is hostile input. How long everything is follows from the [`Geometry`]; of the file's own numbers only how many
//! recovery shards a group has is taken, within its bounds.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::geometry::{Geometry, Shard};
use crate::digest::Sha256;

const MAGIC: &[u8; 16] = b"gapferry-rec\0\0\0\x01";
const FIXED_BYTES: u64 = 64;
const CHECK_BYTES: u64 = 32;
const TAG_BYTES: u64 = 16;

/// The first half of a shard's SHA-256: it finds damage; the digests of the packing show that what is restored is right.
pub type ShardTag = [u8; TAG_BYTES as usize];

/// The tag of a shard's bytes.
pub fn tag(shard: &[u8]) -> ShardTag {
    let mut digest = crate::digest::Hashing::new(());
    digest.absorb(shard);
    let mut tag = ShardTag::default();
    tag.iter_mut().zip(digest.finish().1.as_bytes()).for_each(|(to, from)| *to = *from);
    tag
}

/// What volumes a recovery file is for: the digest of their digests.
pub fn id<'a>(volumes: impl IntoIterator<Item = &'a Sha256>) -> Sha256 {
    Sha256::of(&volumes.into_iter().flat_map(|digest| *digest.as_bytes()).collect::<Vec<u8>>())
}

/// The head of a recovery file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Digest of the volumes' digests.
    pub id: Sha256,
    /// Which spare volume it is, counted from 1; 0 for one that belongs to a volume.
    pub number: u32,
    /// Recovery shards per group.
    pub count: u64,
    /// Of the volumes' shards, by their numbers.
    pub data: Vec<ShardTag>,
    /// Of this file's recovery shards, by their places.
    pub own: Vec<ShardTag>,
}

/// Length of a head, in bytes.
pub fn head_bytes(shape: &Geometry, count: u64) -> u64 {
    FIXED_BYTES + TAG_BYTES * (shape.shards() + shape.slots(count)) + CHECK_BYTES
}

/// Size of a whole file, in bytes.
pub fn file_bytes(shape: &Geometry, count: u64) -> u64 {
    2 * head_bytes(shape, count) + shape.slots(count) * shape.shard_bytes()
}

impl Head {
    /// What stands before the tags.
    fn fixed(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.id.as_bytes());
        bytes.extend(self.number.to_be_bytes());
        bytes.extend((self.count as u32).to_be_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    /// The head's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.fixed();
        self.data.iter().chain(&self.own).for_each(|tag| bytes.extend(tag));
        let check = Sha256::of(&bytes);
        bytes.extend(check.as_bytes());
        bytes
    }

    /// A head from its bytes, if it is whole, for these volumes, and of this shape.
    pub fn parse(bytes: &[u8], shape: &Geometry, id: &Sha256, number: u32) -> Option<Self> {
        let (content, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES as usize)?)?;
        if Sha256::of(content).as_bytes() != check {
            return None;
        }
        let count = count_of(content)?;
        let (fixed, tags) = content.split_at_checked(FIXED_BYTES as usize)?;
        let [data, own] = [shape.shards(), shape.slots(count)].map(|tags| usize::try_from(tags).ok());
        let (data, own) = (data?, own?);
        let (tags, rest) = tags.as_chunks::<{ TAG_BYTES as usize }>();
        let (first, second) = tags.split_at_checked(data)?;
        let is_right = shape.allows(count) && second.len() == own && rest.is_empty();
        let head = Self { id: *id, number, count, data: first.to_vec(), own: second.to_vec() };
        (is_right && head.fixed() == fixed).then_some(head)
    }
}

/// The count of recovery shards that a head says.
fn count_of(bytes: &[u8]) -> Option<u64> {
    let (count, _) = bytes.get(MAGIC.len() + 32 + 4..)?.split_first_chunk::<4>()?;
    bytes.starts_with(MAGIC).then(|| u64::from(u32::from_be_bytes(*count)))
}

/// A recovery file that is open, with a head that is whole.
#[derive(Debug)]
pub struct RecoveryRecord {
    /// Its head.
    pub head: Head,
    file: File,
    first: u64,
}

impl RecoveryRecord {
    /// Opens a recovery file, if one of its two heads is whole.
    pub fn open(file: File, shape: &Geometry, id: &Sha256, number: u32) -> Option<Self> {
        let size = file.metadata().ok()?.len();
        let mut start = [0; FIXED_BYTES as usize];
        let said = file.read_exact_at(&mut start, 0).ok().and_then(|()| count_of(&start));
        for count in [said, count_by_size(shape, size)].into_iter().flatten().filter(|count| shape.allows(*count)) {
            let length = head_bytes(shape, count);
            for offset in [0, length + shape.slots(count) * shape.shard_bytes()] {
                if offset.checked_add(length).is_none_or(|end| end > size) {
                    continue;
                }
                let mut bytes = vec![0; usize::try_from(length).ok()?];
                let read = file.read_exact_at(&mut bytes, offset);
                let head = read.ok().and_then(|()| Head::parse(&bytes, shape, id, number));
                if let Some(head) = head.filter(|head| shape.slots(head.count) == shape.slots(count)) {
                    return Some(Self { head, file, first: length });
                }
            }
        }
        None
    }

    /// Reads the recovery shard at a place into `shard`; whether it is whole.
    pub fn read(&self, place: u64, shard: &mut [u8]) -> bool {
        let wanted = usize::try_from(place).ok().and_then(|place| self.head.own.get(place));
        let offset = place.checked_mul(shard.len() as u64).and_then(|at| at.checked_add(self.first));
        let Some((wanted, offset)) = wanted.zip(offset) else { return false };
        self.file.read_exact_at(shard, offset).is_ok() && tag(shard) == *wanted
    }

    /// The tag that a volume's shard must have; none for one behind its volume's end.
    pub fn tag(&self, shape: &Geometry, shard: Shard) -> Option<ShardTag> {
        self.head.data.get(shape.number(shard)?).copied()
    }
}

/// The count with which a file has this size; of spare volumes, whose size does not tell, any that is allowed.
fn count_by_size(shape: &Geometry, size: u64) -> Option<u64> {
    let none = 2 * (FIXED_BYTES + TAG_BYTES * shape.shards() + CHECK_BYTES);
    let each = shape.groups() * (2 * TAG_BYTES + shape.shard_bytes());
    let count = size.checked_sub(none)? / each;
    (file_bytes(shape, count) == size).then_some(count)
}

/// Returns the percentage that gives every volume a recovery file of its size; `volumes` has the sizes of each volume and its
/// file. Small volumes have few shards, so that several percentages give one of them the same file.
pub fn percent_of(volumes: &[(u64, u64)]) -> Option<u32> {
    let fits = |percent: u32, (size, file): (u64, u64)| {
        let shape = Geometry::within(size);
        shape.is_some_and(|shape| count_by_size(&shape, file) == Some(shape.count(percent)))
    };
    let mut all = (1..=50).filter(|percent| volumes.iter().all(|volume| fits(*percent, *volume)));
    all.next().filter(|_| !volumes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn head(shape: &Geometry, count: u64, number: u32) -> Head {
        let tags = |count: u64| (0..count).map(|n| tag(&n.to_be_bytes())).collect();
        Head { id: Sha256::of(b"id"), number, count, data: tags(shape.shards()), own: tags(shape.slots(count)) }
    }

    fn shapes() -> [Geometry; 2] {
        [Geometry::within(100_000).unwrap(), Geometry::across(&[100_000, 50_000, 1]).unwrap()]
    }

    #[test]
    fn a_head_comes_back_and_for_other_volumes_it_is_none() {
        for shape in shapes() {
            for count in 1..=2 {
                let head = head(&shape, count, 1);
                let bytes = head.to_bytes();
                assert_eq!(bytes.len() as u64, head_bytes(&shape, count));
                assert_eq!(Head::parse(&bytes, &shape, &head.id, 1), Some(head.clone()));
                assert_eq!(Head::parse(&bytes, &shape, &Sha256::of(b"other"), 1), None);
                assert_eq!(Head::parse(&bytes, &shape, &head.id, 2), None);
                let other = Geometry::within(90_000).unwrap();
                assert_eq!(Head::parse(&bytes, &other, &head.id, 1), None);
            }
            for count in [0, 26, 9999, u64::from(u32::MAX)] {
                let head = Head { count, ..head(&shape, 1, 0) };
                assert_eq!(Head::parse(&head.to_bytes(), &shape, &head.id, 0), None, "{count}");
            }
        }
    }

    proptest! {
        #[test]
        fn one_whole_head_is_enough(at in any::<prop::sample::Index>(), second in any::<bool>(), count in 1_u64..=8) {
            for shape in shapes() {
                let head = head(&shape, count, 1);
                let bytes = head.to_bytes();
                let body = vec![0; (shape.slots(count) * shape.shard_bytes()) as usize];
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(&[bytes.clone(), body, bytes.clone()].concat()).unwrap();
                prop_assert_eq!(file.metadata().unwrap().len(), file_bytes(&shape, count));
                let offset = at.index(bytes.len()) as u64 + if second { file_bytes(&shape, count) - bytes.len() as u64 } else { 0 };
                file.write_all_at(&[bytes[at.index(bytes.len())] ^ 1], offset).unwrap();
                prop_assert_eq!(RecoveryRecord::open(file, &shape, &head.id, 1).map(|record| record.head), Some(head));
            }
        }

        #[test]
        fn arbitrary_bytes_are_no_record(bytes in prop::collection::vec(any::<u8>(), 0..3000), magic in any::<bool>()) {
            for shape in shapes() {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(if magic { MAGIC } else { &[] }).unwrap();
                file.write_all(&bytes).unwrap();
                prop_assert!(Head::parse(&bytes, &shape, &Sha256::of(b"id"), 1).is_none());
                prop_assert!(RecoveryRecord::open(file, &shape, &Sha256::of(b"id"), 1).is_none());
            }
        }
    }
}
