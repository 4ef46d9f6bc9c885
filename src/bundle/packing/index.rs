//! Volume indexes: one line per part, in the order of the parts in the volume.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::canonical::MAX_INTEGER;
use crate::bundle::format_error::FormatError;
use crate::bundle::state::MAX_LINES;
use crate::bundle::stored_list::ListCaps;
use crate::digest::Sha256;

/// The caps of a volume index.
pub const VOLUME_INDEX_CAPS: ListCaps = ListCaps { line: 4 << 10, lines: MAX_LINES, plain: 8 << 30, stored: 2 << 30 };
/// The most parts of a blob: what the number in a member's name can say.
pub const MAX_BLOB_PARTS: u64 = 999_999;

/// The largest stored slice of a zstd part before compression, in bytes; bounds a reader's memory.
pub const MAX_ZSTD_SLICE_BYTES: u64 = 16 << 20;
/// The largest slice of an older blob that a patch builds on, in bytes; bounds a reader's memory, too.
pub const MAX_BASE_BYTES: u64 = 32 << 20;
/// The longest part, in bytes: what a tar header's eleven octal digits can say, less a block.
pub const MAX_PART_BYTES: u64 = (8 << 30) - 512;

/// A line of a volume index. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartLine {
    /// The slice that a patch builds on; of patches alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Slice>,
    /// The blob that the part is of.
    pub blob: Sha256,
    /// The form in which the slice is stored.
    pub encoding: Encoding,
    /// Length of the slice, in bytes.
    pub length: u64,
    /// The member's name.
    pub name: String,
    /// Start of the stored bytes in the volume, in bytes.
    pub offset: u64,
    /// Digest of the stored bytes; `None` if they are the blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Start of the slice in the blob, in bytes.
    pub start: u64,
    /// Length of the stored bytes; `None` if it is `length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<u64>,
}

/// The form in which a slice is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As it is.
    Raw,
    /// As one zstd frame (RFC 8878) that says its content's size.
    Zstd,
    /// The same, for a decoder that has the part's `base` before its first byte.
    Patch,
}

/// A slice of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Its length, in bytes.
    pub length: u64,
    /// The blob's digest.
    pub sha256: Sha256,
    /// Where it starts in the blob, in bytes.
    pub start: u64,
}

impl PartLine {
    /// Length of the stored bytes.
    pub fn stored_bytes(&self) -> u64 {
        self.stored.unwrap_or(self.length)
    }

    /// Digest of the stored bytes.
    pub fn stored_digest(&self) -> Sha256 {
        self.sha256.unwrap_or(self.blob)
    }

    /// End of the slice in the blob, in bytes.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// Returns `true` if the part is all of a blob of this size.
    pub fn is_whole(&self, blob_size: u64) -> bool {
        self.start == 0 && self.length == blob_size
    }

    /// Checks all that concerns this part of a blob of `blob_size` bytes alone. After that, arithmetic on its numbers cannot
    /// overflow.
    pub(super) fn check(&self, blob_size: u64) -> Result<(), FormatError> {
        let fail = |reason| Err(FormatError::Blob { digest: self.blob, reason });
        if self.start > blob_size || self.length > blob_size - self.start {
            return fail("a part goes beyond its end");
        }
        if self.length == 0 && blob_size > 0 {
            return fail("a part is empty");
        }
        if self.base.is_some() != (self.encoding == Encoding::Patch) {
            return fail("a patch has no base, or another part has one");
        }
        if self.base.as_ref().is_some_and(|base| !is_bounded(base) || base.sha256 == self.blob) {
            return fail("the base of a patch is out of range");
        }
        let fits = match self.encoding {
            Encoding::Raw => self.stored.is_none() && self.sha256.is_none() == self.is_whole(blob_size),
            Encoding::Zstd | Encoding::Patch => {
                let shrinks = self.stored.is_some_and(|stored| stored > 0 && stored < self.length);
                shrinks && self.sha256.is_some() && self.length <= MAX_ZSTD_SLICE_BYTES
            }
        };
        match fits && self.stored_bytes() <= MAX_PART_BYTES && self.offset <= MAX_INTEGER {
            true => Ok(()),
            false => fail("a part's lengths or digests do not fit its encoding"),
        }
    }

    /// Returns the number in the member's name, or `None` if the name is not one for a part of the blob with this name.
    pub(super) fn number(&self, blob_name: &str, blob_size: u64) -> Option<u64> {
        let numbered = self.name.strip_prefix(blob_name)?.strip_suffix(suffix(self.encoding))?;
        if self.is_whole(blob_size) {
            return numbered.is_empty().then_some(1);
        }
        let number =
            numbered.strip_prefix(".part")?.parse().ok().filter(|number| (1..=MAX_BLOB_PARTS).contains(number))?;
        (member_name(blob_name, Some(number), self.encoding) == self.name).then_some(number)
    }
}

fn is_bounded(base: &Slice) -> bool {
    (1..=MAX_BASE_BYTES).contains(&base.length) && base.start <= MAX_INTEGER - base.length
}

fn suffix(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Raw => "",
        Encoding::Zstd => ".zst",
        Encoding::Patch => ".zst-patch",
    }
}

/// Returns the name of a part's member: the blob's name, `.partNNNNNN` if there are several parts, and what tells its encoding.
pub(crate) fn member_name(blob_name: &str, number: Option<u64>, encoding: Encoding) -> String {
    let number = number.map(|number| format!(".part{number:06}")).unwrap_or_default();
    format!("{blob_name}{number}{}", suffix(encoding))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bundle::canonical::{is_sorted, parse_line, push_line};

    pub(crate) fn raw(blob: &[u8], name: &str, offset: u64) -> PartLine {
        PartLine {
            base: None,
            blob: Sha256::of(blob),
            encoding: Encoding::Raw,
            length: blob.len() as u64,
            name: name.into(),
            offset,
            sha256: None,
            start: 0,
            stored: None,
        }
    }

    fn patch() -> PartLine {
        PartLine {
            base: Some(Slice { length: MAX_BASE_BYTES, sha256: Sha256::of(b"old"), start: 5 }),
            encoding: Encoding::Patch,
            length: 10,
            sha256: Some(Sha256::of(b"patch")),
            stored: Some(9),
            ..raw(&[0; 20], "a.part000001.zst-patch", 512)
        }
    }

    #[test]
    fn keys_are_sorted_and_what_follows_from_others_is_absent() {
        assert!(is_sorted(&patch()) && is_sorted(&raw(b"a", "a", 512)));
        let mut line = Vec::new();
        push_line(&raw(b"a", "files/a/b", 512), &mut line).unwrap();
        let blob = Sha256::of(b"a");
        let wanted = format!(
            "{{\"blob\":\"{blob}\",\"encoding\":\"raw\",\"length\":1,\"name\":\"files/a/b\",\"offset\":512,\"start\":0}}\n"
        );
        assert_eq!(String::from_utf8(line.clone()).unwrap(), wanted);
        assert_eq!(parse_line::<PartLine>(&line).unwrap(), raw(b"a", "files/a/b", 512));
    }

    #[test]
    fn a_part_must_fit_its_blob_and_its_encoding() {
        let zstd = PartLine { base: None, encoding: Encoding::Zstd, ..patch() };
        let half = PartLine { length: 10, sha256: Some(Sha256::of(b"half")), ..raw(&[0; 20], "a", 512) };
        for good in [&patch(), &zstd, &half, &raw(&[0; 20], "a", 512)] {
            assert!(good.check(20).is_ok(), "{good:?}");
        }
        assert!(raw(b"", "a", 512).check(0).is_ok());
        let base = |length, start| Some(Slice { length, sha256: Sha256::of(b"old"), start });
        for (wrong, size) in [
            (PartLine { start: 11, ..zstd.clone() }, 20),
            (PartLine { start: u64::MAX, ..zstd.clone() }, 20),
            (PartLine { length: 0, ..half.clone() }, 20),
            (PartLine { base: None, ..patch() }, 20),
            (PartLine { base: base(1, 0), ..zstd.clone() }, 20),
            (PartLine { base: base(0, 0), ..patch() }, 20),
            (PartLine { base: base(MAX_BASE_BYTES + 1, 0), ..patch() }, 20),
            (PartLine { base: base(1, u64::MAX), ..patch() }, 20),
            (PartLine { base: Some(Slice { length: 1, sha256: patch().blob, start: 0 }), ..patch() }, 20),
            (PartLine { stored: None, ..zstd.clone() }, 20),
            (PartLine { stored: Some(10), ..zstd.clone() }, 20),
            (PartLine { stored: Some(0), ..zstd.clone() }, 20),
            (PartLine { sha256: None, ..zstd.clone() }, 20),
            (PartLine { length: MAX_ZSTD_SLICE_BYTES + 1, ..zstd.clone() }, MAX_ZSTD_SLICE_BYTES + 1),
            (PartLine { sha256: None, ..half.clone() }, 20),
            (PartLine { stored: Some(10), ..half.clone() }, 20),
            (PartLine { sha256: Some(Sha256::of(b"")), ..raw(&[0; 20], "a", 512) }, 20),
            (PartLine { length: MAX_PART_BYTES + 1, ..half.clone() }, MAX_PART_BYTES + 2),
            (PartLine { offset: MAX_INTEGER + 1, ..half.clone() }, 20),
        ] {
            assert!(wrong.check(size).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_name_tells_the_number_and_the_encoding() {
        let named = |name: &str, length, encoding| PartLine { name: name.into(), length, encoding, ..patch() };
        for (name, length, encoding, number) in [
            ("a", 20, Encoding::Raw, Some(1)),
            ("a.zst", 20, Encoding::Zstd, Some(1)),
            ("a.zst-patch", 20, Encoding::Patch, Some(1)),
            ("a.part000001.zst", 10, Encoding::Zstd, Some(1)),
            ("a.part999999", 10, Encoding::Raw, Some(999_999)),
            ("a.part000001", 20, Encoding::Raw, None),
            ("a", 10, Encoding::Raw, None),
            ("a.zst", 20, Encoding::Raw, None),
            ("b", 20, Encoding::Raw, None),
            ("a.part1", 10, Encoding::Raw, None),
            ("a.part000000", 10, Encoding::Raw, None),
            ("a.part+00001", 10, Encoding::Raw, None),
            ("a.part1000000", 10, Encoding::Raw, None),
        ] {
            assert_eq!(named(name, length, encoding).number("a", 20), number, "{name}");
        }
    }
}
