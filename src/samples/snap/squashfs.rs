//! Writes squashfs 4.0 (Linux `Documentation/filesystems/squashfs.rst`) without compression, fragments, extended attributes
//! and a table for NFS.
//!
//! | what is written | how |
//! |---|---|
//! | superblock | last of all, when it is known where everything is |
//! | blocks of files | as they are |
//! | inode table, directory table, owners | in metadata blocks that are not compressed |
//! | where the block of owners is | eight bytes, with which the image ends |

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::super::DEFAULT_DATE;
use super::SnapFile;
use super::tree::{Folder, FolderEntry};

/// Length of a file's blocks but for the last, in bytes, and its base-2 logarithm.
const BLOCK_BYTES: u64 = 1 << BLOCK_LOG;
const BLOCK_LOG: u16 = 17;
const SUPERBLOCK_BYTES: u64 = 96;
/// Length of metadata blocks but for the last of a table, in bytes.
const METADATA_BYTES: usize = 8192;
/// Of the two bytes before a metadata block, and of a file's block: it is not compressed.
const PLAIN_METADATA: u16 = 1 << 15;
const PLAIN_BLOCK: u32 = 1 << 24;
/// Of the superblock: inodes, data, fragments and owners are not compressed; there are no fragments and no attributes.
const FLAGS: u16 = 0x001 | 0x002 | 0x008 | 0x010 | 0x200 | 0x800;
/// What the superblock says of compression if there is none. It has to say one, and all kernels have zlib.
const ZLIB: u16 = 1;
/// Stands for no fragment and no attributes.
const NONE: u32 = u32::MAX;
/// Snaps are no smaller, and a multiple of the second number: loop devices want whole sectors (snapd's `snap/squashfs`).
const MIN_BYTES: u64 = 16 << 10;
const PADDING_BYTES: u64 = 4096;

/// Writes `root` as an image to `target`, which is at its start.
pub(super) fn write(root: &Folder<'_>, target: &mut (impl Write + Seek)) -> io::Result<()> {
    let start = target.stream_position()?;
    target.write_all(&[0; SUPERBLOCK_BYTES as usize])?;
    let mut writer =
        ImageWriter { target, position: SUPERBLOCK_BYTES, inodes: Vec::new(), listings: Vec::new(), last: 1 };
    let inodes = root.count();
    let root = writer.folder(root, 1, inodes + 1)?;
    let inode_table = writer.position;
    let table = std::mem::take(&mut writer.inodes);
    writer.metadata(&table)?;
    let directory_table = writer.position;
    let table = std::mem::take(&mut writer.listings);
    writer.metadata(&table)?;
    let owners = writer.position;
    writer.metadata(&0_u32.to_le_bytes())?; // root alone
    let id_table = writer.position;
    writer.put(&owners.to_le_bytes())?;
    let end = writer.position;
    writer.put(&vec![0; (end.max(MIN_BYTES).next_multiple_of(PADDING_BYTES) - end) as usize])?;

    let mut head = b"hsqs".to_vec();
    for number in [inodes, DEFAULT_DATE as u32, BLOCK_BYTES as u32, 0] {
        head.extend(number.to_le_bytes());
    }
    for number in [ZLIB, BLOCK_LOG, FLAGS, 1, 4, 0] {
        head.extend(number.to_le_bytes());
    }
    let root = u64::from(root.block) << 16 | u64::from(root.offset);
    for number in [root, end, id_table, u64::MAX, inode_table, directory_table, owners, u64::MAX] {
        head.extend(number.to_le_bytes());
    }
    target.seek(SeekFrom::Start(start))?;
    target.write_all(&head)?;
    target.seek(SeekFrom::End(0))?;
    Ok(())
}

/// A place in a table, as it is written.
#[derive(Clone, Copy)]
struct WrittenPlace {
    block: u32,
    offset: u16,
}

impl WrittenPlace {
    /// Where `table` ends: each metadata block before it has two bytes in front.
    fn end_of(table: &[u8]) -> Self {
        let block = table.len() / METADATA_BYTES * (METADATA_BYTES + 2);
        Self { block: block as u32, offset: (table.len() % METADATA_BYTES) as u16 }
    }
}

/// What stands in a listing of one name.
struct Listed<'a> {
    name: &'a str,
    kind: u16,
    number: u32,
    place: WrittenPlace,
}

struct ImageWriter<'t, W> {
    target: &'t mut W,
    /// How much has been written, in bytes.
    position: u64,
    /// The inode table, before it is cut into blocks.
    inodes: Vec<u8>,
    /// The directory table, likewise.
    listings: Vec<u8>,
    /// The last number given to an inode.
    last: u32,
}

impl<W: Write> ImageWriter<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.target.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn metadata(&mut self, table: &[u8]) -> io::Result<()> {
        for block in table.chunks(METADATA_BYTES) {
            self.put(&(block.len() as u16 | PLAIN_METADATA).to_le_bytes())?;
            self.put(block)?;
        }
        Ok(())
    }

    /// Writes what is in a folder, then its listing, then its inode; the place is the inode's.
    fn folder(&mut self, folder: &Folder<'_>, number: u32, parent: u32) -> io::Result<WrittenPlace> {
        let mut listed = Vec::new();
        for (name, entry) in &folder.entries {
            self.last += 1;
            let own = self.last;
            let (kind, place) = match entry {
                FolderEntry::Folder(inner) => (1, self.folder(inner, own, number)?),
                FolderEntry::File(file) => (2, self.file(file, own)?),
            };
            listed.push(Listed { name, kind, number: own, place });
        }
        let at = WrittenPlace::end_of(&self.listings);
        let before = self.listings.len();
        self.listing(&listed);
        // Listings count three bytes more than they have, for "." and "..".
        let bytes = (self.listings.len() - before) as u32 + 3;
        let links = 2 + listed.iter().filter(|entry| entry.kind == 1).count() as u32;
        let place = WrittenPlace::end_of(&self.inodes);
        let short = u16::try_from(bytes);
        self.inode(if short.is_ok() { 1 } else { 8 }, 0o755, number);
        match short {
            Ok(bytes) => {
                self.numbers(&[at.block, links]);
                self.shorts(&[bytes, at.offset]);
                self.numbers(&[parent]);
            }
            Err(_) => {
                self.numbers(&[links, bytes, at.block, parent]);
                self.shorts(&[0, at.offset]); // no index
                self.numbers(&[NONE]);
            }
        }
        Ok(place)
    }

    /// Names whose inodes are in one metadata block, 256 at most, share a header that says where that is.
    fn listing(&mut self, listed: &[Listed<'_>]) {
        let near = |a: &Listed<'_>, b: &Listed<'_>| a.place.block == b.place.block;
        for run in listed.chunk_by(near).flat_map(|run| run.chunks(256)) {
            // Numbers are written as differences of 16 bits to the first. Folders in between make them differ by more.
            let mut rest = run;
            while let Some(first) = rest.first() {
                let is_near = |entry: &&Listed<'_>| i16::try_from(entry.number - first.number).is_ok();
                let (now, later) = rest.split_at(rest.iter().take_while(is_near).count());
                self.run(first, now);
                rest = later;
            }
        }
    }

    fn run(&mut self, first: &Listed<'_>, run: &[Listed<'_>]) {
        for number in [run.len() as u32 - 1, first.place.block, first.number] {
            self.listings.extend(number.to_le_bytes());
        }
        for entry in run {
            let difference = (entry.number - first.number) as u16;
            for number in [entry.place.offset, difference, entry.kind, entry.name.len() as u16 - 1] {
                self.listings.extend(number.to_le_bytes());
            }
            self.listings.extend(entry.name.as_bytes());
        }
    }

    /// Writes a file's blocks and its inode; the place is the inode's.
    fn file(&mut self, file: &SnapFile, number: u32) -> io::Result<WrittenPlace> {
        let (start, size) = (self.position, file.content.size());
        let copied = io::copy(&mut file.content.reader().take(size), self.target)?;
        self.position += copied;
        if copied != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let place = WrittenPlace::end_of(&self.inodes);
        let mode = if file.executable { 0o755 } else { 0o644 };
        match (u32::try_from(start), u32::try_from(size)) {
            (Ok(start), Ok(size)) => {
                self.inode(2, mode, number);
                self.numbers(&[start, NONE, 0, size]);
            }
            _ => {
                self.inode(9, mode, number);
                for number in [start, size, 0] {
                    self.inodes.extend(number.to_le_bytes());
                }
                self.numbers(&[1, NONE, 0, NONE]);
            }
        }
        let whole = std::iter::repeat_n(BLOCK_BYTES, (size / BLOCK_BYTES) as usize);
        for block in whole.chain([size % BLOCK_BYTES]).filter(|&block| block > 0) {
            self.numbers(&[block as u32 | PLAIN_BLOCK]);
        }
        Ok(place)
    }

    /// What all inodes begin with.
    fn inode(&mut self, kind: u16, mode: u16, number: u32) {
        self.shorts(&[kind, mode, 0, 0]); // owner and group are the first of the owners
        self.numbers(&[DEFAULT_DATE as u32, number]);
    }

    fn shorts(&mut self, numbers: &[u16]) {
        numbers.iter().for_each(|number| self.inodes.extend(number.to_le_bytes()));
    }

    fn numbers(&mut self, numbers: &[u32]) {
        numbers.iter().for_each(|number| self.inodes.extend(number.to_le_bytes()));
    }
}
