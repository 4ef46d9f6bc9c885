//! Walks over all that an RPM package has: its scripts, then its files. Modes, owners and capabilities are those of the header, by which
//! rpm installs; contents are those of the payload.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use super::header::RpmHeader;
use crate::formats::archive::{
    ArchiveCaps, ArchiveEntry, CpioEntry, EntryKind, EntryPlace, EntryVisitor, shown_path, walk_cpio,
};
use crate::formats::compression::{Compression, reader};
use crate::formats::{Invalid, ReadError};

/// Tags of scripts with their interpreters (rpm's `rpmtag.h`), and the names that spec files give them.
const SCRIPTS: [(u32, u32, &str); 12] = [
    (1023, 1085, "%pre"),
    (1024, 1086, "%post"),
    (1025, 1087, "%preun"),
    (1026, 1088, "%postun"),
    (1079, 1091, "%verifyscript"),
    (1151, 1153, "%pretrans"),
    (1152, 1154, "%posttrans"),
    (5104, 5106, "%preuntrans"),
    (5105, 5107, "%postuntrans"),
    (1065, 1092, "%trigger"),
    (5066, 5067, "%filetrigger"),
    (5076, 5077, "%transfiletrigger"),
];
const OLD_FILE_NAMES: u32 = 1027;
const FILE_SIZES: u32 = 1028;
const FILE_MODES: u32 = 1030;
const FILE_LINKS: u32 = 1036;
const FILE_USERS: u32 = 1039;
const FILE_GROUPS: u32 = 1040;
const FOLDER_PLACES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const FOLDER_NAMES: u32 = 1118;
const PAYLOAD_COMPRESSOR: u32 = 1125;
const LONG_FILE_SIZES: u32 = 5008;
const FILE_CAPABILITIES: u32 = 5010;
/// The most files of a package.
const MAX_FILES: usize = 500_000;
/// The most bytes of all paths.
const MAX_PATH_BYTES: usize = 128 << 20;
/// The bits of a mode that say the type of a file.
const TYPE_BITS: u64 = 0o170_000;

/// Hands each script and each file of the package that `file` holds from its start to `visit`.
pub fn walk_rpm(file: &mut (impl Read + Seek + Send), visit: &mut EntryVisitor<'_>) -> Result<(), ReadError> {
    let stored = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let header = RpmHeader::read(file)?;
    scripts(&header, visit)?;
    let files = files(&header)?;
    let sizes: Vec<u64> = files.iter().map(|file| file.size).collect();
    let mut places: BTreeMap<String, usize> =
        files.iter().enumerate().map(|(place, file)| (file.path.clone(), place)).collect();
    let caps = ArchiveCaps::of_stored(stored);
    let payload = reader(file, compression(&header)?)
        .map_err(|error| Invalid::new("cannot unpack its payload").because(error))?;
    walk_cpio(payload, caps, &sizes, &mut |entry, content| {
        let (path, size) = match entry {
            CpioEntry::Named { path, size } => (shown_path(path)?, *size),
            CpioEntry::Numbered(number) => {
                let file = files.get(*number as usize).ok_or_else(|| other_files("a file that"))?;
                (file.path.clone(), file.size)
            }
        };
        let place = places.remove(&path).ok_or_else(|| other_files("a file that"))?;
        let file = files.get(place).ok_or_else(|| other_files("a file that"))?;
        visit(&ArchiveEntry { size, ..file.clone() }, content)
    })?;
    // Those that rpm makes without content, such as %ghost files and other names of files.
    places.into_values().filter_map(|place| files.get(place)).try_for_each(|file| {
        let kind = if file.kind == EntryKind::File { EntryKind::HardLink } else { file.kind };
        visit(&ArchiveEntry { kind, size: 0, ..file.clone() }, &mut io::empty())
    })
}

fn other_files(what: &str) -> ReadError {
    ReadError::invalid(format!("its payload has {what} its header does not list, or one of them twice"))
}

/// Hands each script to `visit`, behind the interpreter that runs it.
fn scripts(header: &RpmHeader, visit: &mut EntryVisitor<'_>) -> Result<(), ReadError> {
    for (tag, interpreter, name) in SCRIPTS {
        let (texts, interpreters) = (header.texts(tag)?, header.texts(interpreter)?);
        if texts.is_empty() && interpreters.is_empty() {
            continue;
        }
        // A script may be nothing but a program, such as `%post -p /sbin/ldconfig`.
        let text = [interpreters, texts].concat().join("\n");
        let entry = ArchiveEntry {
            capabilities: None,
            kind: EntryKind::File,
            link: String::new(),
            mode: 0,
            owner: String::new(),
            path: name.to_owned(),
            place: EntryPlace::Control,
            size: text.len() as u64,
        };
        visit(&entry, &mut Cursor::new(text))?;
    }
    Ok(())
}

/// Returns the files that the header lists.
fn files(header: &RpmHeader) -> Result<Vec<ArchiveEntry>, ReadError> {
    let paths = paths(header)?;
    let (modes, links) = (header.numbers(FILE_MODES)?, header.texts(FILE_LINKS)?);
    let (users, groups) = (header.texts(FILE_USERS)?, header.texts(FILE_GROUPS)?);
    let capabilities = header.texts(FILE_CAPABILITIES)?;
    let long = header.numbers(LONG_FILE_SIZES)?;
    let sizes = if long.is_empty() { header.numbers(FILE_SIZES)? } else { long };
    if [modes.len(), sizes.len(), users.len(), groups.len()] != [paths.len(); 4] {
        return Err(ReadError::invalid("its RPM header has not one mode, size, owner and group for each file"));
    }
    let text = |texts: &[String], place: usize| texts.get(place).cloned().unwrap_or_default();
    let file = |(place, path): (usize, String)| {
        let mode = modes.get(place).copied().unwrap_or_default();
        let kind = match mode & TYPE_BITS {
            0o100_000 => EntryKind::File,
            0o040_000 => EntryKind::Folder,
            0o120_000 => EntryKind::SymbolicLink,
            _ => EntryKind::Special,
        };
        Ok(ArchiveEntry {
            capabilities: Some(text(&capabilities, place)).filter(|text| !text.is_empty()),
            kind,
            link: text(&links, place),
            mode: (mode & 0o7777) as u32,
            owner: format!("{}:{}", text(&users, place), text(&groups, place)),
            path: shown_path(path.as_bytes())?,
            place: EntryPlace::Payload,
            size: sizes.get(place).copied().unwrap_or_default(),
        })
    };
    paths.into_iter().enumerate().map(file).collect()
}

fn paths(header: &RpmHeader) -> Result<Vec<String>, ReadError> {
    let (names, folders) = (header.texts(BASE_NAMES)?, header.texts(FOLDER_NAMES)?);
    let places = header.numbers(FOLDER_PLACES)?;
    if names.is_empty() {
        return header.texts(OLD_FILE_NAMES);
    }
    if names.len() > MAX_FILES {
        return Err(ReadError::invalid(format!("it lists more than {MAX_FILES} files")));
    }
    if places.len() != names.len() {
        return Err(ReadError::invalid("its RPM header has not one folder for each file"));
    }
    // Many names may share a long folder.
    let mut left = MAX_PATH_BYTES;
    let path = |(name, place): (String, u64)| {
        let folder = usize::try_from(place).ok().and_then(|place| folders.get(place));
        let folder = folder.ok_or_else(|| ReadError::invalid("its RPM header names a folder that is not there"))?;
        left = left
            .checked_sub(folder.len() + name.len())
            .ok_or_else(|| ReadError::invalid(format!("its paths have more than {MAX_PATH_BYTES} bytes")))?;
        Ok(format!("{folder}{name}"))
    };
    names.into_iter().zip(places).map(path).collect()
}

/// Returns the compression of the payload; gzip if the header names none, as for rpm.
fn compression(header: &RpmHeader) -> Result<Compression, ReadError> {
    let named = header.texts(PAYLOAD_COMPRESSOR)?;
    match named.first().map(String::as_str) {
        None | Some("gzip") => Ok(Compression::Gzip),
        Some("xz") => Ok(Compression::Xz),
        Some("zstd") => Ok(Compression::Zstd),
        Some("bzip2") => Ok(Compression::Bzip2),
        Some(other) => {
            let other = crate::formats::shortened(other);
            Err(ReadError::invalid(format!("its payload is compressed by {other:?}, which gapferry does not unpack")))
        }
    }
}
