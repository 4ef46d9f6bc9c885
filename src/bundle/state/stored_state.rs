//! A state in a depot: its manifest and its item lists, as they are in bundles, each a blob.

use std::path::Path;

use super::blob_table::BlobTable;
use super::collections::read_collection;
use super::lists::StateLists;
use super::manifest::{MAX_MANIFEST_BYTES, StateManifest};
use crate::bundle::BundleError;
use crate::collection::Collection;
use crate::depot::{Batch, Depot};
use crate::digest::Sha256;

/// A state that was read from a depot.
#[derive(Clone, Debug)]
pub struct StoredState {
    /// Its manifest.
    pub manifest: StateManifest,
    /// Digest of the manifest's bytes.
    pub digest: Sha256,
    /// Its item lists.
    pub lists: StateLists,
}

/// A state with all of its collections in memory, as publishers take them.
#[derive(Clone, Debug)]
pub struct LoadedState {
    /// Its manifest.
    pub manifest: StateManifest,
    /// Digest of the manifest's bytes.
    pub digest: Sha256,
    /// Its collections, in the order of the manifest.
    pub collections: Vec<Collection>,
    /// Its blobs.
    pub blobs: BlobTable,
}

/// Puts a state's manifest and its stored item lists into a depot. Returns the digest of the manifest.
pub fn store(
    depot: &Depot,
    batch: &mut Batch<'_>,
    manifest: &StateManifest,
    text: &[u8],
    lists: &StateLists,
) -> Result<Sha256, BundleError> {
    for (index, collection) in manifest.collections.iter().enumerate() {
        let (name, stored) = (collection.list_file(), collection.list.stored);
        let file = lists.stored(index).map_err(BundleError::in_file(Path::new(&name)))?;
        depot.put_from(batch, file, Path::new(&name), (stored.sha256, stored.size))?;
    }
    Ok(depot.put(batch, text)?)
}

impl StoredState {
    /// Opens the state whose manifest has this digest.
    pub fn open(depot: &Depot, digest: &Sha256) -> Result<Self, BundleError> {
        let bytes = depot.read(digest, MAX_MANIFEST_BYTES)?;
        let in_manifest = |error| BundleError::in_file(&depot.place(digest))(error);
        let manifest = StateManifest::parse(&bytes).map_err(in_manifest)?;
        let lists = manifest.collections.iter().map(|collection| depot.open_blob(&collection.list.stored.sha256));
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        let lists = StateLists::new(&manifest, lists).map_err(in_manifest)?;
        Ok(Self { manifest, digest: *digest, lists })
    }

    /// The blobs in which the depot has the state itself.
    pub fn own_blobs(&self) -> impl Iterator<Item = Sha256> {
        let lists = self.manifest.collections.iter().map(|collection| collection.list.stored.sha256);
        lists.chain([self.digest])
    }

    /// Reads the blobs of the state, and checks its lists.
    pub fn blobs(&self, depot: &Depot) -> Result<BlobTable, BundleError> {
        self.lists.check(|_, _| Ok(())).map_err(BundleError::in_file(&depot.place(&self.digest)))
    }

    /// Reads all of it into memory.
    pub fn load(self, depot: &Depot) -> Result<LoadedState, BundleError> {
        let blobs = self.blobs(depot)?;
        let read = |(index, collection)| {
            let mut list = self.lists.read(index)?;
            read_collection(collection, &mut list)
        };
        let collections = self.manifest.collections.iter().enumerate().map(read).collect::<Result<_, _>>();
        let collections = collections.map_err(BundleError::in_file(&depot.place(&self.digest)))?;
        Ok(LoadedState { manifest: self.manifest, digest: self.digest, collections, blobs })
    }
}
