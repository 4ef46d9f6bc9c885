//! A bundle that this site imports: on media, or as a stream.

use std::path::Path;

use super::{Site, SiteError};
use crate::bundle::bundle_stream::BundleStream;
use crate::bundle::packing::found::PackingSearch;
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::state::lists::{ListedCollections, StateLists};
use crate::bundle::state::stored_state::{LoadedState, StoredState, store};
use crate::bundle::state::{OpenState, SignedState};
use crate::bundle::{BundleError, FormatError};
use crate::depot::Depot;
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
    pub(super) loaded: LoadedState,
    pub(super) lists: StateLists,
}

impl IncomingState {
    /// Its collections with their lists.
    pub(super) fn listed(&self) -> ListedCollections<'_> {
        ListedCollections { collections: &self.loaded.manifest.collections, lists: &self.lists }
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
        let (manifest, digest) = (self.state.manifest.clone(), self.state.digest);
        let in_lists = |error: FormatError| BundleError::in_file(&self.state.expected())(error);
        let stored = StoredState { manifest, digest, lists: lists.clone() };
        let loaded = stored.load_with(blobs).map_err(in_lists)?;
        Ok(IncomingState { loaded, lists })
    }
}

impl Incoming<'_> {
    /// Puts the state into the depot: its manifest and its item lists.
    pub(super) fn store(&self, content: &IncomingState, depot: &Depot) -> Result<(), SiteError> {
        let mut batch = depot.batch();
        store(depot, &mut batch, &self.state.manifest, &self.state.bytes, &content.lists)?;
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

/// Reads a state of the site into memory.
pub(super) fn load(depot: &Depot, digest: &Sha256) -> Result<LoadedState, SiteError> {
    Ok(StoredState::open(depot, digest)?.load(depot)?)
}
