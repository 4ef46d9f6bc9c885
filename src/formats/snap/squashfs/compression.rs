//! The compressions of squashfs, one block at a time.

use std::io::{self, Read};

use crate::formats::Invalid;

/// Most memory that an xz block may ask for, in bytes. Its dictionary is at most a block, 1 MiB.
const XZ_MEMORY_BYTES: u64 = 16 << 20;
/// Base-2 logarithm of the largest zstd window accepted, in bytes: 1 MiB, since the kernel allows no more than a block.
const ZSTD_WINDOW_LOG: u32 = 20;

/// How the blocks of an image are compressed, those that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockCompression {
    Gzip,
    Lzo,
    Xz,
    Zstd,
}

impl BlockCompression {
    /// By the number in the superblock.
    pub(super) fn of_number(number: u16) -> Result<Self, Invalid> {
        match number {
            1 => Ok(Self::Gzip),
            2 => Err(Invalid::new("its compression, lzma, is not supported")),
            3 => Ok(Self::Lzo),
            4 => Ok(Self::Xz),
            5 => Err(Invalid::new("its compression, lz4, is not supported")),
            6 => Ok(Self::Zstd),
            _ => Err(Invalid::new(format!("its compression has the number {number}, which means none"))),
        }
    }

    /// What `packed` unpacks to, refused if it is more than `limit` bytes.
    pub(super) fn unpack(self, packed: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        match self {
            // squashfs says gzip, and means the format of zlib.
            Self::Gzip => at_most(flate2::read::ZlibDecoder::new(packed), limit),
            Self::Lzo => lzo(packed, limit),
            Self::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_BYTES, 0)?;
                at_most(liblzma::read::XzDecoder::new_stream(packed, stream), limit)
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                at_most(decoder, limit)
            }
        }
    }
}

fn at_most(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // One byte more than allowed is enough to know.
    reader.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit { Err(too_long(limit)) } else { Ok(content) }
}

/// LZO blocks have no frame around them and do not say how long they are.
fn lzo(packed: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut content = vec![0; limit];
    let length = lzokay::decompress::decompress(packed, &mut content).map_err(|error| match error {
        lzokay::Error::OutputOverrun => too_long(limit),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    })?;
    content.truncate(length);
    Ok(content)
}

fn too_long(limit: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it holds more than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::refusal;

    const ALL: [BlockCompression; 4] =
        [BlockCompression::Gzip, BlockCompression::Lzo, BlockCompression::Xz, BlockCompression::Zstd];

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; 1 << 20];
        let mut zlib = flate2::read::ZlibEncoder::new(zeros.as_slice(), flate2::Compression::best());
        let mut packed = Vec::new();
        zlib.read_to_end(&mut packed).unwrap();
        let bombs = [
            (BlockCompression::Gzip, packed),
            (BlockCompression::Xz, liblzma::encode_all(zeros.as_slice(), 6).unwrap()),
            (BlockCompression::Zstd, zstd::encode_all(zeros.as_slice(), 1).unwrap()),
        ];
        for (compression, bomb) in bombs {
            assert_eq!(compression.unpack(&bomb, 1 << 20).unwrap(), zeros, "{compression:?}");
            let error = compression.unpack(&bomb, 8192).unwrap_err();
            assert_eq!(error.to_string(), "it holds more than 8192 bytes", "{compression:?}");
        }
    }

    #[test]
    fn an_xz_block_that_asks_for_much_memory_is_refused() {
        let greedy = liblzma::encode_all([7; 100].as_slice(), 9).unwrap();
        assert!(BlockCompression::Xz.unpack(&greedy, 8192).is_err());
    }

    #[test]
    fn numbers_are_those_of_the_format() {
        for (compression, number) in ALL.into_iter().zip([1, 3, 4, 6]) {
            assert_eq!(BlockCompression::of_number(number).unwrap(), compression);
        }
        assert!(refusal(BlockCompression::of_number(2)).contains("is not supported"));
        assert!(refusal(BlockCompression::of_number(5)).contains("is not supported"));
        for number in [0, 7, u16::MAX] {
            assert!(refusal(BlockCompression::of_number(number)).contains("which means none"));
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for compression in ALL {
                if let Ok(content) = compression.unpack(&bytes, 1000) {
                    prop_assert!(content.len() <= 1000);
                }
            }
        }
    }
}
