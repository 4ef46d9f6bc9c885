//! Publishes snaps as a folder: NAME_REV.snap and NAME_REV.assert, for `snap ack` and `snap install`, and beside them the index
//! that the embedded store answers from. What the store signed is verified down to its roots first, and what a snap says of
//! itself is read from its own bytes.

mod index;

use std::collections::BTreeSet;

use self::index::StoreIndexBuilder;
use super::error::{not_vouched, unknown_proof};
use super::{Context, PublishError};
use crate::collection::{Collection, Item};
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::formats::ReadError;
use crate::formats::assertions::snaps::{SnapFacts, verify};
use crate::formats::assertions::{MAX_STREAM_BYTES, Pool, Sha3};
use crate::formats::signed_digest::{DigestKind, SignedDigest};
use crate::formats::snap::Metadata;
use crate::kind::Details;
use crate::path::PublishPath;
use crate::site::STORE_INDEX;
use crate::site::tree::Tree;

/// Checks all proofs, and lays out the tree.
pub(super) fn tree(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    let items = super::items_by_file(collection)?;
    let mut unused: BTreeSet<&PublishPath> = collection.proofs.iter().map(|proof| &proof.path).collect();
    let mut tree = Tree::of_files(collection);
    let mut index = StoreIndexBuilder::default();
    for (path, digest) in &collection.files {
        let Some(item) = items.get(path) else { continue };
        let not_vouched = || PublishError::from(not_vouched(path));
        let proof = item.proof.as_ref().ok_or_else(not_vouched)?;
        let stream = collection.proof(proof).ok_or_else(not_vouched)?;
        let bytes = context.depot.read(&stream, MAX_STREAM_BYTES as u64)?;
        let (carried, sha3) = vouched(&bytes, digest, proof, context)?;
        let unreadable = |error: ReadError| {
            let class = error.class_or(ErrorClass::VerificationFailed);
            Fault::new(class, format!("cannot read what {path} says of itself")).because(error)
        };
        let read = Metadata::of_snap(&mut context.depot.open_blob(digest)?);
        if read.is_err() {
            context.depot.verify(digest)?; // a disk that has changed the blob says nothing against the snap
        }
        let (metadata, yaml) = read.map_err(unreadable)?;
        if !says_the_same(item, &carried, &metadata) || carried.stream != bytes {
            return Err(not_vouched());
        }
        let Details::Snap { channels, revision } = &item.details else { return Err(not_vouched()) };
        let fits = channels.iter().all(|listing| metadata.fits(&listing.architecture));
        if channels.is_empty() || !fits || *revision != carried.revision {
            return Err(not_vouched());
        }
        let size = context.depot.expect_size(digest)?;
        index.add(&carried, metadata, yaml, sha3, size, channels);
        unused.remove(proof);
        tree.add(proof.clone(), stream);
    }
    match unused.first() {
        Some(path) => Err(unknown_proof(path).into()),
        None => {
            tree.add(STORE_INDEX.parse()?, context.put(&index.to_json())?);
            Ok(tree)
        }
    }
}

/// What the assertions say of the blob.
fn vouched(
    stream: &[u8],
    digest: &Sha256,
    proof: &PublishPath,
    context: &mut Context<'_, '_>,
) -> Result<(SnapFacts, Sha3), PublishError> {
    let untrusted = |error| Fault::unverified(format!("{proof} does not vouch for its snap")).because(error);
    let pool = Pool::of_stream(stream).map_err(untrusted)?;
    let size = context.depot.expect_size(digest)?;
    let SignedDigest::Sha3(sha3) = context.digest_of(digest, DigestKind::Sha3)? else {
        return Err(not_vouched(proof).into());
    };
    Ok((verify(context.of_kind.snap_roots, &pool, context.verified, sha3, size).map_err(untrusted)?, sha3))
}

fn says_the_same(item: &Item, carried: &SnapFacts, metadata: &Metadata) -> bool {
    let stem = format!("{}_{}", carried.name, carried.revision);
    item.name == carried.name
        && metadata.name == carried.name
        && item.version == metadata.version
        && item.publisher == carried.publisher_name()
        && item.licence == metadata.license.as_deref().unwrap_or_default()
        && item.source.is_none()
        && item.architecture == metadata.architectures.join(" ")
        && item.file.as_str() == format!("{stem}.snap")
        && item.proof.as_ref().is_some_and(|proof| proof.as_str() == format!("{stem}.assert"))
}
