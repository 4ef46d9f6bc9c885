//! Patches: a slice of a blob as one Zstandard frame, for a decoder that has a slice of an older blob before its first byte.
//!
//! That is what `zstd --patch-from` makes and reads: the older bytes are a raw-content dictionary (RFC 8878, section 5). Both
//! slices are bounded, so a reader holds at most [`MAX_BASE_BYTES`] + 2 × [`MAX_ZSTD_SLICE_BYTES`] for each part in work.

use std::io;

use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

use super::packing::index::{MAX_BASE_BYTES, MAX_ZSTD_SLICE_BYTES};
use super::zstd_frame::is_frame;

/// zstd's level for patches. They are small, and what they save is carried by hand.
const LEVEL: i32 = 9;

/// `content` as a patch against `base`: the same frame whenever the same zstd is given the same bytes.
pub fn compress(content: &[u8], base: &[u8]) -> io::Result<Vec<u8>> {
    let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
    let parameters = [
        CParameter::CompressionLevel(LEVEL),
        // All of the base stays in reach up to the content's end.
        CParameter::WindowLog(window_log(content.len() + base.len())),
        CParameter::EnableLongDistanceMatching(true),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ];
    for parameter in parameters {
        context.set_parameter(parameter).map_err(failure)?;
    }
    context.ref_prefix(base).map_err(failure)?;
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(content.len()));
    context.compress2(&mut frame, content).map_err(failure)?;
    Ok(frame)
}

/// Expands exactly one frame without a dictionary's id to exactly `length` bytes, with `base` before them; anything else is
/// none. Whether the base is the right one shows in the digest of what comes out.
pub fn expand(frame: &[u8], base: &[u8], length: usize) -> Option<Vec<u8>> {
    let bounded = base.len() as u64 <= MAX_BASE_BYTES && length as u64 <= MAX_ZSTD_SLICE_BYTES;
    if !bounded || !is_frame(frame, length) || zstd_safe::get_dict_id_from_frame(frame).is_some() {
        return None;
    }
    let mut context = DCtx::try_create()?;
    context.ref_prefix(base).ok()?;
    let mut content = Vec::with_capacity(length);
    // In one step, so that no window is allocated, whatever the frame's header says.
    context.decompress(&mut content, frame).ok()?;
    (content.len() == length).then_some(content)
}

/// Which slice of an old blob of `old` bytes most likely has what stands in a new one of `new` bytes at `middle`: its start and
/// its length. All of it, if it is not larger than `most`.
pub(super) fn window(old: u64, new: u64, middle: u64, most: u64) -> (u64, u64) {
    if old <= most {
        return (0, old);
    }
    let same = u128::from(middle) * u128::from(old) / u128::from(new.max(1));
    let start = u64::try_from(same).unwrap_or(old).saturating_sub(most / 2);
    (start.min(old - most), most)
}

/// The binary logarithm of the least window that has so many bytes; at least zstd's own minimum.
fn window_log(bytes: usize) -> u32 {
    bytes.next_power_of_two().trailing_zeros().clamp(10, 27)
}

fn failure(code: zstd_safe::ErrorCode) -> io::Error {
    io::Error::other(zstd_safe::get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Payload;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn noise(size: u64, seed: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        Payload::Pseudorandom { size, seed }.reader().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_small_change_is_a_small_patch() {
        let old = noise(3_000_000, 1);
        let new = [&old[..1_000_000], b"something new", &old[1_200_000..]].concat();
        let patch = compress(&new, &old).unwrap();
        assert!(patch.len() < 2000, "{}", patch.len());
        assert_eq!(expand(&patch, &old, new.len()).unwrap(), new);
        assert_eq!(compress(&new, &old).unwrap(), patch);
        for length in [0, new.len() - 1, new.len() + 1, usize::MAX] {
            assert_eq!(expand(&patch, &old, length), None);
        }
        assert_ne!(expand(&patch, &noise(3_000_000, 2), new.len()), Some(new.clone()));
        assert_eq!(expand(&patch, b"", new.len()), None);
        assert_eq!(expand(&[patch.as_slice(), &[0]].concat(), &old, new.len()), None);
        assert_eq!(expand(&patch[..patch.len() - 1], &old, new.len()), None);
    }

    #[test]
    fn the_largest_slices_reach_all_of_the_base() {
        let old = noise(MAX_BASE_BYTES, 1);
        // Its beginning stands at the very end, as far away as can be.
        let new = [noise(MAX_ZSTD_SLICE_BYTES - 1_000_000, 2), old[..1_000_000].to_vec()].concat();
        let patch = compress(&new, &old).unwrap();
        assert!(patch.len() as u64 + 990_000 < MAX_ZSTD_SLICE_BYTES, "{}", patch.len());
        assert!(expand(&patch, &old, new.len()).unwrap() == new);
        assert!(expand(&patch, &noise(MAX_BASE_BYTES + 1, 1), new.len()).is_none());
    }

    #[test]
    fn a_frame_with_a_dictionary_id_is_refused() {
        let old = noise(10_000, 1);
        let patch = compress(&old, &old).unwrap();
        // Frame_Header_Descriptor (RFC 8878, section 3.1.1.1.1): the two lowest bits say how long the dictionary's id is.
        assert_eq!(patch[4] & 3, 0);
        let mut with_id = patch.clone();
        with_id[4] |= 1;
        with_id.insert(5, 77);
        assert!(is_frame(&with_id, old.len()));
        assert_eq!(expand(&with_id, &old, old.len()), None);
    }

    #[test]
    fn a_bomb_ends_where_the_manifest_says() {
        let bomb = zstd::bulk::compress(&vec![0; 50 << 20], 19).unwrap();
        assert!(bomb.len() < 10_000);
        for length in [1000, 16 << 20, 50 << 20] {
            assert_eq!(expand(&bomb, b"base", length), None);
        }
    }

    #[test]
    fn a_window_lies_where_the_same_most_likely_is() {
        assert_eq!(window(100, 200, 150, 100), (0, 100));
        assert_eq!(window(1000, 1000, 0, 100), (0, 100));
        assert_eq!(window(1000, 1000, 500, 100), (450, 100));
        assert_eq!(window(1000, 2000, 1000, 100), (450, 100));
        assert_eq!(window(1000, 2000, 2000, 100), (900, 100));
        assert_eq!(window(u64::MAX, 0, u64::MAX, 100), (u64::MAX - 100, 100));
    }

    proptest! {
        #[test]
        fn what_is_compressed_expands_again(
            old in prop::collection::vec(any::<u8>(), 0..3000),
            pieces in prop::collection::vec((any::<u16>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..50)), 0..20),
        ) {
            let mut new = Vec::new();
            for (start, length, own) in pieces {
                new.extend(old.iter().skip(usize::from(start) % (old.len() + 1)).take(usize::from(length) % 500));
                new.extend(own);
            }
            let patch = compress(&new, &old).unwrap();
            prop_assert_eq!(expand(&patch, &old, new.len()), Some(new));
        }

        #[test]
        fn arbitrary_changes_never_yield_another_length(
            at in any::<prop::sample::Index>(), to in any::<u8>(), length in 0usize..6000,
        ) {
            let old = noise(4000, 1);
            let mut patch = compress(&[&old[2000..], &old[..1000]].concat(), &old).unwrap();
            let at = at.index(patch.len());
            patch[at] = to;
            for length in [length, 3000] {
                prop_assert!(expand(&patch, &old, length).is_none_or(|content| content.len() == length));
            }
        }

        #[test]
        fn a_window_is_always_inside(old in any::<u64>(), new in any::<u64>(), middle in any::<u64>(), most in 1..u64::MAX) {
            let (start, length) = window(old, new, middle, most);
            prop_assert!(length <= most && start.checked_add(length).is_some_and(|end| end <= old));
        }
    }
}
