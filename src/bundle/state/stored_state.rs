//! A state in a depot: its manifest and its item lists, as they are in bundles, each a blob.

use std::fs::File;
use std::path::Path;

use super::blob_table::BlobTable;
use super::collections::read_collection;
use super::item_list::ItemListReader;
use super::lists::{ListedCollections, StateLists};
use super::manifest::{MAX_MANIFEST_BYTES, Manifest};
use crate::bundle::BundleError;
use crate::bundle::format_error::{FormatError, contradiction};
use crate::bundle::stored_list::SharedFile;
use crate::collection::Collection;
use crate::depot::{Batch, BlobReader, Depot, DepotError};
use crate::digest::Sha256;
use crate::storage::read_to_cap;

/// A state that was read from a depot.
#[derive(Clone, Debug)]
pub struct StoredState {
    /// Its manifest.
    pub manifest: Manifest,
    /// Digest of the manifest's bytes.
    pub digest: Sha256,
    /// Its item lists.
    pub lists: StateLists,
}

/// Puts a state's manifest and its stored item lists into a depot, in the place of damaged ones. Returns the digest of the manifest.
pub fn store(
    depot: &Depot,
    batch: &mut Batch<'_>,
    manifest: &Manifest,
    text: &[u8],
    lists: &StateLists,
) -> Result<Sha256, BundleError> {
    for (index, collection) in manifest.collections.iter().enumerate() {
        let (name, stored) = (collection.list_file(), collection.list.stored);
        let file = lists.stored(index).map_err(BundleError::in_file(Path::new(&name)))?;
        if depot.has_good(&stored.sha256, stored.size)?
            && let Err(DepotError::DigestMismatch { .. }) = depot.verify(&stored.sha256)
        {
            depot.remove(&stored.sha256)?;
        }
        depot.put_from(batch, file, Path::new(&name), stored.sha256, stored.size)?;
    }
    Ok(depot.put(batch, text)?)
}

impl StoredState {
    /// Opens the state whose manifest has this digest.
    pub fn open(depot: &Depot, digest: &Sha256) -> Result<Self, BundleError> {
        let in_manifest = |error| BundleError::in_file(&depot.place(digest))(error);
        let manifest = Self::manifest(depot, digest)?;
        let lists = manifest.collections.iter().map(|collection| depot.open_blob(&collection.list.stored.sha256));
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        let lists = StateLists::new(&manifest, lists).map_err(in_manifest)?;
        Ok(Self { manifest, digest: *digest, lists })
    }

    /// Opens a state in files: its manifest at `manifest`, and its item lists below the folder `below` as in a bundle's folder.
    pub fn in_files(manifest: &Path, below: &Path) -> Result<Self, BundleError> {
        let open = File::open(manifest).and_then(|file| read_to_cap(file, MAX_MANIFEST_BYTES));
        let bytes = open.map_err(BundleError::io("read", manifest))?;
        let digest = Sha256::of(&bytes);
        let in_manifest = |error| BundleError::in_file(manifest)(error);
        let manifest = Manifest::parse(&bytes).map_err(in_manifest)?;
        let lists = manifest.collections.iter().map(|collection| {
            let path = below.join(collection.list_file());
            File::open(&path).map(BlobReader::of_file).map_err(BundleError::io("open", &path))
        });
        let lists = StateLists::new(&manifest, lists.collect::<Result<_, _>>()?).map_err(in_manifest)?;
        Ok(Self { manifest, digest, lists })
    }

    /// Checks that the depot has its lists as they were stored.
    pub fn verify(&self, depot: &Depot) -> Result<(), BundleError> {
        let mut lists = self.manifest.collections.iter().map(|collection| &collection.list.stored.sha256);
        lists.try_for_each(|digest| Ok(depot.verify(digest)?))
    }

    /// Its collections with their lists.
    pub fn listed(&self) -> ListedCollections<'_> {
        ListedCollections { collections: &self.manifest.collections, lists: &self.lists }
    }

    /// Reads collection `index`, counted from 0, into memory.
    pub fn collection(&self, index: usize) -> Result<Collection, FormatError> {
        match self.manifest.collections.get(index) {
            Some(collection) => read_collection(collection, &mut self.lists.read(index)?),
            None => contradiction(format!("there is no collection {index}")),
        }
    }

    /// Reads its collections one after the other, each of which may be large.
    pub fn collections(&self) -> impl Iterator<Item = Result<Collection, FormatError>> {
        (0..self.manifest.collections.len()).map(|index| self.collection(index))
    }

    /// The blobs in which the depot has the state itself.
    pub fn own_blobs(&self) -> impl Iterator<Item = Sha256> {
        self.manifest.list_blobs().chain([self.digest])
    }

    /// Reads the blobs of the state, and checks its lists.
    pub fn blobs(&self, depot: &Depot) -> Result<BlobTable, BundleError> {
        self.lists.check(|_, _| Ok(())).map_err(BundleError::in_file(&depot.place(&self.digest)))
    }

    /// Reads one collection into memory, such as `apt/debian`, from a depot that may lack the lists of others. Returns `None` if the
    /// state has no such collection.
    pub fn load_collection(depot: &Depot, digest: &Sha256, folder: &str) -> Result<Option<Collection>, BundleError> {
        let manifest = Self::manifest(depot, digest)?;
        let Some(collection) = manifest.collections.iter().find(|collection| collection.folder() == folder) else {
            return Ok(None);
        };
        let stored = collection.list.stored;
        let file = SharedFile::new(depot.open_blob(&stored.sha256)?, stored.size);
        let read = || read_collection(collection, &mut ItemListReader::new(file, collection.summary())?);
        read().map(Some).map_err(BundleError::in_file(&depot.place(&stored.sha256)))
    }

    /// Reads the manifest with this digest.
    pub fn manifest(depot: &Depot, digest: &Sha256) -> Result<Manifest, BundleError> {
        let bytes = depot.read(digest, MAX_MANIFEST_BYTES)?;
        Manifest::parse(&bytes).map_err(BundleError::in_file(&depot.place(digest)))
    }
}
