//! Security data of upstreams, as it crosses unchanged: which versions of which packages a vulnerability affects.
//!
//! Nobody signs most of it, and all of it is large. So each format is read as a stream, and texts, counts and sizes are capped.

mod codenames;
mod debian_tracker;
mod debsecan;
mod likely;
mod limits;
mod osv;
mod statement;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Read;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::formats::{Invalid, ReadError};

pub use likely::likely_format;
pub use statement::{
    AffectedRange, AffectedVersions, FeedPackage, FeedRelease, FeedStatement, FeedSupport, FeedVendor,
};

/// The ending of a signature's file, after the name of the file that it signs.
pub const SIGNATURE_SUFFIX: &str = ".asc";

/// The ending of zip archives, which gapferry does not unpack.
const ZIP_SUFFIX: &str = ".zip";

/// A format of security data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FeedFormat {
    /// CSAF documents with the profile VEX, as Red Hat publishes them.
    CsafVex,
    /// The JSON file of Debian's security tracker.
    DebianTracker,
    /// A file for debsecan, of one suite.
    Debsecan,
    /// Records of the Open Source Vulnerability format, one or an archive of them, as Ubuntu publishes them.
    Osv,
    /// Definitions of OVAL, as Ubuntu publishes them.
    Oval,
}

impl FeedFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::CsafVex, Self::DebianTracker, Self::Debsecan, Self::Osv, Self::Oval];

    /// Its name, as in a selection.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CsafVex => "csaf-vex",
            Self::DebianTracker => "debian-tracker",
            Self::Debsecan => "debsecan",
            Self::Osv => "osv",
            Self::Oval => "oval",
        }
    }

    /// Returns `true` if [`read_feed`] can read a file of this format at `path`. Others are carried and served, and nothing reads them.
    pub fn is_read(self, path: &str) -> bool {
        match self {
            Self::DebianTracker | Self::Debsecan => true,
            Self::Osv => !path.ends_with(ZIP_SUFFIX),
            Self::CsafVex | Self::Oval => false,
        }
    }
}

impl fmt::Display for FeedFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The function that is handed the statements of a feed. It may end the reading with an error.
pub type EachStatement<'a> = dyn FnMut(FeedStatement) -> Result<(), Invalid> + 'a;

/// Reads a feed, and hands each of its statements to `each`. `path` is where it stands at upstream: the name of a file for debsecan is that
/// of its suite. Does nothing for a format that is only carried.
pub fn read_feed(
    format: FeedFormat,
    path: &str,
    from: impl Read + Send,
    each: &mut EachStatement<'_>,
) -> Result<(), ReadError> {
    match format {
        FeedFormat::Debsecan => debsecan::read(path.rsplit('/').next().unwrap_or(path), from, each),
        FeedFormat::DebianTracker => debian_tracker::read(from, each),
        FeedFormat::Osv if format.is_read(path) => osv::read(path, from, each),
        FeedFormat::CsafVex | FeedFormat::Osv | FeedFormat::Oval => Ok(()),
    }
}

/// Fails unless the bytes are a feed of this format. It is read to its end, if gapferry can read it at all; of other formats only the
/// beginning is looked at, so that no error page of a proxy passes for data.
pub fn check_feed(format: FeedFormat, path: &str, mut from: impl Read + Send) -> Result<(), ReadError> {
    if format.is_read(path) {
        return read_feed(format, path, from, &mut |_| Ok(()));
    }
    let mut start = Vec::new();
    from.by_ref().take(512).read_to_end(&mut start)?;
    match is_likely(format, path, &start) {
        true => Ok(()),
        false => Err(ReadError::invalid(format!("it does not begin as a file of the format {format}"))),
    }
}

/// Returns `true` if a file may begin like this.
fn is_likely(format: FeedFormat, path: &str, start: &[u8]) -> bool {
    use crate::formats::compression::Compression;
    let signature: Option<&[u8]> = match Compression::of_name(path) {
        Compression::Gzip => Some(b"\x1f\x8b"),
        Compression::Xz => Some(b"\xfd7zXZ\0"),
        Compression::Bzip2 => Some(b"BZh"),
        Compression::Zstd => Some(b"\x28\xb5\x2f\xfd"),
        Compression::Plain => None,
    };
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    match signature {
        Some(signature) => start.starts_with(signature),
        None if path.ends_with(ZIP_SUFFIX) => start.starts_with(b"PK\x03\x04"),
        None if format == FeedFormat::Oval => text.starts_with(b"<?xml") || text.starts_with(b"<oval"),
        None => text.starts_with(b"{"),
    }
}
