//! Zstandard frames (RFC 8878), as parts have them.

use std::io;

use zstd::zstd_safe;

/// zstd's level for members that shrink: metadata mostly, so a good ratio at some 100 MB/s.
const LEVEL: i32 = 6;

/// Compresses slices to one frame each. The same zstd makes the same frame of the same bytes, whatever it compressed before.
///
/// It is made once for many slices: to set it up takes as long as compressing a small one.
pub(crate) struct FrameCompressor(zstd::bulk::Compressor<'static>);

impl FrameCompressor {
    /// For slices that travel.
    pub(crate) fn new() -> io::Result<Self> {
        zstd::bulk::Compressor::new(LEVEL).map(Self)
    }

    /// For slices of which only the length of the frame matters, and that roughly.
    pub(crate) fn fastest() -> io::Result<Self> {
        zstd::bulk::Compressor::new(1).map(Self)
    }

    /// Compresses a slice.
    pub(crate) fn compress(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        self.0.compress(bytes)
    }
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

    #[test]
    fn a_frame_does_not_depend_on_those_before() {
        let slices: [Vec<u8>; 4] =
            [20_000, 1, 300_000, 0].map(|length: u32| (0..length).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect());
        let mut frames = FrameCompressor::new().unwrap();
        for slice in slices.iter().chain(slices.iter().rev()) {
            let alone = FrameCompressor::new().unwrap().compress(slice).unwrap();
            assert_eq!(frames.compress(slice).unwrap(), alone, "{} bytes", slice.len());
        }
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
