//! A squashfs 4.0 image, read without trusting any of it: one file without unpacking the rest, or a walk over all entries.
//!
//! The format is that of Linux `Documentation/filesystems/squashfs.rst`. All numbers are little-endian:
//!
//! | where | what |
//! |---|---|
//! | 0..96 | superblock: sizes, compression, where the root folder and the tables are |
//! | then | blocks of files, and fragments: ends of several files in one block |
//! | inode table | metadata blocks: what each file is, and how long each of its blocks is as stored |
//! | directory table | metadata blocks: names in each folder, and where their inodes are |
//! | fragment table | metadata blocks: where each fragment block is; and a list of where these metadata blocks are |
//!
//! Of the superblock to the file's last byte, only what leads to the file is read. An image in which a folder has a name
//! twice, or names out of order, is refused: there the kernel and `unsquashfs` could find different files.

mod compression;
mod content;
mod directory;
mod image;
mod inode;
mod metadata;
mod walk;

use std::io::{Read, Seek};

use crate::formats::{Invalid, ReadError};
use image::SquashfsImage;
pub use walk::walk_squashfs;

/// Largest listing of a folder that is read, in bytes; some 40,000 names.
pub const MAX_LISTING_BYTES: u64 = 1 << 20;

/// The content of the regular file at `path`, whose parts are the names from the root on; at most `cap` bytes.
///
/// No link is followed.
pub fn read_file(image: &mut (impl Read + Seek), path: &[&str], cap: u64) -> Result<Vec<u8>, ReadError> {
    let mut image = SquashfsImage::open(image)?;
    let mut place = image.root();
    for (depth, name) in path.iter().enumerate() {
        let so_far = || path.iter().take(depth + 1).copied().collect::<Vec<_>>().join("/");
        let folder = || path.iter().take(depth).copied().collect::<Vec<_>>().join("/");
        let listing = inode::folder(&mut image, place)?
            .ok_or_else(|| Invalid::new(format!("{:?} in it is not a folder", folder())))?;
        let found = directory::find(&mut image, listing, name)?;
        place = found.ok_or_else(|| Invalid::new(format!("there is no {:?} in it", so_far())))?;
    }
    let file = inode::file(&mut image, place, cap)?;
    let file = file.ok_or_else(|| Invalid::new(format!("{:?} in it is not a regular file", path.join("/"))))?;
    content::read(&mut image, file)
}

#[cfg(test)]
mod tests;
