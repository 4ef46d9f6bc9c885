//! A bundle that this site imports: on media, or as a stream.

use std::path::Path;

use super::{Site, SiteError};
use crate::bundle::bundle_stream::BundleStream;
use crate::bundle::packing::found::PackingSearch;
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::state::lists::StateLists;
use crate::bundle::state::stored_state::{LoadedState, StoredState, store};
use crate::bundle::state::{OpenState, SignedState};
use crate::bundle::{BundleError, FormatError};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::time::Time;
use crate::trust::{PublicKey, Role};

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

impl<'a> Incoming<'a> {
    /// A bundle on media.
    pub(super) fn on_media(state: &'a OpenState) -> Self {
        Self { state, stream: None }
    }

    /// Reads and checks the item lists. `scratch` gets nameless copies.
    pub(super) fn lists(&self, scratch: &Path) -> Result<IncomingState, SiteError> {
        let (lists, blobs) = match self.stream {
            None => self.state.lists(scratch, |_, _| Ok(()))?,
            Some(stream) => self.state.check_lists(stream.lists(self.state, scratch)?, |_, _| Ok(()))?,
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
    /// Returns `Ok` if the key may sign as a builder.
    pub(super) fn is_builder(&self, signer: &PublicKey) -> Result<(), SiteError> {
        Ok(self.trust.authorize(Role::Builder, std::slice::from_ref(signer), Time::now())?)
    }

    /// The same, for signers of packings.
    pub(super) fn is_packer(&self, signer: &PublicKey) -> Result<(), BundleError> {
        Ok(self.trust.authorize(Role::Builder, std::slice::from_ref(signer), Time::now())?)
    }

    /// Opens the bundle in `folder` as this site does: only keys of its trust file count.
    pub fn bundle(&self, folder: &Path) -> Result<OpenState, SiteError> {
        self.trusted(SignedState::open(folder)?)
    }

    pub(super) fn trusted(&self, signed: SignedState) -> Result<OpenState, SiteError> {
        signed.trusted(|signer| self.is_builder(signer))
    }

    /// Looks for packings of a bundle that a builder of this site has signed.
    pub fn packings(&self, state: &OpenState) -> Result<PackingSearch, SiteError> {
        Ok(state.packings(WrongSize::Missing, |signer| self.is_packer(signer))?)
    }
}

/// Reads a state of the site into memory.
pub(super) fn load(depot: &Depot, digest: &Sha256) -> Result<LoadedState, SiteError> {
    Ok(StoredState::open(depot, digest)?.load(depot)?)
}
