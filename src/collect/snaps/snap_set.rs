//! What has been picked so far: snaps, where each is listed, why it is in, and what all of them still need.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::collect::CollectError;
use crate::collection::{Collection, Item, Proof, Publish};
use crate::depot::{Batch, Depot};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::assertions::snaps::SnapFacts;
use crate::formats::signed_digest::DigestKind;
use crate::formats::snap::{ALL, Channel, ChannelListing, Metadata, NeedReason};
use crate::kind::{Details, Kind};
use crate::label::Label;
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::SnapsSource;

/// The reason of a wish that the selection has itself.
pub(super) const REQUESTED: &str = "requested";

/// A snap that is wanted from a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wish {
    /// The store's address.
    pub(super) store: Url,
    /// For devices of this architecture.
    pub(super) architecture: String,
    /// The snap's name.
    pub(super) name: String,
    /// The channel that it comes from. A pinned revision is offered under this channel at the site.
    pub(super) channel: Channel,
    /// This revision and no other.
    pub(super) revision: Option<u64>,
    /// `true` if the snaps that it needs are wanted too.
    pub(super) closure: bool,
    /// The reason, for messages.
    pub(super) reason: String,
}

/// A snap that is carried, and what is known of it.
pub(super) struct PickedSnap {
    /// What its assertions say.
    pub(super) carried: SnapFacts,
    /// What it says itself.
    pub(super) metadata: Metadata,
    /// Its blob; on a dry run, a stand-in for one that is not in the depot.
    pub(super) sha256: Sha256,
}

/// A pick with all that is said about it.
struct PickedEntry {
    picked: PickedSnap,
    listings: BTreeSet<ChannelListing>,
    reasons: BTreeSet<String>,
    /// The store that is asked for what it needs; of a folder's snap none.
    store: Option<Url>,
    closure: bool,
}

/// All picks.
#[derive(Default)]
pub(super) struct SnapSet {
    /// By name and revision.
    entries: BTreeMap<(String, u64), PickedEntry>,
}

impl SnapSet {
    /// Adds a snap of the source's folder, offered on the source's channel to all devices that it fits.
    pub(super) fn add_local(&mut self, picked: PickedSnap, source: &SnapsSource) -> Result<(), CollectError> {
        let fits = picked.metadata.architectures.clone();
        let listings =
            fits.into_iter().map(|architecture| ChannelListing { architecture, channel: source.channel.clone() });
        self.add(PickedEntry {
            listings: listings.collect(),
            reasons: BTreeSet::from(["local file".to_owned()]),
            store: None,
            closure: source.closure,
            picked,
        })
    }

    /// Adds a snap that a store offered for `wish`.
    pub(super) fn add_offered(&mut self, picked: PickedSnap, wish: Wish) -> Result<(), CollectError> {
        let Wish { store, architecture, channel, closure, reason, .. } = wish;
        let listings = BTreeSet::from([ChannelListing { architecture, channel }]);
        self.add(PickedEntry { picked, listings, reasons: BTreeSet::from([reason]), store: Some(store), closure })
    }

    fn add(&mut self, entry: PickedEntry) -> Result<(), CollectError> {
        let carried = &entry.picked.carried;
        let key = (carried.name.clone(), carried.revision);
        match self.entries.get_mut(&key) {
            Some(there) if there.picked.sha256 != entry.picked.sha256 => {
                Err(Fault::unverified(format!("two different files claim to be {}", file(carried)?)).into())
            }
            Some(there) => {
                there.listings.extend(entry.listings);
                there.reasons.extend(entry.reasons);
                there.closure |= entry.closure;
                there.store = there.store.take().or(entry.store);
                Ok(())
            }
            None => {
                self.entries.insert(key, entry);
                Ok(())
            }
        }
    }

    /// What the picks need and no pick is, for each architecture; to be asked of the store that the needing snap is from.
    pub(super) fn needs(&self) -> Result<BTreeSet<Wish>, CollectError> {
        let mut needs: BTreeMap<(Url, String, String), BTreeSet<String>> = BTreeMap::new();
        let mut lacking = None;
        for ((name, _), entry) in self.entries.iter().filter(|(_, entry)| entry.closure) {
            for need in entry.picked.metadata.needs() {
                for listing in entry.listings.iter().filter(|listing| !self.offers(&need.name, &listing.architecture)) {
                    let reason = match need.why {
                        NeedReason::Base => format!("base of {name}"),
                        NeedReason::Snapd => format!("snapd for {name}"),
                        NeedReason::DefaultProvider => format!("default provider of {name}"),
                    };
                    let Some(store) = entry.store.clone() else {
                        lacking.get_or_insert_with(|| lacks(name, &need.name, &listing.architecture, &reason));
                        continue;
                    };
                    needs.entry((store, listing.architecture.clone(), need.name.clone())).or_default().insert(reason);
                }
            }
        }
        let wish = |((store, architecture, name), reasons): (_, BTreeSet<String>)| Wish {
            store,
            architecture,
            name,
            channel: Channel::default(),
            revision: None,
            closure: true,
            reason: all(&reasons),
        };
        match lacking {
            // What stores' snaps need comes first: it may be what a folder's snap lacks.
            Some(error) if needs.is_empty() => Err(error.into()),
            _ => Ok(needs.into_iter().map(wish).collect()),
        }
    }

    /// Whether some pick has this name and is for devices of this architecture; of a folder's snap for all of them, any is.
    fn offers(&self, name: &str, architecture: &str) -> bool {
        let range = (name.to_owned(), 0)..=(name.to_owned(), u64::MAX);
        let fits = |listing: &ChannelListing| {
            [architecture, ALL].contains(&listing.architecture.as_str()) || architecture == ALL
        };
        self.entries.range(range).any(|(_, entry)| entry.listings.iter().any(fits))
    }

    /// Puts all picks into `collection`.
    pub(super) fn into_collection(
        self,
        name: Label,
        depot: &Depot,
        batch: &mut Batch<'_>,
    ) -> Result<Collection, CollectError> {
        let origin = self.entries.values().find_map(|entry| entry.store.as_ref()).map(crate::collect::address::origin);
        let mut collection = Collection {
            files: BTreeMap::new(),
            items: Vec::new(),
            kind: Kind::Snaps,
            name: name.clone(),
            origin: origin.map_or(Origin::Local, Origin::Url),
            proofs: Vec::new(),
            publish: Publish::Verbatim,
            second_digest: Some(DigestKind::Sha3),
            source: name,
        };
        for entry in self.entries.into_values() {
            let (carried, metadata) = (entry.picked.carried, entry.picked.metadata);
            let (file, proof) = (file(&carried)?, assertions(&carried)?);
            let publisher = carried.publisher_name().to_owned();
            collection.files.insert(file.clone(), entry.picked.sha256);
            let sha256 = depot.put(batch, &carried.stream)?;
            collection.proofs.push(Proof { date: None, path: proof.clone(), sha256, signed_by: carried.signed_by });
            collection.items.push(Item {
                architecture: metadata.architectures.join(" "),
                file,
                licence: metadata.license.unwrap_or_default(),
                details: Details::Snap { channels: entry.listings, revision: carried.revision },
                name: carried.name,
                proof: Some(proof),
                publisher,
                reason: all(&entry.reasons),
                source: None,
                version: metadata.version,
            });
        }
        collection.items.sort_by(|a, b| a.file.cmp(&b.file));
        collection.proofs.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(collection)
    }
}

/// Makes the error of a folder's snap that needs what is not there.
fn lacks(name: &str, need: &str, architecture: &str, why: &str) -> Fault {
    let architecture = if architecture == ALL { "all architectures" } else { architecture };
    Fault::usage(format!(
        "{name} needs the snap {need} for {architecture} ({why}), without which it cannot be installed: add it to the selection, \
         or set closure = false if all devices have it"
    ))
}

fn file(carried: &SnapFacts) -> Result<PublishPath, CollectError> {
    Ok(format!("{}_{}.snap", carried.name, carried.revision).parse()?)
}

fn assertions(carried: &SnapFacts) -> Result<PublishPath, CollectError> {
    Ok(format!("{}_{}.assert", carried.name, carried.revision).parse()?)
}

fn all(reasons: &BTreeSet<String>) -> String {
    reasons.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
}
