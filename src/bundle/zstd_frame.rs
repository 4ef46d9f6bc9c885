//! Zstandard frames (RFC 8878), as parts have them.

use std::io;

use zstd::zstd_safe;

/// zstd's level for members that shrink: metadata mostly, so a good ratio at some 100 MB/s.
const LEVEL: i32 = 6;

/// Compresses a slice to one frame. The same zstd makes the same frame of the same bytes.
pub(crate) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, LEVEL)
}

/// Whether these bytes are one frame, and nothing else, that says to have `length` bytes.
pub(super) fn is_frame(frame: &[u8], length: usize) -> bool {
    let whole = zstd_safe::find_frame_compressed_size(frame).is_ok_and(|size| size == frame.len());
    whole && matches!(zstd_safe::get_frame_content_size(frame), Ok(Some(size)) if size == length as u64)
}

/// Expands exactly one zstd frame to exactly `length` bytes; anything else is none.
pub fn expand(frame: &[u8], length: usize) -> Option<Vec<u8>> {
    if !is_frame(frame, length) {
        return None;
    }
    zstd::bulk::decompress(frame, length).ok().filter(|bytes| bytes.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_frame_of_the_right_length_and_nothing_else() {
        let frame = zstd::bulk::compress(&[7; 1000], 3).unwrap();
        assert_eq!(expand(&frame, 1000), Some(vec![7; 1000]));
        assert_eq!(expand(&frame, 999), None);
        assert_eq!(expand(&frame, 1001), None);
        let twice = [frame.clone(), frame.clone()].concat();
        assert_eq!(expand(&twice, 2000), None);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0][..], &frame].concat();
        assert_eq!(expand(&skippable, 1000), None);
        assert_eq!(expand(&frame[..frame.len() - 1], 1000), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_frame_or_expand_to_the_length(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(expanded) = expand(&bytes, 100) {
                prop_assert_eq!(expanded.len(), 100);
            }
        }
    }
}
