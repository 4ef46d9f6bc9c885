//! A bundle that this site imports: on media, or as a stream.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Site, SiteError};
use crate::bundle::BundleError;
use crate::bundle::bundle_stream::BundleStream;
use crate::bundle::packing::found::PackingSearch;
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::state::blob_table::BlobTable;
use crate::bundle::state::lists::StateLists;
use crate::bundle::state::stored_state::{StoredState, store};
use crate::bundle::state::{ListLine, OpenState, SignedState};
use crate::depot::{BlobReader, Depot};
use crate::digest::Sha256;
use crate::time::Time;
use crate::trust::{PublicKey, TrustError, TrustFile};

/// A bundle that a builder of this site has signed.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) state: &'a OpenState,
    /// The stream that has the rest of it; `None` if it is on media.
    pub(super) stream: Option<&'a BundleStream>,
}

/// The state of a bundle, read from its item lists.
pub(super) struct IncomingState {
    pub(super) state: StoredState,
    pub(super) blobs: BlobTable,
}

impl IncomingState {
    /// Hands each line of the list of collection `index`, counted from 0, to `line`.
    pub(super) fn each_line(&self, index: usize, mut line: impl FnMut(&ListLine)) -> Result<(), SiteError> {
        let mut read = || {
            let mut list = self.state.lists.read(index)?;
            while let Some(next) = list.next_line()? {
                line(&next);
            }
            Ok(())
        };
        Ok(read().map_err(BundleError::in_file(Path::new(&self.state.manifest.folder())))?)
    }
}

impl<'a> Incoming<'a> {
    /// A bundle on media.
    pub(super) fn on_media(state: &'a OpenState) -> Self {
        Self { state, stream: None }
    }

    /// Reads and checks the item lists. `scratch` gets nameless copies.
    pub(super) fn lists(&self, scratch: &Path) -> Result<IncomingState, SiteError> {
        let (lists, blobs) = match self.stream {
            None => self.state.lists(scratch, |_, _| Ok(()))?,
            Some(stream) => self.state.check_lists(stream.lists(&self.state.manifest, scratch)?, |_, _| Ok(()))?,
        };
        Ok(self.incoming_state(lists, blobs))
    }

    /// Reads and checks the item lists, but not those of the `unchanged` collections. The site checked these when it published them,
    /// and `site check` looks at their blobs. Reads all lists if the bundle carries a blob that the others do not name. Reads all of a
    /// stream too: nobody knows yet what it carries.
    pub(super) fn changed_lists(
        &self,
        site: &Site,
        depot: &Depot,
        unchanged: &BTreeSet<usize>,
    ) -> Result<IncomingState, SiteError> {
        let held = self.held_lists(depot, unchanged)?;
        if !held.is_empty() && self.stream.is_none() {
            let (lists, blobs) = self.state.lists_beside(held, site.root())?;
            if self.carries_only(&blobs, site)? {
                return Ok(self.incoming_state(lists, blobs));
            }
        }
        self.lists(site.root())
    }

    /// Opens the lists of these collections that are here as they were stored. A damaged one is taken from the bundle.
    fn held_lists(
        &self,
        depot: &Depot,
        collections: &BTreeSet<usize>,
    ) -> Result<BTreeMap<usize, BlobReader>, SiteError> {
        let mut held = BTreeMap::new();
        for index in collections {
            let stored = self.state.manifest.collections.get(*index).map(|collection| collection.list.stored);
            if let Some(stored) = stored
                && depot.has_good(&stored.sha256, stored.size)?
                && depot.is_intact(&stored.sha256)?
            {
                held.insert(*index, depot.open_blob(&stored.sha256)?);
            }
        }
        Ok(held)
    }

    /// Returns `true` if all volume indexes of all packings are here, and name blobs of the table alone.
    fn carries_only(&self, blobs: &BlobTable, site: &Site) -> Result<bool, SiteError> {
        for packing in site.packings(self.state)?.found {
            for index in 0..packing.packing.volumes.len() {
                let mut has_all = true;
                let here = packing.each_part(index, site.root(), |part| has_all &= blobs.get(&part.blob).is_some());
                // Whoever unpacks the volume reports an error of its index.
                if !(here.unwrap_or(false) && has_all) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn incoming_state(&self, lists: StateLists, blobs: BlobTable) -> IncomingState {
        let (manifest, digest) = (self.state.manifest.clone(), self.state.digest);
        IncomingState { state: StoredState { manifest, digest, lists }, blobs }
    }
}

impl Incoming<'_> {
    /// Puts the state into the depot: its manifest and its item lists.
    pub(super) fn store(&self, content: &IncomingState, depot: &Depot) -> Result<(), SiteError> {
        let mut batch = depot.batch();
        store(depot, &mut batch, &self.state.manifest, &self.state.bytes, &content.state.lists)?;
        Ok(batch.commit()?)
    }
}

impl Site {
    /// Returns the check of keys that sign a manifest with this digest, or packings of it, against the newest trust file.
    pub(super) fn builders(&self, manifest: &Sha256) -> Result<Builders, SiteError> {
        let (trust, now) = (self.newest_trust()?, self.least_time()?);
        Ok(Builders { trust, now, manifest: *manifest, is_published: self.has_published(manifest)? })
    }

    /// Opens the bundle in `folder` as this site does: only keys of its trust file count.
    pub fn bundle(&self, folder: &Path) -> Result<OpenState, SiteError> {
        self.check_carried_trust(folder)?;
        self.trusted(SignedState::open(folder)?)
    }

    pub(super) fn trusted(&self, signed: SignedState) -> Result<OpenState, SiteError> {
        let builders = self.builders(&signed.digest())?;
        signed.trusted(|signer| Ok(builders.check(signer)?))
    }

    /// Looks for packings of a bundle that a builder of this site has signed.
    pub fn packings(&self, state: &OpenState) -> Result<PackingSearch, SiteError> {
        let builders = self.builders(&state.digest)?;
        Ok(state.packings(WrongSize::Missing, |signer| Ok(builders.check(signer)?))?)
    }
}

/// The keys that may sign a manifest and its packings.
pub(super) struct Builders {
    trust: TrustFile,
    now: Time,
    manifest: Sha256,
    is_published: bool,
}

impl Builders {
    /// Refuses the signer unless it is a builder.
    pub(super) fn check(&self, signer: &PublicKey) -> Result<(), TrustError> {
        match self.trust.authorize_builder(signer, &self.manifest, self.now) {
            // A revocation voids what is not published yet, so what is can still be healed from its medium.
            Err(TrustError::RevokedKey { .. }) if self.is_published => Ok(()),
            other => other.map(drop),
        }
    }
}
