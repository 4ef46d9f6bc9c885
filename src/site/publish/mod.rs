//! Publishers: from a collection to a tree, one per kind of content.
//!
//! A publisher checks upstream's proofs first, with the keys that this site pins, and then says what stands where. It
//! writes nothing but blobs into the depot.

mod apt;
mod error;
mod re_index;

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, SystemTime};

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
    /// Stores a generated file. Its time is the generation's date, which rises: HTTP caches compare it by the second.
    fn put(&mut self, bytes: &[u8]) -> Result<Sha256, DepotError> {
        let digest = self.depot.put(self.batch, bytes)?;
        let path = self.depot.partial_path(&digest);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.date.unix().unsigned_abs());
        match File::options().write(true).open(&path).and_then(|file| file.set_modified(time)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(DepotError::io("set the time of", &path)(e)),
            _ => Ok(digest), // not found: the same bytes are in the depot since an earlier generation
        }
    }
}

/// Checks the collection's proofs and lays out its tree, below `KIND/NAME/`.
pub(super) fn tree(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    match collection.kind {
        Kind::Apt => apt::tree(collection, context),
    }
}
