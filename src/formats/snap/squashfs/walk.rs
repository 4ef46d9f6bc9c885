//! A walk over all entries of an image. Extended attributes are not read.

use std::io::{self, Read, Seek};

use super::content::FileContent;
use super::directory;
use super::image::{SquashfsImage, TablePlace};
use super::inode::{self, InodeHead};
use super::metadata::TableWalk;
use crate::formats::archive::{ArchiveCaps, ArchiveEntry, EntryKind, EntryPlace, EntryVisitor, shown_path};
use crate::formats::{Invalid, ReadError};

/// The deepest folder. A folder that is in itself ends there.
const MAX_DEPTH: usize = 64;
/// The length of an id, in bytes, and how many are in a metadata block.
const ID_BYTES: usize = 4;
const IDS_PER_BLOCK: u16 = 2048;

/// A walk, and what it may still read.
struct SquashfsWalk<'a, R> {
    image: SquashfsImage<'a, R>,
    entries_left: u64,
    bytes_left: u64,
}

/// Hands each entry of an image to `visit`, a folder before what is in it.
pub fn walk_squashfs(
    image: &mut (impl Read + Seek),
    caps: ArchiveCaps,
    visit: &mut EntryVisitor<'_>,
) -> Result<(), ReadError> {
    let image = SquashfsImage::open(image)?;
    let root = image.root();
    let mut walk = SquashfsWalk { image, entries_left: caps.entries, bytes_left: caps.bytes };
    walk.folder(&[], root, visit)
}

impl<R: Read + Seek> SquashfsWalk<'_, R> {
    /// Walks over the entries of the folder whose inode is at `place`. `path` has the names that lead to it.
    fn folder(&mut self, path: &[Vec<u8>], place: TablePlace, visit: &mut EntryVisitor<'_>) -> Result<(), ReadError> {
        if path.len() > MAX_DEPTH {
            return Err(ReadError::invalid(format!("it has folders that are more than {MAX_DEPTH} deep")));
        }
        let Some(listing) = inode::folder(&mut self.image, place)? else { return Ok(()) };
        for (name, place) in directory::entries(&mut self.image, listing)? {
            self.entries_left = self.entries_left.checked_sub(1).ok_or_else(too_much)?;
            let (path, head) = ([path, &[name]].concat(), inode::head(&mut self.image, place)?);
            self.entry(&path, place, head, visit)?;
            if head.kind == EntryKind::Folder {
                self.folder(&path, place, visit)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: &[Vec<u8>],
        place: TablePlace,
        head: InodeHead,
        visit: &mut EntryVisitor<'_>,
    ) -> Result<(), ReadError> {
        let link = match head.kind {
            EntryKind::SymbolicLink => inode::link(&mut self.image, place)?,
            _ => Vec::new(),
        };
        let mut entry = ArchiveEntry {
            capabilities: None,
            kind: head.kind,
            link: String::from_utf8_lossy(&link).into_owned(),
            mode: head.mode,
            owner: format!("{}:{}", self.id(head.owner)?, self.id(head.group)?),
            path: shown_path(&path.join(&b'/'))?,
            place: EntryPlace::Payload,
            size: 0,
        };
        let file = match head.kind {
            EntryKind::File => inode::file(&mut self.image, place, self.bytes_left)?,
            _ => None,
        };
        let Some(file) = file else { return visit(&entry, &mut io::empty()) };
        entry.size = file.bytes;
        self.bytes_left = self.bytes_left.checked_sub(file.bytes).ok_or_else(too_much)?;
        visit(&entry, &mut FileContent::new(&mut self.image, file))
    }

    /// The number of a user or a group, by its place in the table of ids.
    fn id(&mut self, place: u16) -> Result<u32, ReadError> {
        let malformed = || Invalid::new("its table of ids is malformed");
        if place >= self.image.ids {
            return Err(malformed().into());
        }
        let pointer = self.image.id_table.checked_add(u64::from(place / IDS_PER_BLOCK) * 8).ok_or_else(malformed)?;
        let pointer = self.image.bytes(pointer, 8, "the table of ids")?;
        let block = pointer.first_chunk().copied().map(u64::from_le_bytes).ok_or_else(malformed)?;
        let offset = usize::from(place % IDS_PER_BLOCK) * ID_BYTES;
        TableWalk::open(&mut self.image, TablePlace { block, offset }, "the table of ids")?.u32()
    }
}

fn too_much() -> ReadError {
    ReadError::invalid("it has more entries or bytes than gapferry looks at")
}
