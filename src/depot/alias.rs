//! Second names of blobs, for upstreams that sign another digest than SHA-256.
//!
//! An alias is a symbolic link whose target is the blob's digest. It saves a download and is relied on for nothing else: what
//! was fetched by another digest is verified by it again on the other side of the gap.

use std::fs;
use std::path::{Path, PathBuf};

use super::partial::remove_if_there;
use super::{Depot, DepotError};
use crate::digest::Sha256;
use crate::storage::modes;
use crate::storage::replace_link;

impl Depot {
    /// Where the alias is kept.
    fn alias_path(&self, alias: &Sha256) -> PathBuf {
        self.root.join("aliases").join(alias.to_hex())
    }

    /// The blob that was noted under `alias`: the SHA-256 of whatever upstream calls it.
    pub fn by_alias(&self, alias: &Sha256) -> Option<Sha256> {
        fs::read_link(self.alias_path(alias)).ok()?.to_str()?.parse().ok()
    }

    /// Notes that the blob is what upstream calls `alias`.
    pub fn note_alias(&self, alias: &Sha256, digest: &Sha256) -> Result<(), DepotError> {
        let (path, scratch) = (self.alias_path(alias), self.root.join("aliases/part"));
        let make = || {
            modes::create_public_folders(&self.root.join("aliases"))?;
            replace_link(Path::new(&digest.to_hex()), &path, &scratch)
        };
        make().map_err(DepotError::io("note", &path))
    }

    /// Removes the aliases of blobs that are not here.
    pub fn remove_stale_aliases(&self) -> Result<(), DepotError> {
        let folder = self.root.join("aliases");
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) }; // there are none
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            let digest = fs::read_link(&path).ok().and_then(|target| target.to_str()?.parse::<Sha256>().ok());
            if !digest.map(|digest| self.holds(&digest)).transpose()?.unwrap_or_default() {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_leads_to_its_blob_until_that_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::open(dir.path()).unwrap();
        let mut batch = depot.batch();
        let digest = depot.put(&mut batch, b"snap").unwrap();
        batch.commit().unwrap();
        let alias = Sha256::of(b"what upstream calls it");
        depot.remove_stale_aliases().unwrap();
        assert_eq!(depot.by_alias(&alias), None);
        depot.note_alias(&alias, &Sha256::of(b"another")).unwrap();
        depot.note_alias(&alias, &digest).unwrap();
        depot.remove_stale_aliases().unwrap();
        assert_eq!(depot.by_alias(&alias), Some(digest));
        depot.remove(&digest).unwrap();
        depot.remove_stale_aliases().unwrap();
        assert_eq!(depot.by_alias(&alias), None);
    }
}
