//! The blobs that a site is known to hold: those that all of the last bundles need, whichever of them it has published. They are read from
//! the history as streams.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::WorkspaceError;
use crate::bundle::state::blob_table::{BlobMark, BlobTable};
use crate::digest::Sha256;
use crate::storage::StorageError;

/// The blobs that a site is known to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredBlobs {
    /// The lists of what each bundle of a row needs: a site that has published one of them holds what stands in all.
    pub(super) lists: Vec<PathBuf>,
    /// Blobs that it does not hold all the same.
    pub(super) lacks: BTreeSet<Sha256>,
}

impl DeliveredBlobs {
    /// Marks the blobs of a state that the site holds.
    pub fn mark(&self, blobs: &mut BlobTable) -> Result<(), WorkspaceError> {
        blobs.mark_where(BlobMark::Held, |blob| !self.lacks.contains(&blob.sha256));
        for path in &self.lists {
            let (mut list, mut failed) = (BlobList::open(path)?, None);
            blobs.mark_where(BlobMark::Held, |blob| {
                let is_there = list.has(&blob.sha256).unwrap_or_else(|error| {
                    failed.get_or_insert(error);
                    false
                });
                is_there && blob.has(BlobMark::Held)
            });
            failed.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Returns those of `digests` that the site holds.
    pub fn among(&self, digests: BTreeSet<Sha256>) -> Result<BTreeSet<Sha256>, WorkspaceError> {
        let mut held = digests;
        held.retain(|digest| !self.lacks.contains(digest));
        for path in &self.lists {
            let mut list = BlobList::open(path)?;
            let mut there = BTreeSet::new();
            for digest in &held {
                if list.has(digest)? {
                    there.insert(*digest);
                }
            }
            held = there;
        }
        Ok(held)
    }
}

/// Length of a line: a digest and LF.
const LINE_BYTES: usize = 65;

/// The list of the blobs that a bundle needs: digests, one a line, the first of which is the manifest's. The others are sorted.
pub(super) struct BlobList<'a> {
    path: &'a Path,
    from: BufReader<File>,
    manifest: Sha256,
    last: Option<Sha256>,
}

impl<'a> BlobList<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self, WorkspaceError> {
        let file = File::open(path).map_err(WorkspaceError::io("read", path))?;
        let mut list =
            Self { path, from: BufReader::with_capacity(64 << 10, file), manifest: Sha256::of(b""), last: None };
        list.manifest = list.line()?.ok_or_else(|| damaged(path))?;
        Ok(list)
    }

    /// The digest of the bundle's manifest.
    pub(super) fn manifest(&self) -> Sha256 {
        self.manifest
    }

    /// Returns the next blob; `None` behind the last one.
    pub(super) fn next_blob(&mut self) -> Result<Option<Sha256>, WorkspaceError> {
        let next = self.line()?;
        if next.is_some_and(|next| self.last.is_some_and(|last| last >= next)) {
            return Err(damaged(self.path));
        }
        self.last = next.or(self.last);
        Ok(next)
    }

    /// Returns whether the list has the blob. Blobs are asked for in their order.
    fn has(&mut self, digest: &Sha256) -> Result<bool, WorkspaceError> {
        while self.last.is_none_or(|last| last < *digest) {
            if self.next_blob()?.is_none() {
                return Ok(false);
            }
        }
        Ok(self.last == Some(*digest))
    }

    fn line(&mut self) -> Result<Option<Sha256>, WorkspaceError> {
        let mut line = [0; LINE_BYTES];
        let mut filled = 0;
        while filled < LINE_BYTES {
            let rest = line.get_mut(filled..).unwrap_or_default();
            match self.from.read(rest).map_err(WorkspaceError::io("read", self.path))? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(damaged(self.path)),
                more => filled += more,
            }
        }
        let digest = std::str::from_utf8(&line).ok().and_then(|line| line.strip_suffix('\n')?.parse().ok());
        digest.map(Some).ok_or_else(|| damaged(self.path))
    }
}

pub(super) fn damaged(path: &Path) -> WorkspaceError {
    StorageError::damaged(path)("it is no sorted list of digests").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::state::blob_table::BlobTableBuilder;
    use proptest::prelude::*;

    fn digest(number: u8) -> Sha256 {
        Sha256::of(&[number])
    }

    fn list(folder: &Path, name: &str, blobs: &BTreeSet<u8>) -> PathBuf {
        let sorted: BTreeSet<Sha256> = blobs.iter().map(|number| digest(*number)).collect();
        let text: String = [digest(255)].iter().chain(&sorted).map(|digest| format!("{digest}\n")).collect();
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn refuses_damaged_lists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let line = |number| format!("{}\n", digest(number));
        let (low, high) = if digest(1) < digest(2) { (1, 2) } else { (2, 1) };
        for (text, is_good) in [
            (line(0), true),
            (line(0) + &line(low) + &line(high), true),
            (String::new(), false),
            (line(0) + &line(high) + &line(low), false),
            (line(0) + &line(low) + &line(low), false),
            (line(0) + &line(low)[..64], false),
            (line(0) + &line(low).replace('\n', " "), false),
        ] {
            std::fs::write(&path, &text).unwrap();
            let read = || -> Result<(), WorkspaceError> {
                let mut list = BlobList::open(&path)?;
                while list.next_blob()?.is_some() {}
                Ok(())
            };
            assert_eq!(read().is_ok(), is_good, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_sets(lists in prop::collection::vec(prop::collection::btree_set(0..20_u8, 0..15), 1..4), lacks: BTreeSet<u8>) {
            let folder = tempfile::tempdir().unwrap();
            let paths = lists.iter().enumerate().map(|(number, blobs)| list(folder.path(), &number.to_string(), blobs));
            let lacks: BTreeSet<u8> = lacks.into_iter().map(|number| number % 20).collect();
            let held = DeliveredBlobs { lists: paths.collect(), lacks: lacks.iter().map(|number| digest(*number)).collect() };
            let wanted = |number: &u8| lists.iter().all(|list| list.contains(number)) && !lacks.contains(number);
            let wanted: BTreeSet<Sha256> = (0..20).filter(wanted).map(digest).collect();
            prop_assert_eq!(held.among((0..20).map(digest).collect()).unwrap(), wanted.clone());
            let mut table = BlobTableBuilder::with_lines(20);
            (0..20).for_each(|number| table.add(digest(number), 1).unwrap());
            let mut table = table.finish().unwrap();
            held.mark(&mut table).unwrap();
            prop_assert_eq!(table.marked(BlobMark::Held).map(|blob| blob.sha256).collect::<BTreeSet<_>>(), wanted);
        }
    }
}
