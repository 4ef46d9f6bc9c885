//! Collects snaps: from stores, with what they need, and from folders. Each is verified down to the store's roots before it
//! enters the depot.
//!
//! What a store says decides only what is asked for next. What is carried, and what it needs in turn, is read from the snaps
//! themselves, once their bytes are the ones that are signed.

mod folder;
mod snap_set;
mod store;

use std::collections::BTreeSet;
use std::fmt::Display;

use self::snap_set::Wish;
use self::snap_set::{PickedSnap, SnapSet};
use self::store::StoreOffer;
use super::{CollectContext, CollectError, Selected};
use crate::collection::Collection;
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::formats::ReadError;
use crate::formats::assertions::snaps::{SnapFacts, verify};
use crate::formats::assertions::{Pool, Reference, Sha3};
use crate::formats::snap::Metadata;
use crate::label::Label;
use crate::selection::{SnapPlace, SnapsSource};

/// How often what came may need something further, before that counts as a trap: snaps need bases, and bases nothing.
const MAX_ROUNDS: usize = 16;

/// Collects all sources of snaps: together they are one store, named `name`.
pub fn collect(name: Label, sources: &[SnapsSource], with: &CollectContext<'_>) -> Result<Collection, CollectError> {
    let mut batch = with.depot.batch();
    let mut snaps = SnapSet::default();
    for source in sources {
        let SnapPlace::Folder(folder) = &source.place else { continue };
        for picked in folder::collect(folder, with, &mut batch)? {
            snaps.add_local(picked, source)?;
        }
    }
    let mut pool = Pool::default();
    let mut wishes = requested(sources);
    for round in 0.. {
        for (picked, wish) in offered(&wishes, &mut pool, with)? {
            snaps.add_offered(picked, wish)?;
        }
        wishes = snaps.needs()?;
        match wishes.first() {
            None => break,
            Some(wish) if round == MAX_ROUNDS => {
                let name = &wish.name;
                return Err(Fault::unverified(format!(
                    "{name} is needed by a snap that is needed by a snap, and so on: there is no end to it"
                ))
                .into());
            }
            Some(_) => {}
        }
    }
    let collection = snaps.into_collection(name, with.depot, &mut batch)?;
    batch.commit()?;
    Ok(collection)
}

/// What the selection asks of stores.
fn requested(sources: &[SnapsSource]) -> BTreeSet<Wish> {
    let mut wishes = BTreeSet::new();
    for source in sources {
        let SnapPlace::Store(snap) = &source.place else { continue };
        wishes.extend(snap.architectures.iter().map(|architecture| Wish {
            store: snap.store_url.clone(),
            architecture: architecture.clone(),
            name: snap.name.clone(),
            channel: source.channel.clone(),
            revision: snap.revision.map(Into::into),
            closure: source.closure,
            reason: snap_set::REQUESTED.to_owned(),
        }));
    }
    wishes
}

/// What stores offer for the wishes: verified, and, but on a dry run, fetched.
fn offered(
    wishes: &BTreeSet<Wish>,
    pool: &mut Pool,
    with: &CollectContext<'_>,
) -> Result<Vec<(PickedSnap, Wish)>, CollectError> {
    let mut offers = Vec::new();
    for offer in store::offers(wishes, with)? {
        let malformed = |_| Fault::unverified(format!("the store's digest of {} is not one", offer.snap.name));
        let sha3 = Sha3::from_hex(&offer.snap.download.sha3_384).map_err(malformed)?;
        offers.push((offer, sha3));
    }
    let said: Vec<_> =
        offers.iter().map(|(offer, sha3)| (offer.wish.store.clone(), Reference::snap_revision(*sha3))).collect();
    store::complete(pool, &said, with)?;
    let mut verified = Vec::new();
    for (offer, sha3) in offers {
        let carried = vouched(&offer, sha3, pool, with)?;
        verified.push((offer, sha3, carried));
    }
    let selected = verified.iter().map(|(offer, sha3, _)| Selected {
        urls: vec![offer.url.clone()],
        size: offer.snap.download.size,
        digest: (*sha3).into(),
    });
    with.fetch_selected("fetching snaps", selected.collect())?;
    verified.into_iter().map(|(offer, sha3, carried)| picked(offer, sha3, carried, with)).collect()
}

/// What is signed about an offer, which has to be what the store says and what was asked for.
fn vouched(offer: &StoreOffer, sha3: Sha3, pool: &Pool, with: &CollectContext<'_>) -> Result<SnapFacts, CollectError> {
    let StoreOffer { wish, snap, .. } = offer;
    let untrusted =
        |error| Fault::unverified(format!("cannot trust {} as the store offers it", wish.name)).because(error);
    let carried = verify(with.snap_roots, pool, with.now, sha3, snap.download.size).map_err(untrusted)?;
    let wanted = (&wish.name, wish.revision.unwrap_or(snap.revision));
    if (&carried.name, carried.revision) != wanted {
        let wanted = format!("revision {} of {}", wanted.1, wanted.0);
        return Err(other_snap(&wanted, &format!("revision {} of {}", carried.revision, carried.name)));
    }
    Ok(carried)
}

/// What the snap says itself; on a dry run what the store repeats of that, if the depot lacks the snap.
fn picked(
    offer: StoreOffer,
    sha3: Sha3,
    carried: SnapFacts,
    with: &CollectContext<'_>,
) -> Result<(PickedSnap, Wish), CollectError> {
    let unreadable = |error| unreadable(&carried.name, error);
    let (sha256, metadata) = match with.held(&sha3.into(), offer.snap.download.size) {
        Some(sha256) => match Metadata::of_snap(&mut with.depot.open_blob(&sha256)?) {
            Ok((metadata, _)) => (sha256, metadata),
            Err(error) => {
                with.depot.verify(&sha256)?; // if it rotted in the depot, that is the reason
                return Err(unreadable(error).into());
            }
        },
        None => (
            Sha256::of(sha3.to_hex().as_bytes()),
            Metadata::parse(offer.snap.snap_yaml.as_bytes()).map_err(|bad| unreadable(bad.into()))?,
        ),
    };
    match metadata.name == carried.name {
        true => Ok((PickedSnap { carried, metadata, sha256 }, offer.wish)),
        false => Err(other_snap(&carried.name, &metadata.name)),
    }
}

fn other_snap(wanted: &str, got: &str) -> CollectError {
    Fault::unverified(format!("what is offered as {wanted} is {got}")).into()
}

/// Makes the error of a snap whose own metadata cannot be read.
fn unreadable(name: impl Display, error: ReadError) -> Fault {
    let class = error.class_or(ErrorClass::VerificationFailed);
    Fault::new(class, format!("cannot read what {name} says of itself")).because(error)
}
