//! What a generation says of itself, and what the site remembers of bundles: `generation.json`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Site, SiteError};
use crate::address::Address;
use crate::bundle::state::manifest::StateCollection;
use crate::collection::{Collection, Publish};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::formats::apt::client_index::MissingIndexes;
use crate::formats::signed_digest::SignedDigest;
use crate::kind::Kind;
use crate::label::Label;
use crate::numbers::{Epoch, Sequence};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::storage::{ListedObject, StorageError, Store};
use crate::time::Time;
use crate::trust::{Dates, ReviewVerdict};

/// One state of the site, and all that the site remembers with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// Version of this file's format; 1.
    pub format: u64,
    /// Counted from 1.
    pub number: u64,
    /// When it was made. Rises strictly from generation to generation.
    pub made: Time,
    /// The Date of the metadata signed for it, which is some minutes earlier, for clients whose clocks are behind. It rises
    /// strictly too.
    pub signed: Time,
    /// What made it, such as `import dc1-base-000042`.
    pub reason: String,
    /// The newest time that a trusted bundle has shown.
    pub newest_time: Time,
    /// By bundle name, what was accepted and what is published.
    pub names: BTreeMap<Label, NameState>,
    /// What is published, as KIND/NAME.
    pub published: BTreeMap<String, Published>,
    /// Origin, Label and Codename of each published suite, as KIND/NAME/SUITE: fixed for ever at its first publication,
    /// since apt refuses a repository that changes them.
    pub identities: BTreeMap<String, Identity>,
    /// The source of each collection, as KIND/NAME: fixed at its first publication, since policy and keys go by source.
    #[serde(default)]
    pub sources: BTreeMap<String, Label>,
    /// The sources that each address of an upstream belongs to, since their first publication. Nothing is ever removed.
    #[serde(default)]
    pub addresses: BTreeMap<Address, BTreeSet<Label>>,
    /// The newest date that each of upstream's signed files has shown: by collection and by address, each with the file's path and
    /// with the names that upstream signs in it.
    #[serde(default)]
    pub upstream_dates: Dates,
    /// The trees that it publishes, by their folders below it, such as `apt/debian`.
    pub mounts: BTreeMap<String, MountedTree>,
    /// By collection, as KIND/NAME, what it was made from: its trees stay until some of that changes.
    #[serde(default)]
    pub inputs: BTreeMap<String, Inputs>,
    /// The keyring that upstream's proofs of each published collection, as KIND/NAME, were checked with: a blob. What is published stays
    /// as it was accepted when other keys are pinned later.
    #[serde(default)]
    pub keyrings: BTreeMap<String, Sha256>,
    /// The digests by which upstreams sign blobs, if that is not SHA-256: those of snaps, for example. Computed here, once.
    #[serde(default)]
    pub second_digests: BTreeMap<Sha256, SignedDigest>,
}

/// `generation.json`: all else at a site is read by a digest, and so this file has one of its own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GenerationFile<'a> {
    generation: Cow<'a, Generation>,
    /// The digest of `generation` as JSON without spaces.
    sha256: Sha256,
}

/// The largest `generation.json` that is read, in bytes.
const MAX_GENERATION_BYTES: u64 = 1 << 30;

/// The name of a generation's own file.
const GENERATION_FILE: &str = "generation.json";

/// The folder of a generation in the store.
pub(crate) fn generation_folder(number: u64) -> String {
    format!("generations/{number}")
}

/// The key of a generation's own file in the store.
pub(super) fn generation_key(number: u64) -> String {
    format!("{}/{GENERATION_FILE}", generation_folder(number))
}

/// A tree at its place in a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountedTree {
    /// Its path map: the blob that lists its files with their digests.
    pub paths: Sha256,
    /// The date of the generation that put it there: clients see it as that of metadata and keys.
    pub since: Time,
}

/// All that the trees of a collection depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The bundle name that it belongs to.
    pub name: Label,
    /// The digest of the collection's entry in the manifest, which has the digest of its item list.
    pub collection: Sha256,
    /// The digest of the site's settings for it.
    pub settings: Sha256,
    /// The keys that its clients need besides the site's: file name → blob.
    pub keys: BTreeMap<String, Sha256>,
}

/// What the site remembers of the bundles of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameState {
    /// Digest of the newest manifest that was accepted.
    pub accepted: Sha256,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its sequence; only a higher one is accepted.
    pub sequence: Sequence,
    /// The manifest that is published: the accepted one, or an older one after a rollback; none after a rollback to before
    /// the first.
    pub manifest: Option<Sha256>,
    /// The published manifest's bundle, such as `dc1-base-000042`.
    pub bundle: String,
    /// When the published bundle expires.
    pub expires: Time,
    /// When upstream's proofs in the published manifest were checked first; a rollback checks them as of then.
    pub verified: Time,
    /// The review of the published manifest; `None` if nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<PublishedReview>,
}

/// The review by which a manifest was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedReview {
    /// The digest of the manifest that people approved: the published one, or one that it renews.
    pub manifest: Sha256,
    /// The sequence of that manifest.
    pub sequence: Sequence,
    /// The verdict: by the quorum of reviewers, or by that of the role emergency.
    pub verdict: ReviewVerdict,
}

/// One published collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Label,
    /// The upstream.
    pub origin: Origin,
    /// How it is published.
    pub publish: Publish,
    /// How many items it has.
    pub items: u64,
    /// How many of them have no proof by upstream.
    pub unsigned: u64,
    /// True if upstream vouches for all of it. Otherwise it answers for no address but those that `site.toml` gives it.
    pub vouched: bool,
    /// The suites that upstream signs; only of archives.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub suites: BTreeSet<String>,
    /// How many files upstream's own metadata names that are not here; only where it is published verbatim.
    pub not_carried: u64,
    /// The first few of them.
    pub not_carried_examples: Vec<String>,
    /// The manifest that published it before with other files: images and RPM packages of that one stay reachable, since
    /// MAAS and dnf fetch versions that they have read of earlier.
    #[serde(default)]
    pub before: Option<Sha256>,
    /// When upstream's metadata expires for clients, if it does; only where it is published verbatim.
    pub valid_until: Option<Time>,
    /// Indexes that upstream's own metadata lists, that clients ask for, and that are not here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_indexes: Vec<MissingIndexes>,
    /// The date of its oldest security data; absent of other kinds, and if none of it has a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_data: Option<Time>,
    /// What had to be put right to publish it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The fields by which apt knows a repository again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// `Origin` of its Release file.
    pub origin: Option<String>,
    /// `Label` of its Release file.
    pub label: Option<String>,
    /// `Codename` of its Release file.
    pub codename: Option<String>,
}

impl Generation {
    /// The state before the first import.
    pub fn none() -> Self {
        Self {
            format: 1,
            number: 0,
            made: Time::default(),
            signed: Time::default(),
            reason: String::new(),
            newest_time: Time::default(),
            names: BTreeMap::new(),
            published: BTreeMap::new(),
            identities: BTreeMap::new(),
            sources: BTreeMap::new(),
            addresses: BTreeMap::new(),
            upstream_dates: Dates::new(),
            mounts: BTreeMap::new(),
            inputs: BTreeMap::new(),
            keyrings: BTreeMap::new(),
            second_digests: BTreeMap::new(),
        }
    }

    /// Returns the manifests that it publishes.
    pub(super) fn manifests(&self) -> BTreeSet<Sha256> {
        self.names.values().filter_map(|state| state.manifest).collect()
    }

    /// Parses `generation.json`, and checks it against the digest in it. `place` is where it is.
    pub fn parse(bytes: &[u8], place: &Path) -> Result<Self, StorageError> {
        let file: GenerationFile<'_> = serde_json::from_slice(bytes).map_err(StorageError::damaged(place))?;
        match file.sha256 == file.generation.digest() {
            true => Ok(file.generation.into_owned()),
            false => Err(StorageError::damaged(place)("it no longer has the digest that it names")),
        }
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        let file = GenerationFile { generation: Cow::Borrowed(self), sha256: self.digest() };
        serde_json::to_string_pretty(&file).map(|text| text + "\n").unwrap_or_default()
    }

    fn digest(&self) -> Sha256 {
        Sha256::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// How many files that are not carried are named in `status`.
const EXAMPLES: usize = 5;

impl Published {
    /// Notes a file that upstream's metadata names and that is not here.
    pub(super) fn note_absent(&mut self, path: &PublishPath) {
        self.not_carried += 1;
        if self.not_carried_examples.len() < EXAMPLES {
            self.not_carried_examples.push(path.to_string());
        }
    }

    /// What is published of the collection.
    pub fn of(collection: &Collection) -> Self {
        let unsigned = collection.items.iter().filter(|item| item.proof.is_none()).count() as u64;
        let Collection { kind, name, origin, publish, .. } = collection;
        Self {
            items: collection.items.len() as u64,
            unsigned,
            vouched: unsigned == 0,
            oldest_data: collection.items.iter().filter_map(|item| item.details.feed()?.1).min(),
            suites: collection.suites().map(|suite| suite.to_string()).collect(),
            ..Self::new(*kind, name.clone(), origin.clone(), *publish)
        }
    }

    /// A collection of which nothing is published yet.
    pub(super) fn empty(collection: &StateCollection) -> Self {
        Self::new(collection.kind, collection.name.clone(), collection.upstream(), collection.publish)
    }

    fn new(kind: Kind, name: Label, origin: Origin, publish: Publish) -> Self {
        Self {
            kind,
            name,
            origin,
            publish,
            items: 0,
            unsigned: 0,
            vouched: true,
            suites: BTreeSet::new(),
            not_carried: 0,
            not_carried_examples: Vec::new(),
            before: None,
            valid_until: None,
            missing_indexes: Vec::new(),
            oldest_data: None,
            notes: Vec::new(),
        }
    }

    /// Its folder below a generation.
    pub fn folder(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.name)
    }

    /// Where reprepro works for it, if that publishes it.
    pub fn reprepro_base(&self, site: &Site) -> PathBuf {
        reprepro_base_folder(site.root(), &self.name)
    }
}

/// The folder of all base folders, below a site's folder.
pub(super) const REPREPRO_FOLDER: &str = "reprepro";

/// Returns the base folder of the collection of this name.
pub(super) fn reprepro_base_folder(site: &Path, name: &Label) -> PathBuf {
    let site = std::path::absolute(site).unwrap_or_else(|_| site.to_owned());
    site.join(REPREPRO_FOLDER).join(name.as_str())
}

/// The key that signs what is published so, below the generation's folder and without its extension: that of `[reprepro]` if
/// reprepro signed with one, else the site's.
pub(crate) fn own_key(generation: &Path, publish: Publish) -> &'static str {
    match publish {
        Publish::Reprepro if generation.join("keys/reprepro.asc").try_exists().unwrap_or(true) => "keys/reprepro",
        _ => "keys/site",
    }
}

/// The pointer to the generation that clients see.
pub(crate) const CURRENT: &str = "current";

/// Reads the generation of a folder in the store.
pub(crate) fn read_generation(store: &dyn Store, folder: &str) -> Result<Generation, SiteError> {
    let key = format!("{folder}/{GENERATION_FILE}");
    Ok(Generation::parse(&store.get(&key, MAX_GENERATION_BYTES)?, &store.place(&key))?)
}

/// Returns the numbers of all complete generations, in order.
pub(crate) fn list_generations(store: &dyn Store) -> Result<Vec<u64>, SiteError> {
    let number = |object: ListedObject| {
        let (folder, file) = object.key.strip_prefix("generations/")?.split_once('/')?;
        folder.parse().ok().filter(|_| file == GENERATION_FILE)
    };
    let mut numbers: Vec<u64> = store.list("generations", 2)?.into_iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The reason that messages give if `current` does not exist.
const MISSING: &str = "it is missing";

/// Returns whether `current` may lead to this folder: to a generation, or to itself where `scp` has made a folder of it.
fn is_generation(folder: &str) -> bool {
    folder == CURRENT || folder.strip_prefix("generations/").is_some_and(|number| number.parse::<u64>().is_ok())
}

impl Site {
    /// The folder of generation `number`.
    pub fn generation_folder(&self, number: u64) -> PathBuf {
        self.root().join(generation_folder(number))
    }

    /// The generation that clients see; [`Generation::none`] before the first import.
    pub fn current(&self) -> Result<Generation, SiteError> {
        match self.store().target(CURRENT)? {
            None => self.without_current(MISSING),
            Some(folder) if is_generation(&folder) => read_generation(self.store().as_ref(), &folder),
            Some(folder) => self.without_current(&format!("it leads to {folder}")),
        }
    }

    /// Reads generation `number`.
    pub fn generation(&self, number: u64) -> Result<Generation, SiteError> {
        read_generation(self.store().as_ref(), &generation_folder(number))
    }

    /// Returns [`Generation::none`] unless the link was lost: only the first generation can be there before there is a link.
    fn without_current(&self, flaw: &str) -> Result<Generation, SiteError> {
        match self.generations()?.last() {
            Some(newest) if *newest > 1 || flaw != MISSING => {
                let (link, target) = (self.store().place(CURRENT), generation_folder(*newest));
                let reason = format!("{flaw}: make it again with `ln -sfn {target} {}`", link.display());
                Err(StorageError::Damaged { path: link, reason }.into())
            }
            _ => Ok(Generation::none()),
        }
    }

    /// Fails if this user cannot read what clients are to see, or if a list of it has changed on disk.
    pub fn check_readable(&self) -> Result<(), SiteError> {
        let current = self.current()?;
        let depot = Depot::existing(&self.root().join("depot"));
        current.mounts.values().try_for_each(|mount| depot.verify(&mount.paths))?;
        for collection in current.published.keys() {
            let folder = self.root().join("current").join(collection);
            match fs::read_dir(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    return Err(SiteError::io("look into", &folder)(error));
                }
                _ => {} // a collection without files has no folder
            }
        }
        Ok(())
    }

    /// Returns whether a generation publishes this manifest.
    pub(super) fn has_published(&self, manifest: &Sha256) -> Result<bool, SiteError> {
        for number in self.generations()?.into_iter().rev() {
            if self.generation(number)?.names.values().any(|state| state.manifest == Some(*manifest)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The numbers of all complete generations, in order.
    pub fn generations(&self) -> Result<Vec<u64>, SiteError> {
        list_generations(self.store().as_ref())
    }
}
