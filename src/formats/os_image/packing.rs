//! Compares the first bytes of an image's file with its filetype: MAAS itself looks only when a machine is deployed.

use std::fmt;
use std::io::{self, Read};

use super::Filetype;
use crate::formats::ReadError;
use crate::formats::compression::{Compression, reader};

/// The bytes of the content that are looked at: one tar header, or the boot sector of a disk.
const HEAD_BYTES: u64 = 512;
/// The first bytes of compressed files.
const COMPRESSIONS: [(&[u8], Compression); 4] = [
    (b"\x1f\x8b", Compression::Gzip),
    (b"BZh", Compression::Bzip2),
    (b"\xfd7zXZ\0", Compression::Xz),
    (b"\x28\xb5\x2f\xfd", Compression::Zstd),
];
/// The first bytes of formats that MAAS writes nowhere.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"QFI\xfb", "a qcow2 disk"),
    (b"KDMV", "a VMDK disk"),
    (b"# Disk DescriptorFile", "a VMDK disk"),
    (b"vhdxfile", "a VHDX disk"),
    (b"conectix", "a VHD disk"),
    (b"PK\x03\x04", "a zip archive"),
    (b"hsqs", "a squashfs file system"),
];

/// The packing of a file, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePacking {
    /// The outer compression.
    pub compression: Compression,
    /// The content inside.
    pub content: Content,
}

/// The content of a file, once it is decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An archive.
    Tar,
    /// A disk, byte by byte.
    Disk,
    /// A format that MAAS does not know.
    Foreign(&'static str),
}

fn instead(found: FilePacking, wanted: Filetype) -> String {
    let is_root = wanted.holds_root();
    let fits = |filetype: &&Filetype| filetype.packing() == found && filetype.holds_root() == is_root;
    let fitting = Filetype::ALL.iter().find(fits);
    match fitting.or_else(|| Filetype::ALL.iter().find(|filetype| filetype.packing() == found)) {
        Some(filetype) => format!(": write filetype = {:?}", filetype.as_str()),
        None => ": convert it, since MAAS takes no such file".to_owned(),
    }
}

fn article(compression: Compression) -> &'static str {
    match compression {
        Compression::Plain => "plain bytes",
        Compression::Gzip => "gzip",
        Compression::Xz => "xz",
        Compression::Bzip2 => "bzip2",
        Compression::Zstd => "zstd",
    }
}

impl fmt::Display for FilePacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = match self.content {
            Content::Tar => "a tar archive",
            Content::Disk => "a raw disk",
            Content::Foreign(what) => what,
        };
        match self.compression {
            Compression::Plain => f.write_str(content),
            compression => write!(f, "{content} compressed with {}", article(compression)),
        }
    }
}

impl FilePacking {
    /// Looks at the first bytes of `file`.
    pub fn of(mut file: impl Read + Send) -> Result<Self, ReadError> {
        let raw = head(&mut file)?;
        if raw.is_empty() {
            return Err(ReadError::invalid("its file is empty"));
        }
        let known = COMPRESSIONS.iter().find(|(magic, _)| raw.starts_with(magic));
        let compression = known.map_or(Compression::Plain, |(_, compression)| *compression);
        let decoded = reader(raw.chain(file), compression).map_err(|error| error.to_string());
        let decoded = decoded.and_then(|mut content| head(&mut content).map_err(|error| error.to_string()));
        match decoded {
            Ok(content) if content.is_empty() => Err(ReadError::invalid("its file is empty")),
            Ok(content) => Ok(Self { compression, content: Content::of(&content) }),
            Err(reason) => Err(ReadError::invalid(format!(
                "its file begins as {} and does not decompress: {reason}",
                article(compression)
            ))),
        }
    }
}

impl Content {
    fn of(head: &[u8]) -> Self {
        match FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
            Some((_, what)) => Self::Foreign(what),
            None if is_tar(head) => Self::Tar,
            None => Self::Disk,
        }
    }
}

/// Returns `true` for a tar header: its checksum counts the bytes of the header, with spaces in its own place.
fn is_tar(head: &[u8]) -> bool {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let Some(field) = head.get(CHECKSUM).filter(|_| head.len() as u64 == HEAD_BYTES) else { return false };
    let digits = field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| (b'0'..=b'7').contains(byte));
    let digits: Vec<u8> = digits.copied().collect();
    let said = digits.iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
    let byte = |(at, byte): (usize, &u8)| u32::from(if CHECKSUM.contains(&at) { b' ' } else { *byte });
    !digits.is_empty() && head.iter().enumerate().map(byte).sum::<u32>() == said
}

fn head(file: &mut (impl Read + ?Sized)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

impl Filetype {
    /// Returns the packing that a file of this type must have.
    pub fn packing(self) -> FilePacking {
        let (compression, content) = match self {
            Self::Tgz | Self::Ddtgz => (Compression::Gzip, Content::Tar),
            Self::Tbz | Self::Ddtbz => (Compression::Bzip2, Content::Tar),
            Self::Txz | Self::Ddtxz => (Compression::Xz, Content::Tar),
            Self::Ddtar => (Compression::Plain, Content::Tar),
            Self::Ddraw => (Compression::Plain, Content::Disk),
            Self::Ddbz2 => (Compression::Bzip2, Content::Disk),
            Self::Ddgz => (Compression::Gzip, Content::Disk),
            Self::Ddxz => (Compression::Xz, Content::Disk),
        };
        FilePacking { compression, content }
    }

    /// Returns `true` for an archive of a root file system, and `false` for a disk.
    fn holds_root(self) -> bool {
        matches!(self, Self::Tgz | Self::Tbz | Self::Txz)
    }

    /// Compares the first bytes of `file` with the type.
    pub fn check_file(self, file: impl Read + Send) -> Result<(), ReadError> {
        let found = FilePacking::of(file)?;
        if found == self.packing() {
            return Ok(());
        }
        let (name, wanted, instead) = (self.as_str(), self.packing(), instead(found, self));
        Err(ReadError::invalid(format!("its file is {found}, and filetype = {name:?} means {wanted}{instead}")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn tar() -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_old();
        header.set_size(1);
        archive.append_data(&mut header, "etc/os-release", &b"x"[..]).unwrap();
        archive.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        liblzma::encode_all(bytes, 1).unwrap()
    }

    #[test]
    fn each_filetype_takes_its_own_packing_and_no_other() {
        let disk = vec![7; 4096];
        let files = [
            (Filetype::Tgz, gzip(&tar())),
            (Filetype::Tbz, bzip2(&tar())),
            (Filetype::Txz, xz(&tar())),
            (Filetype::Ddtar, tar()),
            (Filetype::Ddraw, disk.clone()),
            (Filetype::Ddgz, gzip(&disk)),
            (Filetype::Ddbz2, bzip2(&disk)),
            (Filetype::Ddxz, xz(&disk)),
        ];
        for (wanted, bytes) in &files {
            for filetype in Filetype::ALL {
                let found = filetype.check_file(&bytes[..]);
                assert_eq!(found.is_ok(), filetype.packing() == wanted.packing(), "{wanted:?} {filetype:?}");
            }
        }
    }

    #[test]
    fn refusals_name_the_right_filetype() {
        let said = |filetype: Filetype, bytes: &[u8]| filetype.check_file(bytes).unwrap_err().to_string();
        let disk = vec![7; 4096];
        for (filetype, bytes, words) in [
            (
                Filetype::Ddtgz,
                gzip(&disk),
                "a raw disk compressed with gzip, and filetype = \"ddtgz\" means a tar archive compressed with gzip: write filetype = \"ddgz\"",
            ),
            (Filetype::Txz, gzip(&tar()), "write filetype = \"tgz\""),
            (Filetype::Ddxz, gzip(&tar()), "write filetype = \"ddtgz\""),
            (Filetype::Tgz, gzip(&disk), "write filetype = \"ddgz\""),
            (Filetype::Tgz, tar(), "write filetype = \"ddtar\""),
            (
                Filetype::Ddraw,
                b"QFI\xfb....".to_vec(),
                "its file is a qcow2 disk, and filetype = \"ddraw\" means a raw disk: convert it",
            ),
            (Filetype::Tgz, zstd::encode_all(&tar()[..], 1).unwrap(), "compressed with zstd, and"),
            (Filetype::Tgz, Vec::new(), "its file is empty"),
            (Filetype::Tgz, gzip(b""), "its file is empty"),
            (Filetype::Tgz, b"\x1f\x8bnonsense".to_vec(), "its file begins as gzip and does not decompress"),
        ] {
            let said = said(filetype, &bytes);
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}
