//! Compressed indexes and package members: one decoder for each suffix that archives use, none of which can be made to
//! fill the memory.

use std::io::{self, BufRead, BufReader, Read};
use std::num::NonZero;

use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream as xz;
use zstd::zstd_safe;

use crate::formats::Invalid;

/// Base-2 logarithm of the largest window of any decoder, in bytes: 64 MiB, which `xz -9` needs, its largest preset.
///
/// Real files need less. Debian's indexes have a window of 8 MiB (`xz -6`), which is also that of `zstd -19`, as apt-ftparchive
/// calls it, and what RFC 8878 asks of every decoder. apt takes 500 MiB for xz and 128 MiB for zstd, so it reads a text of more
/// than 64 MiB that `zstd --ultra -22` or `--long` made, and we refuse it: a bomb of 2 KB fills any window.
const WINDOW_LOG: u32 = 26;
/// Most memory that an xz stream may ask for, in bytes: the window, and 1 MiB for the decoder.
const XZ_MEMORY_BYTES: u64 = (1 << WINDOW_LOG) + (1 << 20);
/// Most memory that the blocks of one xz stream may take that are decoded side by side, in bytes. Debian's have 24 MiB each, and take
/// 37 MiB. If two blocks need more, one follows the other.
const XZ_BLOCKS_BYTES: u64 = 80 << 20;

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
        match source.kind() {
            io::ErrorKind::OutOfMemory => Invalid::new(source.to_string()),
            _ => Invalid::new(format!("not a whole {} stream", self.word())).because(source),
        }
    }

    /// Says of a decoder's error what to do if the window is too large.
    fn explain(self, error: io::Error) -> io::Error {
        let is_too_large = match self {
            Self::Xz => is_above_limit(&error),
            Self::Zstd => error.to_string() == zstd_safe::get_error_name(WINDOW_TOO_LARGE),
            Self::Plain | Self::Gzip | Self::Bzip2 => false,
        };
        if !is_too_large {
            return error;
        }
        let (word, most) = (self.word(), (1_u64 << WINDOW_LOG) >> 20);
        let what = format!(
            "a decoder of this {word} stream needs more memory than for a window of {most} MiB, which gapferry allows: it must be \
             compressed anew, with xz -9 or zstd -19 at most and without --long"
        );
        io::Error::new(io::ErrorKind::OutOfMemory, what)
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

/// `ZSTD_error_frameParameter_windowTooLarge` of zstd_errors.h, as functions return it: negated.
const WINDOW_TOO_LARGE: usize = 0_usize.wrapping_sub(16);

/// Returns `true` if xz stopped at the memory limit.
fn is_above_limit(error: &io::Error) -> bool {
    let of_xz = error.get_ref().and_then(|error| error.downcast_ref::<xz::Error>());
    matches!(of_xz, Some(xz::Error::MemLimit))
}

/// The number of threads of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecoderThreads {
    /// The caller alone.
    Callers,
    /// One for each core, for the blocks of a large .xz.
    OnePerCore,
}

/// A reader of what `inner` holds. It does not limit how much that is: see [`decompress`].
pub fn reader<'a>(inner: impl Read + Send + 'a, kind: Compression) -> Result<Box<dyn Read + Send + 'a>, Invalid> {
    decoder(inner, kind, DecoderThreads::Callers)
}

/// The same for a large file, whose blocks are decoded side by side if it is an .xz that names their sizes, as `xz -T` writes it.
pub fn parallel_reader<'a>(
    inner: impl Read + Send + 'a,
    kind: Compression,
) -> Result<Box<dyn Read + Send + 'a>, Invalid> {
    decoder(inner, kind, DecoderThreads::OnePerCore)
}

fn decoder<'a>(
    inner: impl Read + Send + 'a,
    kind: Compression,
    threads: DecoderThreads,
) -> Result<Box<dyn Read + Send + 'a>, Invalid> {
    let corrupt = |source| kind.corrupt(source);
    Ok(match kind {
        Compression::Plain => Box::new(inner),
        Compression::Gzip => Box::new(GzipReader { member: Some(GzDecoder::new(BufReader::new(inner))) }),
        Compression::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(inner)),
        Compression::Xz => {
            let xz = XzReader { stream: Some(xz_decoder(BufReader::new(inner), threads).map_err(corrupt)?), threads };
            Box::new(Explained { inner: xz, kind })
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(inner).map_err(corrupt)?;
            decoder.window_log_max(WINDOW_LOG).map_err(corrupt)?;
            Box::new(Explained { inner: decoder, kind })
        }
    })
}

fn xz_decoder<R: BufRead>(inner: R, threads: DecoderThreads) -> io::Result<XzDecoder<R>> {
    let stream = match threads {
        DecoderThreads::Callers => xz::Stream::new_stream_decoder(XZ_MEMORY_BYTES, 0)?,
        DecoderThreads::OnePerCore => {
            let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
            let mut builder = xz::MtStreamBuilder::new();
            builder.threads(u32::try_from(cores).unwrap_or(1));
            builder.memlimit_threading(XZ_BLOCKS_BYTES).memlimit_stop(XZ_MEMORY_BYTES).decoder()?
        }
    };
    Ok(XzDecoder::new_stream(inner, stream))
}

/// Reads .xz streams one after the other, with zeros between them (xz's file format, section 2.2). liblzma's own way to do so cannot be
/// asked for together with threads.
struct XzReader<R> {
    /// The current stream; `None` at the end.
    stream: Option<XzDecoder<BufReader<R>>>,
    threads: DecoderThreads,
}

impl<R: Read> Read for XzReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(stream) = &mut self.stream {
            let read = stream.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut rest) = self.stream.take().map(XzDecoder::into_inner) else { break };
            if skip_zeros(&mut rest)? {
                self.stream = Some(xz_decoder(rest, self.threads)?);
            }
        }
        Ok(0)
    }
}

/// Passes over zeros. Returns `true` if something follows.
fn skip_zeros(rest: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = rest.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let (is_end, is_found) = (bytes.is_empty(), zeros < bytes.len());
        rest.consume(zeros);
        if is_end || is_found {
            return Ok(is_found);
        }
    }
}

/// Explains the errors of a decoder.
struct Explained<R> {
    inner: R,
    kind: Compression,
}

impl<R: Read> Read for Explained<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| self.kind.explain(error))
    }
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

    fn zstd_with_window(log: u32) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&[7; 100_000]).unwrap();
        encoder.finish().unwrap()
    }

    fn xz_with_dictionary(bytes: u32) -> Vec<u8> {
        let mut options = xz::LzmaOptions::new_preset(1).unwrap();
        options.dict_size(bytes);
        let stream = xz::Stream::new_stream_encoder(xz::Filters::new().lzma2(&options), xz::Check::Crc32).unwrap();
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(&[7; 100_000]).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn windows_above_the_limit_are_refused_with_the_way_out() {
        for (kind, fits, too_large) in [
            (Compression::Zstd, zstd_with_window(26), zstd_with_window(27)),
            (Compression::Xz, xz_with_dictionary(64 << 20), xz_with_dictionary(65 << 20)),
        ] {
            for threads in [DecoderThreads::Callers, DecoderThreads::OnePerCore] {
                let read = |bytes: &[u8]| decoder(bytes, kind, threads).unwrap().read_to_end(&mut Vec::new());
                assert_eq!(read(&fits).unwrap(), 100_000, "{kind:?}");
                let said = kind.corrupt(read(&too_large).unwrap_err()).to_string();
                let wanted =
                    "more memory than for a window of 64 MiB, which gapferry allows: it must be compressed anew";
                assert!(said.contains(wanted), "{kind:?}: {said}");
            }
        }
    }

    #[test]
    fn blocks_of_xz_are_read_side_by_side() {
        let text: Vec<u8> = (0..700_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let mut builder = xz::MtStreamBuilder::new();
        let stream = builder.preset(0).threads(2).block_size(256 << 10).encoder().unwrap();
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(&text).unwrap();
        let whole = encoder.finish().unwrap();
        let read = |bytes: &[u8]| {
            let mut content = Vec::new();
            parallel_reader(bytes, Compression::Xz).unwrap().read_to_end(&mut content).map(|_| content)
        };
        assert_eq!(read(&whole).unwrap(), text);
        for padding in [0, 4, 70_000] {
            let twice = [whole.as_slice(), &vec![0; padding], &whole, &[0; 8]].concat();
            assert_eq!(read(&twice).unwrap(), [text.as_slice(), &text].concat());
            assert_eq!(decompress(&twice, Compression::Xz, 6 << 20).unwrap().len(), 2 * text.len());
        }
        assert!(read(&[whole.as_slice(), b"more"].concat()).is_err());
        assert!(read(&whole[..whole.len() - 1]).is_err());
        assert!(read(&whole[..whole.len() / 2]).is_err());
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
