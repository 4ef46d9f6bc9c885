//! Compressed indexes and package members: one decoder for each suffix that archives use, none of which can be made to
//! fill the memory.

use std::io::{self, BufRead as _, BufReader, Read};

use crate::formats::Invalid;
use flate2::bufread::GzDecoder;

/// Most memory an xz stream may ask for, in bytes. `xz -9`, the largest preset, needs 65 MiB.
const XZ_MEMORY_BYTES: u64 = 128 << 20;
/// Base-2 logarithm of the largest zstd window accepted, in bytes: 128 MiB, which is what `zstd --ultra` uses.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How the bytes of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// RFC 1952, one or several members.
    Gzip,
    /// The .xz format, one or several streams.
    Xz,
    /// The bzip2 format, one or several streams.
    Bzip2,
    /// RFC 8878, one or several frames.
    Zstd,
}

impl Compression {
    /// All of them, in the order in which apt asks for indexes (apt.conf(5), `Acquire::CompressionTypes`).
    pub const ALL: [Self; 5] = [Self::Xz, Self::Bzip2, Self::Gzip, Self::Zstd, Self::Plain];

    /// The compression that the suffix of a file name tells; [`Compression::Plain`] where it tells none.
    pub fn of_name(name: &str) -> Self {
        let by_suffix = |kind: &Self| *kind != Self::Plain && name.ends_with(kind.suffix());
        Self::ALL.into_iter().find(by_suffix).unwrap_or(Self::Plain)
    }

    /// The suffix of file names, with its dot; empty for [`Compression::Plain`].
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Bzip2 => ".bz2",
            Self::Zstd => ".zst",
        }
    }

    /// The error for bytes that the decoder refuses, or that end too early.
    pub fn corrupt(self, source: io::Error) -> Invalid {
        Invalid::new(format!("not a whole {} stream", self.word())).because(source)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
        }
    }
}

/// A reader of what `inner` holds. It does not limit how much that is: see [`decompress`].
pub fn reader<'a>(inner: impl Read + Send + 'a, kind: Compression) -> Result<Box<dyn Read + Send + 'a>, Invalid> {
    let corrupt = |source| kind.corrupt(source);
    Ok(match kind {
        Compression::Plain => Box::new(inner),
        Compression::Gzip => Box::new(GzipReader { member: Some(GzDecoder::new(BufReader::new(inner))) }),
        Compression::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(inner)),
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_BYTES, liblzma::stream::CONCATENATED)
                .map_err(|error| corrupt(error.into()))?;
            Box::new(liblzma::read::XzDecoder::new_stream(inner, stream))
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(inner).map_err(corrupt)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(corrupt)?;
            Box::new(decoder)
        }
    })
}

/// First byte of a gzip member (RFC 1952, section 2.3.1).
const GZIP_ID1: u8 = 0x1f;

/// Reads gzip members one after the other. Ignores padding behind the last one, as gzip(1) and apt do: tools that write
/// Packages.gz in blocks leave some.
struct GzipReader<R> {
    /// The current member; `None` at the end.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let rest = self.member.take().map(GzDecoder::into_inner);
            if let Some(mut rest) = rest
                && rest.fill_buf()?.first() == Some(&GZIP_ID1)
            {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// What `bytes` hold, refused as soon as it is more than `cap` bytes.
pub fn decompress(bytes: &[u8], kind: Compression, cap: u64) -> Result<Vec<u8>, Invalid> {
    let mut content = Vec::new();
    // One byte more than allowed is enough to know, and all that a bomb gets to write.
    let mut limited = reader(bytes, kind)?.take(cap.saturating_add(1));
    limited.read_to_end(&mut content).map_err(|source| kind.corrupt(source))?;
    if content.len() as u64 > cap {
        return Err(Invalid::new(format!("it holds more than the {cap} bytes allowed")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::formats::refusal;

    fn compress(bytes: &[u8], kind: Compression) -> Vec<u8> {
        match kind {
            Compression::Plain => bytes.to_vec(),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Xz => liblzma::encode_all(bytes, 1).unwrap(),
            Compression::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(bytes, 1).unwrap(),
        }
    }

    #[test]
    fn suffixes_tell_the_compression() {
        let names = ["Packages.xz", "Packages.bz2", "Packages.gz", "Packages.zst", "Packages"];
        assert_eq!(names.map(Compression::of_name), Compression::ALL);
    }

    #[test]
    fn several_members_are_one_content() {
        for kind in Compression::ALL {
            let twice = [compress(b"gap", kind), compress(b"ferry", kind)].concat();
            assert_eq!(decompress(&twice, kind, 8).unwrap(), b"gapferry", "{kind:?}");
        }
    }

    #[test]
    fn padding_behind_gzip_is_ignored() {
        for padding in [&[0; 512][..], b"\n\n", b"x"] {
            let padded = [&compress(b"gap", Compression::Gzip)[..], padding].concat();
            assert_eq!(decompress(&padded, Compression::Gzip, 8).unwrap(), b"gap", "{padding:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_cap() {
        let zeros = vec![0; 4 << 20];
        for kind in Compression::ALL {
            let bomb = compress(&zeros, kind);
            assert!(refusal(decompress(&bomb, kind, 1000)).contains("it holds more than"), "{kind:?}");
            assert_eq!(decompress(&bomb, kind, 4 << 20).unwrap().len(), 4 << 20, "{kind:?}");
        }
    }

    #[test]
    fn a_cut_stream_is_refused() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for kind in Compression::ALL.into_iter().filter(|kind| *kind != Compression::Plain) {
            let whole = compress(&text, kind);
            for end in [whole.len() - 1, whole.len() / 2, 9] {
                let cut = decompress(&whole[..end], kind, 1 << 20);
                assert!(refusal(cut).contains("not a whole"), "{kind:?} cut at {end}");
            }
        }
    }

    #[test]
    fn a_zstd_window_beyond_the_limit_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&[7; 100_000]).unwrap();
        let bytes = encoder.finish().unwrap();
        assert!(refusal(decompress(&bytes, Compression::Zstd, 1 << 20)).contains("not a whole"));
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for kind in Compression::ALL {
                let _ = decompress(&bytes, kind, 1000);
            }
        }

        #[test]
        fn what_was_compressed_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            for kind in Compression::ALL {
                prop_assert_eq!(&decompress(&compress(&bytes, kind), kind, 3000).unwrap(), &bytes);
            }
        }
    }
}
