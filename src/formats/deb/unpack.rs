//! Unpacks a compressed control.tar in memory, within fixed limits.

use std::io::{self, Read};

use super::{DebError, MAX_CONTROL_TAR_BYTES};

/// Most memory for an xz decoder, in bytes: enough for presets up to `-9`.
const MAX_XZ_MEMORY_BYTES: u64 = 128 << 20;
/// Largest window of a zstd frame, as a power of two in bytes: what `zstd -19 --long=27` needs, and decoders take unasked.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// Compressions of a control.tar (deb(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
}

impl Compression {
    /// The compression that a member's name tells, if it is `stem` with a suffix that is known.
    pub(super) fn of_member(name: &str, stem: &str) -> Option<Self> {
        match name.strip_prefix(stem)? {
            "" => Some(Self::None),
            ".gz" => Some(Self::Gzip),
            ".xz" => Some(Self::Xz),
            ".zst" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// What `packed` unpacks to, if that is at most [`MAX_CONTROL_TAR_BYTES`].
pub(super) fn unpack(packed: &[u8], compression: Compression) -> Result<Vec<u8>, DebError> {
    let unpacked = match compression {
        Compression::None => read(packed),
        Compression::Gzip => read(flate2::read::MultiGzDecoder::new(packed)),
        Compression::Xz => {
            liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY_BYTES, liblzma::stream::CONCATENATED)
                .map_err(io::Error::from)
                .and_then(|stream| read(liblzma::read::XzDecoder::new_stream(packed, stream)))
        }
        Compression::Zstd => zstd::stream::read::Decoder::with_buffer(packed).and_then(|mut decoder| {
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            read(decoder)
        }),
    };
    let unpacked = unpacked.map_err(DebError::Unpack)?;
    if unpacked.len() as u64 > MAX_CONTROL_TAR_BYTES {
        return Err(DebError::TooLarge { what: "its unpacked control.tar", limit: MAX_CONTROL_TAR_BYTES });
    }
    Ok(unpacked)
}

/// All that `reader` yields, or one byte more than the limit.
fn read(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_CONTROL_TAR_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
