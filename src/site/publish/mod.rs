//! Publishers: from a collection to a tree, one per kind of content.
//!
//! A publisher checks upstream's proofs first, with the keys that this site pins, and then says what stands where. It
//! writes nothing but blobs into the depot.

mod apt;
mod error;
mod re_index;

use std::collections::BTreeMap;

pub use error::PublishError;

use super::state::{Identity, Published};
use super::tree::Tree;
use crate::collection::{Collection, Kind};
use crate::depot::{Batch, Depot, DepotError};
use crate::digest::Sha256;
use crate::formats::openpgp::{Keyring, SiteKey};
use crate::time::Time;

/// What a publisher works with.
pub(super) struct Context<'a, 'd> {
    /// Where the collection's blobs are.
    pub(super) depot: &'d Depot,
    /// Where generated files go.
    pub(super) batch: &'a mut Batch<'d>,
    /// The site's own key.
    pub(super) key: &'a SiteKey,
    /// Upstream's keys that the site pins for the collection's source.
    pub(super) keyring: Option<&'a Keyring>,
    /// Whether the site accepts items of this source that upstream does not vouch for.
    pub(super) allow_unsigned: bool,
    /// As of when upstream's signatures are judged.
    pub(super) verified: Time,
    /// The date of metadata signed by the site.
    pub(super) date: Time,
    /// What the published suites are called for ever.
    pub(super) identities: &'a mut BTreeMap<String, Identity>,
    /// What is to be said of the collection once it is published.
    pub(super) published: Published,
}

impl Context<'_, '_> {
    /// Stores a generated file.
    fn put(&mut self, bytes: &[u8]) -> Result<Sha256, DepotError> {
        self.depot.put(self.batch, bytes)
    }
}

/// Checks the collection's proofs and lays out its tree, below `KIND/NAME/`.
pub(super) fn tree(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    match collection.kind {
        Kind::Apt => apt::tree(collection, context),
    }
}
