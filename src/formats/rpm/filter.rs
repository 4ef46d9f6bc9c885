//! Cuts a list of packages down to those that are there, by copying the bytes of their elements.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::write::GzEncoder;

use super::elements::{Element, Elements, with_location};
use super::{Data, MAX_OPEN_BYTES, PRIMARY, Package, package};
use crate::digest::{Hashing, Sha256};
use crate::formats::Invalid;
use crate::formats::compression::{Compression, reader};

/// A list that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Compressed with gzip, which every client reads, without name and time.
    pub bytes: Vec<u8>,
    /// The digest of what it holds.
    pub open_sha256: Sha256,
    /// How much it holds, in bytes.
    pub open_size: u64,
    /// How many packages it lists.
    pub packages: usize,
}

impl Data {
    /// What the file holds, refused where that is more than repomd.xml names, or than any real one holds.
    pub fn expand<'a>(&self, file: impl Read + Send + 'a) -> Result<Box<dyn BufRead + 'a>, Invalid> {
        let inner = reader(file, Compression::of_name(self.path.as_str()))?;
        let wanted = self.open_size.filter(|size| *size <= MAX_OPEN_BYTES);
        let left = wanted.unwrap_or(MAX_OPEN_BYTES);
        Ok(Box::new(BufReader::with_capacity(64 << 10, Capped { inner, left, exact: wanted.is_some() })))
    }
}

/// Passes on a number of bytes and no more; an error instead of a longer stream, or of a shorter one where it is exact.
struct Capped<R> {
    inner: R,
    left: u64,
    exact: bool,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(out.len());
        let count = self.inner.read(out.get_mut(..room).unwrap_or_default())?;
        let bad = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        match self.left.checked_sub(count as u64) {
            None => bad("it holds more than repomd.xml names, or than any real one"),
            Some(left) if count == 0 && left > 0 && self.exact && !out.is_empty() => {
                bad("it holds less than repomd.xml names")
            }
            Some(left) => {
                self.left = left;
                Ok(count)
            }
        }
    }
}

/// Cuts a list of packages down to those that pass. It is read a second time if `expected` is not their number. Locations lead
/// to the files that the site has.
pub fn cut_packages<R: BufRead, E: From<Invalid>>(
    open: impl Fn() -> Result<R, E>,
    expected: usize,
    keep: impl Fn(&Package) -> bool,
) -> Result<Cut, E> {
    cut(open, PRIMARY, expected, |element| {
        let Some(package) = package::parse(element.bytes)?.ok().filter(&keep) else { return Ok(None) };
        Ok(Some(match package.foreign_location {
            Some(_) => Cow::Owned(with_location(element.bytes, package.file.as_str())?),
            None => Cow::Borrowed(element.bytes),
        }))
    })
}

/// Cuts a list of what packages hold, or of their changes, down to those whose digests pass, in lower-case hexadecimal digits.
pub fn cut_by<R: BufRead, E: From<Invalid>>(
    open: impl Fn() -> Result<R, E>,
    kind: &str,
    expected: usize,
    keep: impl Fn(&str) -> bool,
) -> Result<Cut, E> {
    cut(open, kind, expected, |element| {
        let pkgid = element.pkgid.as_deref().map(str::to_ascii_lowercase);
        let is_hex = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let pkgid = pkgid.filter(is_hex).ok_or_else(|| Invalid::malformed(kind.to_owned(), "pkgid"))?;
        Ok(keep(&pkgid).then_some(Cow::Borrowed(element.bytes)))
    })
}

fn cut<R: BufRead, E: From<Invalid>>(
    open: impl Fn() -> Result<R, E>,
    kind: &str,
    expected: usize,
    keep: impl for<'e> Fn(&Element<'e>) -> Result<Option<Cow<'e, [u8]>>, Invalid>,
) -> Result<Cut, E> {
    let first = write(open()?, kind, expected, &keep)?;
    match first.packages == expected {
        true => Ok(first),
        // The number stands at the start.
        false => Ok(write(open()?, kind, first.packages, &keep)?),
    }
}

fn write(
    list: impl BufRead,
    kind: &str,
    announced: usize,
    keep: impl for<'e> Fn(&Element<'e>) -> Result<Option<Cow<'e, [u8]>>, Invalid>,
) -> Result<Cut, Invalid> {
    let mut elements = Elements::open(list, kind)?;
    let gzip: GzEncoder<Vec<u8>> = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::new(6));
    let mut out = Hashing::new(gzip);
    let head = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", elements.root_with(announced));
    let unwritable = |error: io::Error| Invalid::new("it cannot be written again").because(error);
    out.write_all(head.as_bytes()).map_err(unwritable)?;
    let end = elements.root_end();
    let mut packages = 0;
    while let Some(element) = elements.next()? {
        if let Some(bytes) = keep(&element)? {
            packages += 1;
            out.write_all(&bytes).map_err(unwritable)?;
            out.write_all(b"\n").map_err(unwritable)?;
        }
    }
    out.write_all(end.as_bytes()).map_err(unwritable)?;
    let (gzip, open_sha256, open_size) = out.finish();
    Ok(Cut { bytes: gzip.finish().map_err(unwritable)?, open_sha256, open_size, packages })
}
