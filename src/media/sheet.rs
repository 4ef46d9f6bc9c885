//! `MEDIUM.txt`: one page for whoever holds the medium. Its first lines are its label, to be printed and stuck on.
//!
//! It is not signed. The importer reads two things from it: what the medium is called, and the names of the media that
//! volumes went to, to show them to people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::Register;
use super::device::text;
use super::piece::Piece;
use crate::bundle::state::Manifest;
use crate::next_command::{self, USUAL_SITE};
use crate::units::Bytes;

/// The file's name.
pub const MEDIUM: &str = "MEDIUM.txt";
/// The largest sheet that is read, in bytes: it names some hundred thousand volumes.
pub const MAX_SHEET_BYTES: u64 = 16 << 20;
/// How many lines the label has.
const LABEL_LINES: usize = 4;

const ID: &str = "Medium id: ";
const TITLE: &str = "gapferry ";

/// The sheet of the medium `index`, counted from 0; `register` is as it will be when all that is planned is done.
pub fn sheet(manifest: &Manifest, pieces: &[Piece], register: &Register, index: usize) -> String {
    let mut out = String::new();
    let Some(entry) = register.media.get(index) else { return out };
    let (bundle, name) = (manifest.folder(), register.name(index));
    let here = || pieces.iter().filter(|piece| entry.files.contains(&piece.file));
    let volumes = here().filter(|piece| piece.is_volume()).count();
    let count = pieces.iter().filter(|piece| piece.is_volume()).count();
    let recovery = match here().count() - volumes {
        0 => String::new(),
        1 => " and 1 recovery file".to_owned(),
        files => format!(" and {files} recovery files"),
    };
    let _ = write!(
        out,
        "{TITLE}{name}\nBundle {bundle} for site {}\n{volumes} of {count} volumes{recovery}, {}\n{ID}{}\n\nTRANSFER SHEET\n\n\
         Sequence   {} of {}, made {}, valid until {}\nManifest   SHA-256 {}\nDevice     {}\nWritten    {} by {}\n\n",
        manifest.site,
        Bytes(here().map(|piece| piece.size).sum()),
        entry.id,
        manifest.sequence,
        manifest.name,
        manifest.created,
        manifest.expires,
        register.manifest,
        entry.device.description(),
        entry.time,
        entry.by,
    );
    for piece in pieces.iter().filter(|piece| piece.is_good || register.holder(&piece.file).is_some()) {
        let place = match register.holder(&piece.file) {
            _ if entry.files.contains(&piece.file) => HERE.to_owned(),
            Some(holder) => register.name(holder),
            None => NOWHERE.to_owned(),
        };
        let _ = writeln!(out, "  {}  {:>9}  {place}", piece.file, Bytes(piece.size).to_string());
    }
    let _ = write!(
        out,
        "\nOn the site's host, in the folder of this page, for each medium in any order:\n\n    {}\n\n\
         It checks every byte and says which media it still waits for. VERIFY.txt tells how to check by hand.\n\
         This page is not signed, and nothing is decided by it.\n\n\
         Handed over by ______________________  on ______________  signature ______________________\n\n\
         Received by    ______________________  on ______________  signature ______________________\n",
        next_command::import_here(Path::new(USUAL_SITE))
    );
    out
}

const HERE: &str = "here";
/// Where a file is that went to no medium yet.
pub const NOWHERE: &str = "not copied yet";

/// The lines of a sheet that are its label.
pub fn label(sheet: &str) -> Vec<&str> {
    sheet.lines().take(LABEL_LINES).collect()
}

/// The id that a sheet gives its medium.
pub fn id(sheet: &str) -> Option<&str> {
    let id = sheet.lines().take(LABEL_LINES).find_map(|line| line.strip_prefix(ID))?;
    (id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// What a sheet calls its medium.
pub fn name(sheet: &str) -> Option<String> {
    text(sheet.lines().next()?.strip_prefix(TITLE)?)
}

/// On which medium each of `files` is, as a sheet says; the words are cut and harmless, and may be lies.
pub fn places(sheet: &str, files: impl IntoIterator<Item = String>) -> BTreeMap<String, String> {
    let own = name(sheet).unwrap_or_else(|| "this medium".to_owned());
    let place = |line: &str| {
        let (file, rest) = line.strip_prefix("  ")?.split_once("  ")?;
        let (_, place) = rest.trim_start().split_once("  ")?;
        let place = if place == HERE { own.clone() } else { text(place)? };
        Some((file.to_owned(), place))
    };
    let told: BTreeMap<String, String> = sheet.lines().filter_map(place).collect();
    files
        .into_iter()
        .filter_map(|file| Some((told.get(&file)?.clone(), file)))
        .map(|(place, file)| (file, place))
        .collect()
}
