//! Publishers: from a collection to a tree, one per kind of content.
//!
//! A publisher checks upstream's proofs first, with the keys that this site pins, and then says what stands where. It
//! writes nothing but blobs into the depot.

pub(super) mod apt;
mod date_history;
mod detached;
mod enterprise_store;
mod error;
mod feeds;
mod files;
mod images;
mod os_images;
mod signed_stream;
mod snaps;
#[cfg(test)]
mod toy;
mod yum;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

pub use apt::reprepro::RepreproKey;
pub(super) use date_history::DateHistory;
pub use error::PublishError;
use files::StreamedFiles;

use super::state::{Identity, Published};
use super::tree::Tree;
use crate::bundle::FormatError;
use crate::bundle::state::stored_state::StoredState;
use crate::collection::{Collection, Item, Publish};
use crate::depot::{Batch, Depot, DepotError};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::assertions::Trust;
use crate::formats::openpgp::{Keyring, SiteKeys};
use crate::formats::signed_digest::{DigestKind, SecondHashing, SignedDigest};
use crate::kind::Kind;
use crate::label::Label;
use crate::next_command;
use crate::path::PublishPath;
use crate::progress::Progress;
use crate::time::Time;
use error::not_vouched;

/// Bytes that are read and hashed at once.
const BUFFER_BYTES: usize = 1 << 20;

/// The inputs of every publisher.
pub(super) struct Context<'a, 'd> {
    /// Where the collection's blobs are.
    pub(super) depot: &'d Depot,
    /// Where generated files go.
    pub(super) batch: &'a mut Batch<'d>,
    /// The site's folder.
    pub(super) root: &'a Path,
    /// The site's own keys.
    pub(super) key: &'a SiteKeys,
    /// Upstream's keys that the site pins for the collection's source.
    pub(super) keyring: Option<&'a Keyring>,
    /// The same, as the site's file has them.
    pub(super) keyring_bytes: Option<&'a [u8]>,
    /// Whether the site accepts items of this source that upstream does not vouch for.
    pub(super) allow_unsigned: bool,
    /// As of when upstream's signatures are judged.
    pub(super) verified: Time,
    /// The date of metadata signed by the site.
    pub(super) date: Time,
    /// The dates of upstream's signed files.
    pub(super) dates: DateHistory<'a>,
    /// Other digests of blobs than SHA-256.
    pub(super) digests: DigestHistory<'a>,
    /// The collection as it was published before, if its kind has a grace period.
    pub(super) previous: Option<&'a Collection>,
    /// The record of the collection once it is published.
    pub(super) published: Published,
    /// Keys besides the site's own that clients need: file name → blob.
    pub(super) keys: &'a mut BTreeMap<String, Sha256>,
    /// Inputs of single kinds.
    pub(super) of_kind: KindContext<'a>,
}

/// Other digests of blobs than SHA-256.
pub(super) struct DigestHistory<'a> {
    /// Those that the current generation and the import know.
    pub(super) known: &'a BTreeMap<Sha256, SignedDigest>,
    /// Those that the next generation will know.
    pub(super) next: &'a mut BTreeMap<Sha256, SignedDigest>,
}

/// Inputs that the publisher of one kind alone needs.
pub(super) struct KindContext<'a> {
    /// The names of published suites, which stay the same for ever.
    pub(super) identities: &'a mut BTreeMap<String, Identity>,
    /// By suite, the name that upstream is known to sign in it instead.
    pub(super) signed_as: Option<&'a BTreeMap<SuiteName, String>>,
    /// Inputs of reprepro.
    pub(super) reprepro: RepreproContext<'a>,
    /// The roots in which assertions about snaps must end.
    pub(super) snap_roots: &'a Trust,
}

/// Inputs of the publisher that runs reprepro.
pub(super) struct RepreproContext<'a> {
    /// Whose key it signs with, where it is not the site's.
    pub(super) key: Option<&'a RepreproKey>,
    /// Forbids changes outside of the depot: it is not run.
    pub(super) is_rehearsal: bool,
    /// The newest date of metadata that it has signed for the site; it may be past [`Context::date`].
    pub(super) newest: &'a mut Time,
    /// Shows how far it is.
    pub(super) progress: &'a Progress,
}

impl Context<'_, '_> {
    /// Upstream's keys for the collection's source; an error where the site pins none.
    fn pinned(&self, collection: &Collection) -> Result<&Keyring, Fault> {
        let none = || {
            let source = &collection.source;
            let pin = next_command::pin(self.root, source.as_str());
            Fault::refused(format!(
                "no upstream keyring is pinned for the source {source}: check its fingerprint, then run `{pin}`"
            ))
        };
        self.keyring.ok_or_else(none)
    }

    /// Images and RPM packages of the state before stay where they were, though no list names them.
    fn retain_for_grace_period(&self, tree: &mut Tree) -> Result<(), DepotError> {
        let mut here = Vec::new();
        for (path, digest) in self.previous.iter().flat_map(|previous| &previous.files) {
            if self.depot.holds(digest)? {
                here.push((path, digest));
            }
        }
        tree.add_where_free(here.into_iter());
        Ok(())
    }

    /// An error unless the site accepts what upstream does not vouch for.
    fn check_unsigned(&self, source: &Label, path: &PublishPath) -> Result<(), Fault> {
        if self.allow_unsigned { Ok(()) } else { Err(error::unsigned(path, source)) }
    }

    /// Returns whether the blob has the digest that upstream signs.
    fn has_digest(&mut self, blob: &Sha256, signed: &SignedDigest) -> Result<bool, DepotError> {
        Ok(self.digest_of(blob, signed.kind())? == *signed)
    }

    /// The blob's digest of this kind.
    fn digest_of(&mut self, blob: &Sha256, kind: DigestKind) -> Result<SignedDigest, DepotError> {
        let Some(hashing) = kind.hashing() else { return Ok((*blob).into()) };
        let known = self.digests.next.get(blob).or_else(|| self.digests.known.get(blob)).copied();
        let digest = match known.filter(|known| known.kind() == kind) {
            Some(known) => known,
            None => self.hash(blob, hashing)?,
        };
        self.digests.next.insert(*blob, digest);
        Ok(digest)
    }

    /// Reads the blob once more: it was unpacked in parts, or before it was known to need the digest.
    fn hash(&self, blob: &Sha256, mut hashing: SecondHashing) -> Result<SignedDigest, DepotError> {
        let path = self.depot.place(blob);
        let mut file = self.depot.open_blob(blob)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match file.read(&mut buffer).map_err(DepotError::io("read", &path))? {
                0 => return Ok(hashing.finish()),
                length => hashing.update(buffer.get(..length).unwrap_or_default()),
            }
        }
    }

    /// Stores a generated file.
    fn put(&mut self, bytes: &[u8]) -> Result<Sha256, DepotError> {
        self.depot.put(self.batch, bytes)
    }
}

fn not_for_reprepro(kind: Kind) -> Fault {
    Fault::unverified(format!(
        "{} cannot be published by reprepro, which knows packages alone: the bundle's selection is wrong",
        kind.as_str()
    ))
}

/// A collection that is to be published.
pub(super) enum CollectionContent<'a> {
    /// In memory, as most publishers need it.
    Loaded(Collection),
    /// In its item list: files without an upstream may be more than fit into memory.
    Listed(StreamedFiles<'a>),
}

impl<'a> CollectionContent<'a> {
    /// Opens collection `index` of the state, counted from 0.
    pub(super) fn open(state: &'a StoredState, index: usize) -> Result<Self, FormatError> {
        match state.manifest.collections.get(index) {
            Some(collection) if collection.kind == Kind::Files => {
                Ok(Self::Listed(StreamedFiles { collection, lists: &state.lists, index }))
            }
            _ => state.collection(index).map(Self::Loaded),
        }
    }

    /// The collection, if it is in memory.
    pub(super) fn loaded(&self) -> Option<&Collection> {
        match self {
            Self::Loaded(collection) => Some(collection),
            Self::Listed(_) => None,
        }
    }

    /// Returns the record of what is published.
    pub(super) fn published(&self) -> Published {
        match self {
            Self::Loaded(collection) => Published::of(collection),
            Self::Listed(files) => files.published(),
        }
    }

    /// Returns its proofs as a tree.
    pub(super) fn proofs(&self) -> Tree {
        let proofs = self.loaded().into_iter().flat_map(|collection| &collection.proofs);
        proofs.map(|proof| (proof.path.clone(), proof.sha256)).collect()
    }
}

/// Checks the collection's proofs and lays out its tree, below `KIND/NAME/`.
pub(super) fn tree(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    if collection.publish == Publish::Reprepro && !collection.kind.is_for_reprepro() {
        return Err(not_for_reprepro(collection.kind).into());
    }
    check_source(collection.kind, &collection.source)?;
    if let Some(item) = collection.items.iter().find(|item| !collection.kind.has_details(&item.details)) {
        return Err(not_vouched(&item.file).into());
    }
    match collection.kind {
        Kind::Apt => apt::tree(collection, context),
        Kind::Images => images::tree(collection, context),
        Kind::Snaps => snaps::tree(collection, context),
        Kind::EnterpriseStore => enterprise_store::tree(collection, context),
        Kind::OsImages => os_images::tree(collection, context),
        Kind::Files => Err(Fault::failed("files are published from their item list").into()),
        Kind::Feeds => feeds::tree(collection, context),
        Kind::Yum => yum::tree(collection, context),
        #[cfg(test)]
        Kind::Toy => toy::tree(collection, context),
    }
}

/// Refuses a source that is called as another kind: what a site's policy allows of that kind must not let anything else in.
fn check_source(of: Kind, source: &Label) -> Result<(), PublishError> {
    match Kind::owner_of_source(source.as_str()) {
        Some(kind) if kind != of => {
            let kind = kind.as_str();
            Err(Fault::unverified(format!("the source {source} is for {kind} alone, and allows nothing else")).into())
        }
        _ => Ok(()),
    }
}

/// The items by their files; each file has one.
fn items_by_file(collection: &Collection) -> Result<BTreeMap<&PublishPath, &Item>, PublishError> {
    let items: BTreeMap<&PublishPath, &Item> = collection.items.iter().map(|item| (&item.file, item)).collect();
    match collection.files.keys().find(|path| !items.contains_key(path)) {
        Some(path) => Err(Fault::unverified(format!("{path} is a file that no item of the collection names")).into()),
        None => Ok(items),
    }
}
