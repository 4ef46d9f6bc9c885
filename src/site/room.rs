//! The room that an import takes on the site's file system: what it writes, and nothing that is there already.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;

use super::incoming::IncomingState;
use super::path_map::PathMap;
use super::state::Generation;
use super::{Site, SiteError};
use crate::bundle::BundleError;
use crate::bundle::state::blob_table::{BlobEntry, BlobMark, BlobTable};
use crate::depot::Depot;
use crate::path::PublishPath;

/// The unit in which file systems give room away, in bytes.
const BLOCK_BYTES: u64 = 4096;

/// The room of an entry in a folder, in bytes.
const ENTRY_BYTES: u64 = 256;

/// The room for generated metadata, and for what the site notes, in bytes.
const RESERVE_BYTES: u64 = 16 << 20;

/// Returns how many bytes the blobs take that are marked as lacking. What an interrupted run has left in partial files is not counted.
pub(super) fn of_blobs(blobs: &BlobTable, depot: &Depot) -> u64 {
    let written = |blob: &BlobEntry| {
        depot.partial_path(&blob.sha256).symlink_metadata().map_or(0, |data| data.blocks().saturating_mul(512))
    };
    let room = |blob: &BlobEntry| in_blocks(blob.size).saturating_sub(written(blob)) + ENTRY_BYTES;
    RESERVE_BYTES + blobs.marked(BlobMark::Lacking).map(room).sum::<u64>()
}

fn in_blocks(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES)
}

/// The published files of the next generation.
#[derive(Clone, Copy)]
pub(super) struct NextFiles<'a> {
    pub(super) depot: &'a Depot,
    pub(super) current: &'a Generation,
    /// The numbers of the collections that stay as they are.
    pub(super) unchanged: &'a BTreeSet<usize>,
}

impl NextFiles<'_> {
    /// Returns how many bytes the published files take: of collections that change, and of all others too if the file system has no
    /// symbolic links, since each generation has copies of its own then.
    pub(super) fn room(&self, content: &IncomingState) -> Result<u64, SiteError> {
        let Self { depot, unchanged, .. } = *self;
        let has_links = FileNames { hard: depot.has_hard_links()?, symbolic: depot.has_symbolic_links()? };
        let mut room = TreeRoom { has_links, ..TreeRoom::default() };
        for index in 0..content.state.manifest.collections.len() {
            if !has_links.symbolic || !unchanged.contains(&index) {
                content.each_line(index, |line| room.add(line.path(), line.blob().1))?;
            }
        }
        if !has_links.symbolic {
            self.add_other_names(&mut room, content)?;
        }
        Ok(room.bytes)
    }

    fn add_other_names(&self, room: &mut TreeRoom, content: &IncomingState) -> Result<(), SiteError> {
        let name = &content.state.manifest.name;
        for (folder, _) in self.current.inputs.iter().filter(|(_, inputs)| inputs.name != *name) {
            let Some(mount) = self.current.mounts.get(folder) else { continue };
            let Some(mut map) = PathMap::open_unless_rotten(self.depot, &mount.paths)? else { continue };
            while let Some((path, digest)) = map.next_file()? {
                room.add(&path, self.depot.size(&digest)?.unwrap_or_default());
            }
        }
        Ok(())
    }
}

/// The links that a file system has.
#[derive(Clone, Copy, Default)]
struct FileNames {
    hard: bool,
    symbolic: bool,
}

/// The room of trees whose files come in the order of their paths.
#[derive(Default)]
struct TreeRoom {
    has_links: FileNames,
    bytes: u64,
    /// The folder of the last file.
    last: String,
}

impl TreeRoom {
    fn add(&mut self, path: &PublishPath, size: u64) {
        let folder = path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder != self.last {
            let is_new = |above: &&str| !format!("{}/", self.last).starts_with(&format!("{above}/"));
            self.bytes += path.folders().filter(is_new).count() as u64 * BLOCK_BYTES;
            folder.clone_into(&mut self.last);
        }
        self.bytes += ENTRY_BYTES + if self.has_links.hard { 0 } else { in_blocks(size) };
    }
}

/// Refuses an import that the site's file system has no room for.
pub(super) fn check(site: &Site, needed: u64, free: u64) -> Result<(), BundleError> {
    match needed > free {
        true => Err(BundleError::NoSpace { path: site.root().to_owned(), needed, free }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(has_links: FileNames, files: &[&str]) -> u64 {
        let mut room = TreeRoom { has_links, ..TreeRoom::default() };
        files.iter().for_each(|path| room.add(&path.parse().unwrap(), 1));
        room.bytes
    }

    #[test]
    fn counts_each_folder_once_and_copies_by_the_block() {
        let files = ["a/b/1", "a/b/2", "a/bc/3", "a/d/4", "e"];
        let copies = FileNames { hard: false, symbolic: true };
        assert_eq!(room(FileNames { hard: true, ..copies }, &files), 5 * ENTRY_BYTES + 4 * BLOCK_BYTES);
        assert_eq!(room(copies, &files), 5 * ENTRY_BYTES + 9 * BLOCK_BYTES);
    }
}
