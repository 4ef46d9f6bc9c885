//! How generated members and indexes are compressed.

use std::io::{self, Write};

/// A compression, chosen for speed and not for size: generated archives are thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SampleCompression {
    /// Not compressed.
    Plain,
    /// gzip (RFC 1952).
    Gzip,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878), as Ubuntu packs its .debs.
    Zstd,
    /// bzip2, for the indexes of old archives; no .deb member has it.
    Bzip2,
}

impl SampleCompression {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Gzip, Self::Xz, Self::Zstd, Self::Bzip2];

    /// The suffix of files in this compression.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
            Self::Bzip2 => ".bz2",
        }
    }

    /// `bytes` in this compression.
    pub fn pack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let (packed, ()) = self.pack_into(Vec::new(), |writer| writer.write_all(bytes))?;
        Ok(packed)
    }

    /// Appends to `target`, compressed, what `fill` writes.
    pub(crate) fn pack_into<T>(
        self,
        mut target: Vec<u8>,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> io::Result<(Vec<u8>, T)> {
        match self {
            Self::Plain => {
                let value = fill(&mut target)?;
                Ok((target, value))
            }
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(target, flate2::Compression::fast());
                let value = fill(&mut encoder)?;
                Ok((encoder.finish()?, value))
            }
            Self::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(target, 0);
                let value = fill(&mut encoder)?;
                Ok((encoder.finish()?, value))
            }
            Self::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(target, 1)?;
                let value = fill(&mut encoder)?;
                Ok((encoder.finish()?, value))
            }
            Self::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(target, bzip2::Compression::fast());
                let value = fill(&mut encoder)?;
                Ok((encoder.finish()?, value))
            }
        }
    }
}
