//! Builds generations.
//!
//! A generation's trees are built beside the others, and synced. Then the store gets its own file, and one step points `current`
//! at it. Its path maps say which blobs it needs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::addresses;
use super::clock;
use super::older;
use super::own_keys;
use super::path_map::PathMap;
use super::pins::pinned;
use super::publish::{self, CollectionContent, Context, DateHistory, DigestHistory, KindContext, RepreproContext};
use super::repair::settle_renewed;
use super::reuse::{Reuse, Shown, Unchanged};
use super::serve_config::Serve;
use super::state::{CURRENT, Generation, Inputs, MountedTree, NameState, Published, generation_folder, generation_key};
use super::tree::{GenerationTrees, Tree};
use super::{Site, SiteError, evidence, trees};
use crate::bundle::BundleError;
use crate::bundle::state::Manifest;
use crate::bundle::state::manifest::StateCollection;
use crate::bundle::state::stored_state::StoredState;
use crate::collection::Collection;
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::formats::openpgp::{Keyring, MAX_KEYRING_BYTES};
use crate::label::Label;
use crate::path::MalformedPath;
use crate::progress::Progress;
use crate::site::second_digest::SecondDigests;
use crate::storage::{PutOutcome, StorageError, audit};
use crate::time::Time;

/// The longest that we wait for the clock to pass the newest published date, in seconds.
const MAX_WAIT_S: i64 = 60;

/// What a new generation is made of.
pub(super) struct Recipe<'a> {
    /// What makes it.
    pub(super) reason: String,
    /// What the site remembers, with the change made.
    pub(super) names: BTreeMap<Label, NameState>,
    /// The newest time that a trusted bundle has shown.
    pub(super) newest_time: Time,
    /// The state that is imported, so that it need not be read again.
    pub(super) imported: Option<&'a StoredState>,
    /// The name whose upstreams may not be older than what was seen; the others are published as they are.
    pub(super) guarded: Option<Label>,
    /// Other digests of blobs than SHA-256, as far as they are known beyond what the current generation says.
    pub(super) second_digests: SecondDigests,
    /// The treatment of collections of which nothing has changed.
    pub(super) unchanged: Unchanged,
    /// Forbids changes outside of the depot: no other program is run.
    pub(super) is_rehearsal: bool,
    /// The rule for its dates.
    pub(super) dates: DateRule,
    /// Shows how far it is.
    pub(super) progress: Progress,
}

/// The rule for the dates of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateRule {
    /// They are after those of all generations before.
    Rising,
    /// They are those of the clock: those of the generation before came of a wrong one.
    OfTheClock,
}

/// Publishes the manifests that `recipe` names as the next generation, and switches to it.
pub(super) fn publish(site: &Site, depot: &Depot, recipe: Recipe<'_>) -> Result<Generation, SiteError> {
    let current = site.current()?;
    let next = prepare(site, depot, &current, &recipe)?;
    older::retain(site, depot, &current, &next)?;
    trees::build(site, depot, &next, &current)?;
    write_down(site, &next)?;
    evidence::note_use(site, changed_manifests(&current, &next))?;
    audit::append(&site.root().join("audit.jsonl"), "publish", &next.reason, &format!("generation {}", next.number))?;
    switch(site, next.number)?;
    settle_renewed(site, depot)?;
    own_keys::retire(site, next.made)?;
    Ok(next)
}

/// Returns the manifests that only one of the generations publishes.
fn changed_manifests(current: &Generation, next: &Generation) -> BTreeSet<Sha256> {
    let [before, after] = [current, next].map(Generation::manifests);
    before.symmetric_difference(&after).copied().collect()
}

/// Verifies all that the generation after `current` publishes; generated files and path maps enter the depot.
pub(super) fn prepare(
    site: &Site,
    depot: &Depot,
    current: &Generation,
    recipe: &Recipe<'_>,
) -> Result<Generation, SiteError> {
    let (made, signed) = match recipe.dates {
        DateRule::Rising => {
            let made = next_date(site, current.made)?;
            (made, signature_date(current.signed, made))
        }
        DateRule::OfTheClock => (Time::now(), Time::now().plus(-CLOCK_SKEW_S)),
    };
    let answering = addresses::answering(current, &site.config.serve);
    let mut next = Generation {
        number: current.number + 1,
        made,
        signed,
        reason: recipe.reason.clone(),
        newest_time: recipe.newest_time,
        names: recipe.names.clone(),
        published: BTreeMap::new(),
        identities: current.identities.clone(),
        sources: current.sources.clone(),
        addresses: current.addresses.clone(),
        upstream_dates: current.upstream_dates.clone(),
        ..Generation::none()
    };
    let second_digests = current.second_digests.clone().into_iter().chain(recipe.second_digests.clone()).collect();
    let shown = Shown { generation: current, answering: &answering, second_digests: &second_digests };
    plan(site, depot, shown, recipe, &mut next)?;
    Ok(next)
}

/// Lays out the trees of a generation; generated files and path maps enter the depot on the way.
fn plan(
    site: &Site,
    depot: &Depot,
    current: Shown<'_>,
    recipe: &Recipe<'_>,
    next: &mut Generation,
) -> Result<(), SiteError> {
    let mut layout = GenerationTrees::default();
    let mut batch = depot.batch();
    let key = own_keys::load(site)?.signing_at(next.made);
    own_keys::check_dates(site, &key, next.signed)?;
    let mut newest = next.signed;
    let reuse = Reuse { site, depot, current, unchanged: recipe.unchanged, site_keys: key.fingerprints() };
    for (name, state) in next.names.clone() {
        let Some(digest) = state.manifest else { continue };
        attach_file(&mut layout, "manifests", &format!("{name}.json"), digest)?;
        if let Some(folders) = reuse.collections_of(&name, &digest)? {
            attach_lists(&mut layout, name.as_str(), &StoredState::manifest(depot, &digest)?, |_| true)?;
            folders.into_iter().try_for_each(|folder| reuse.retain(folder, next))?;
            continue;
        }
        let state_of_name = match recipe.imported.filter(|state| state.digest == digest) {
            Some(state) => Cow::Borrowed(state),
            None => Cow::Owned(StoredState::open(depot, &digest)?),
        };
        attach_lists(&mut layout, name.as_str(), &state_of_name.manifest, |_| true)?;
        for (index, collection) in state_of_name.manifest.collections.iter().enumerate() {
            let in_collection =
                |source| SiteError::Publish { collection: collection.folder(), source: Box::new(source) };
            addresses::note(next, collection).map_err(|error| in_collection(error.into()))?;
            let inputs = reuse.inputs(&name, collection)?;
            if reuse.is_unchanged(&collection.folder(), &inputs)? {
                reuse.retain(&collection.folder(), next)?;
                continue;
            }
            let mut keys = BTreeMap::new();
            let accepted = Accepted::of(site, depot, current, &name, &state, collection)?;
            if let Some(bytes) = &accepted.keyring_bytes {
                let digest = depot.put(&mut batch, bytes)?;
                next.keyrings.insert(collection.folder(), digest);
            }
            let in_list = |error| BundleError::in_file(&depot.place(&collection.list.stored.sha256))(error);
            let content = CollectionContent::open(&state_of_name, index).map_err(in_list)?;
            let loaded = content.loaded().map(|collection| previous(depot, current, &name, collection)).transpose()?;
            let previous = loaded.flatten();
            let shown = accepted.published(content.published(), &site.config.serve);
            let mut context = Context {
                depot,
                batch: &mut batch,
                key: &key,
                keyring: accepted.keyring.as_ref(),
                keyring_bytes: accepted.keyring_bytes.as_deref(),
                allow_unsigned: accepted.allow_unsigned,
                verified: state.verified,
                date: next.signed,
                dates: DateHistory {
                    seen: &current.generation.upstream_dates,
                    next: &mut next.upstream_dates,
                    addresses: addresses::of_collection(&collection.folder(), &shown, &site.config.serve),
                    aliases: &site.config.serve.alias,
                    guarded: recipe.guarded.as_ref() == Some(&name),
                },
                digests: DigestHistory { known: current.second_digests, next: &mut next.second_digests },
                previous: previous.as_ref().map(|(_, collection)| collection),
                published: shown,
                root: site.root(),
                keys: &mut keys,
                of_kind: KindContext {
                    identities: &mut next.identities,
                    signed_as: site.config.policy.signed_as.get(&collection.source),
                    reprepro: RepreproContext {
                        key: site.config.reprepro.as_ref(),
                        is_rehearsal: recipe.is_rehearsal,
                        newest: &mut newest,
                        progress: &recipe.progress,
                    },
                    snap_roots: site.snap_roots,
                },
            };
            match &content {
                CollectionContent::Loaded(collection) => {
                    let part = publish::tree(collection, &mut context).map_err(in_collection)?;
                    attach(&mut layout, &collection.folder(), part)?;
                }
                CollectionContent::Listed(files) => {
                    let map = files.store_path_map(&context).map_err(in_collection)?;
                    map.into_iter().for_each(|map| layout.attach_map(&collection.folder(), map));
                }
            }
            let before = previous.as_ref().map(|(digest, _)| *digest);
            next.published.insert(collection.folder(), Published { before, ..context.published });
            next.inputs.insert(collection.folder(), Inputs { keys, ..inputs });
            attach(&mut layout, &format!("proofs/{}", collection.folder()), content.proofs())?;
        }
    }
    for (folder, digest) in &next.keyrings {
        attach_file(&mut layout, "manifests", &format!("keyrings/{folder}.pgp"), *digest)?;
    }
    for (folder, published) in &next.published {
        let Some(digest) = published.before else { continue };
        attach_file(&mut layout, "manifests", &format!("before/{digest}.json"), digest)?;
        let manifest = StoredState::manifest(depot, &digest)?;
        attach_lists(&mut layout, &format!("before/{digest}"), &manifest, |other| other == folder)?;
    }
    let owners = next.addresses.clone();
    addresses::note_owners(next, &site.config.serve);
    addresses::keep_keys_apart(&owners, next, &site.config.serve, |one, other| pins_in_common(site, one, other))?;
    addresses::keep_apart(next, &site.config.serve)?;
    // Where another collection answers for an address, its metadata must not seem older than what was there before.
    let answers_as_before = addresses::answering(next, &site.config.serve) == current.answering;
    let is_changed = |folder: &str| !answers_as_before || layout.has(folder);
    let tree_of = |folder: &str| match layout.get(folder) {
        Some(tree) => Ok(Cow::Borrowed(tree)),
        None => match layout.map_at(folder).or_else(|| Some(next.mounts.get(folder)?.paths)) {
            Some(paths) => Ok(Cow::Owned(PathMap::tree(depot, &paths)?)),
            None => Ok(Cow::Owned(Tree::default())),
        },
    };
    addresses::answer_together(next, &site.config.serve, is_changed, tree_of)?;
    let public = [("site.gpg", key.public_binary()), ("site.asc", key.public_armored().map(String::into_bytes))];
    for (file, bytes) in public {
        let path = site.root().join("keys/site.pgp");
        let bytes = bytes.map_err(|source| SiteError::BadKeyring { path, source })?;
        let digest = depot.put(&mut batch, &bytes)?;
        attach_file(&mut layout, "keys", file, digest)?;
    }
    for (file, digest) in next.inputs.values().flat_map(|inputs| &inputs.keys) {
        attach_file(&mut layout, "keys", file, *digest)?;
    }
    // What comes next has to be newer than all that clients see now.
    (next.signed, next.made) = (newest, next.made.max(newest));
    let store = |(folder, tree): (_, &Tree)| Ok((folder, PathMap::store(tree, depot, &mut batch)?));
    let stored: Vec<_> = layout.trees().map(store).collect::<Result<_, DepotError>>()?;
    for (folder, paths) in stored.into_iter().chain(layout.maps()) {
        let is_known = |mount: &&MountedTree| mount.paths == paths && mount.since <= next.made; // not after a wrong clock
        let known = current.generation.mounts.get(folder).filter(is_known);
        next.mounts.insert(folder.to_owned(), known.copied().unwrap_or(MountedTree { paths, since: next.made }));
    }
    if !answers_as_before {
        next.mounts.values_mut().for_each(|mount| mount.since = next.made);
    }
    Ok(batch.commit()?)
}

/// Returns whether a key is pinned for both sources, or none for one of them.
fn pins_in_common(site: &Site, one: &Label, other: &Label) -> Result<bool, SiteError> {
    let (one, other) = (pinned(site, one)?, pinned(site, other)?);
    let share = |one: &[String], other: &[String]| one.iter().any(|key| other.contains(key));
    Ok(one.zip(other).is_none_or(|(one, other)| share(&one.keys, &other.keys)))
}

/// The keys and the policy by which the site accepts a collection: those of today, or, for a collection that is published
/// already, those by which it was accepted. So a new pin or a narrower policy for one source does not stop other bundles.
struct Accepted {
    keyring_bytes: Option<Vec<u8>>,
    keyring: Option<Keyring>,
    allow_unsigned: bool,
    notes: Vec<String>,
}

impl Accepted {
    fn of(
        site: &Site,
        depot: &Depot,
        current: Shown<'_>,
        name: &Label,
        state: &NameState,
        collection: &StateCollection,
    ) -> Result<Self, SiteError> {
        let source = &collection.source;
        let is_published = current.generation.names.get(name).is_some_and(|now| now.manifest == state.manifest);
        let then = current.generation.keyrings.get(&collection.folder()).filter(|_| is_published);
        let pinned = site.keyring_bytes(source.as_str())?;
        let keyring_bytes = match then {
            Some(digest) => Some(depot.read(digest, MAX_KEYRING_BYTES)?),
            None => pinned.clone(),
        };
        let path = site.keyring_path(source.as_str());
        let parse = |bytes: &Vec<u8>| Keyring::parse(bytes);
        let keyring = keyring_bytes.as_ref().map(parse).transpose();
        let keyring = keyring.map_err(|source| SiteError::BadKeyring { path, source })?;
        let was_unsigned =
            || current.generation.published.get(&collection.folder()).is_some_and(|shown| shown.unsigned > 0);
        let allowed = site.config.policy.allow_unsigned.contains(source);
        let allow_unsigned = allowed || (is_published && was_unsigned());
        let mut notes = Vec::new();
        if then.is_some() && pinned != keyring_bytes {
            notes.push(format!("it was accepted with the keys that were pinned for {source} then; others are pinned now, and its next bundle is checked with those"));
        }
        if allow_unsigned && !allowed {
            notes.push(format!(
                "it was accepted while {source} was in allow-unsigned of site.toml, where it is no longer"
            ));
        }
        Ok(Self { keyring_bytes, keyring, allow_unsigned, notes })
    }

    /// Returns what is to be said of the collection once it is published.
    fn published(&self, published: Published, config: &Serve) -> Published {
        let mut published = Published { notes: self.notes.clone(), ..published };
        // Without an item there is no proof that was checked, if the source needs none.
        published.vouched &= published.items > 0 || !self.allow_unsigned;
        published.notes.extend(addresses::by_path_only(&published.folder(), &published, config));
        published
    }
}

/// The last other state of the collection, with its manifest, for kinds of which that stays reachable.
fn previous(
    depot: &Depot,
    current: Shown<'_>,
    name: &Label,
    collection: &Collection,
) -> Result<Option<(Sha256, Collection)>, SiteError> {
    let folder = collection.folder();
    let Some(shown) = current.generation.published.get(&folder).filter(|_| collection.kind.has_grace_period()) else {
        return Ok(None);
    };
    let candidates = [current.generation.names.get(name).and_then(|state| state.manifest), shown.before];
    for digest in candidates.into_iter().flatten() {
        let found = match StoredState::load_collection(depot, &digest, &folder) {
            // The state alone was restored: nothing of it is here to stay reachable.
            Err(BundleError::Depot(DepotError::Missing { .. })) => continue,
            found => found?,
        };
        if let Some(other) = found.filter(|other| other.files != collection.files) {
            return Ok(Some((digest, other)));
        }
    }
    Ok(None)
}

fn attach(layout: &mut GenerationTrees, folder: &str, part: Tree) -> Result<(), SiteError> {
    layout.attach(folder, part).map_err(unpublishable(folder))
}

fn attach_file(layout: &mut GenerationTrees, folder: &str, path: &str, digest: Sha256) -> Result<(), SiteError> {
    layout.attach_file(folder, path, digest).map_err(unpublishable(path))
}

fn unpublishable(what: &str) -> impl FnOnce(MalformedPath) -> SiteError {
    |error| SiteError::Publish { collection: what.to_owned(), source: Box::new(error.into()) }
}

/// Adds the item lists of a state's collections, such as `apt/debian`, that `is_wanted`.
fn attach_lists(
    layout: &mut GenerationTrees,
    below: &str,
    manifest: &Manifest,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(), SiteError> {
    let mut lists = manifest.collections.iter().filter(|collection| is_wanted(&collection.folder()));
    lists.try_for_each(|list| {
        attach_file(layout, "manifests", &format!("{below}/{}", list.list_file()), list.list.stored.sha256)
    })
}

/// A date after the last one and not after the clock; waits for the clock where it is just behind.
fn next_date(site: &Site, last: Time) -> Result<Time, SiteError> {
    let earliest = last.plus(1);
    if earliest.unix() - Time::now().unix() > MAX_WAIT_S {
        return Err(clock::behind(site, last).into());
    }
    while Time::now() < earliest {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Ok(Time::now())
}

/// The time by which the site dates its signatures back, in seconds. Clients whose clocks are behind by less take them at once:
/// apt refuses a Date that is more than ten seconds ahead of its clock, and gpgv a signature that is.
const CLOCK_SKEW_S: i64 = 600;

/// The date of what the site signs at `made`: some minutes before, but after all that it has signed.
fn signature_date(last: Time, made: Time) -> Time {
    made.plus(-CLOCK_SKEW_S).max(last.plus(1))
}

/// Stores the generation's own file, and reads it back: the switch makes clients depend on it.
fn write_down(site: &Site, generation: &Generation) -> Result<(), SiteError> {
    let (store, key) = (site.store(), generation_key(generation.number));
    let text = generation.to_json();
    store.delete(&key)?; // of a run that was interrupted before its switch
    if store.put_if_absent(&key, text.as_bytes())? == PutOutcome::Taken {
        return Err(StorageError::damaged(&store.place(&key))("something wrote it just now").into());
    }
    let lost = || DepotError::WriteLost { path: store.place(&key) };
    match site.generation(generation.number) {
        Ok(stored) if stored == *generation => Ok(()),
        Err(SiteError::Storage(error)) if !error.is_not_found() => Err(error.into()),
        _ => Err(lost().into()),
    }
}

/// Points `current` at generation `number`, in one step, and looks whether it leads there.
fn switch(site: &Site, number: u64) -> Result<(), SiteError> {
    let (store, target) = (site.store(), generation_folder(number));
    store.point(CURRENT, &target)?;
    match store.target(CURRENT)? == Some(target) {
        true => Ok(()),
        false => Err(DepotError::WriteLost { path: store.place(CURRENT) }.into()),
    }
}
