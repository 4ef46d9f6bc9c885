//! Pdiffs of generated indexes: one patch from each state that an index had to the next one, as Debian has them.

use std::fs;
use std::io;
use std::path::Path;

use super::SampleCompression;
use crate::digest::Sha256;
use crate::formats::apt::deb822::{Stanzas, lines};

/// Two texts of an index, one after the other.
#[derive(Clone, Copy)]
pub(super) struct States<'a> {
    pub(super) before: &'a [u8],
    pub(super) now: &'a [u8],
}

/// A new patch, and the list of all patches.
pub(super) struct Pdiff {
    /// The name of the compressed patch beside the list. `None` if the index has not changed.
    pub(super) patch: Option<PatchFile>,
    /// The text of the list, which is called Index.
    pub(super) list: Vec<u8>,
}

/// A compressed patch.
pub(super) struct PatchFile {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Pdiff {
    /// Makes the patch for the list in `folder`. Returns `None` if the index never changed.
    pub(super) fn new(folder: &Path, States { before, now }: States<'_>) -> io::Result<Option<Self>> {
        let known = match fs::read(folder.join("Index")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        if before == now {
            return Ok((!known.is_empty()).then_some(Self { patch: None, list: known }));
        }
        let stanza = Stanzas::new(&known).next();
        let section = |field: &str| -> Vec<String> {
            let lines = stanza.and_then(|stanza| stanza.field(field)).map(lines);
            lines.into_iter().flatten().map(|line| format!(" {line}\n")).collect()
        };
        let name = format!("{:04}", section("SHA256-History").len());
        let script = ed_script(before, now);
        let patch = PatchFile { bytes: SampleCompression::Gzip.pack(&script)?, name: format!("{name}.gz") };
        let mut list = format!("SHA256-Current: {} {}\n", Sha256::of(now), now.len());
        let fields: [(&str, &[u8], &str); 3] =
            [("History", before, &name), ("Patches", &script, &name), ("Download", &patch.bytes, &patch.name)];
        for (field, bytes, name) in fields {
            let field = format!("SHA256-{field}");
            let earlier = section(&field).concat();
            list.push_str(&format!("{field}:\n{earlier} {} {} {name}\n", Sha256::of(bytes), bytes.len()));
        }
        Ok(Some(Self { patch: Some(patch), list: list.into_bytes() }))
    }
}

/// One command of ed(1) that makes `now` of `before`: it replaces all lines from the first that differs to the last.
///
/// No line of a generated index is a single dot, which would end the command.
fn ed_script(before: &[u8], now: &[u8]) -> Vec<u8> {
    let (before, now) = (split(before), split(now));
    let same_start = before.iter().zip(&now).take_while(|(a, b)| a == b).count();
    let (before_rest, now_rest) =
        (before.get(same_start..).unwrap_or_default(), now.get(same_start..).unwrap_or_default());
    let same_end = before_rest.iter().rev().zip(now_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let removed = before_rest.len() - same_end;
    let added = now_rest.get(..now_rest.len() - same_end).unwrap_or_default().concat();
    let (first, last) = (same_start + 1, same_start + removed);
    let command = match (removed, added.is_empty()) {
        (0, _) => format!("{same_start}a\n"),
        (_, true) => return format!("{first},{last}d\n").into_bytes(),
        (_, false) => format!("{first},{last}c\n"),
    };
    [command.as_bytes(), &added, b".\n"].concat()
}

/// The lines with their ends.
fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_add_remove_and_replace_lines() {
        for (before, now, expected) in [
            ("a\nb\n", "a\nx\ny\nb\n", "1a\nx\ny\n.\n"),
            ("", "x\n", "0a\nx\n.\n"),
            ("a\nb\nc\n", "a\nc\n", "2,2d\n"),
            ("a\nb\nc\nd\n", "a\nx\nd\n", "2,3c\nx\n.\n"),
            ("a\na\n", "a\n", "2,2d\n"),
        ] {
            assert_eq!(String::from_utf8(ed_script(before.as_bytes(), now.as_bytes())).unwrap(), expected);
        }
    }
}
