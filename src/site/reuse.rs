//! Collections of which nothing has changed since the current generation: their trees stay, and nothing of them is read, verified
//! or signed again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;

use super::path_map::PathMap;
use super::second_digest::SecondDigests;
use super::state::{Generation, Inputs};
use super::{RepreproKey, Site, SiteError, addresses, own_keys};
use crate::address::Address;
use crate::bundle::BundleError;
use crate::bundle::state::Manifest;
use crate::bundle::state::manifest::StateCollection;
use crate::depot::Depot;
use crate::digest::{Hashing, Sha256};
use crate::formats::apt::suite_name::SuiteName;
use crate::label::Label;
use crate::time::Time;

/// The treatment of collections of which nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unchanged {
    /// Their trees stay.
    Stay,
    /// They are published anew: what is on the disk may have changed.
    PublishedAnew,
}

/// All settings of the site that the trees of a collection depend on.
#[derive(Serialize)]
struct CollectionSettings<'a> {
    /// Another version of the program may publish otherwise.
    version: &'static str,
    site_keys: &'a [String],
    pinned: Option<Sha256>,
    allow_unsigned: bool,
    signed_as: Option<&'a BTreeMap<SuiteName, String>>,
    reprepro: Option<&'a RepreproKey>,
    aliases: Vec<&'a str>,
    by_path_only: bool,
}

/// The state that the next generation builds on.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The generation that clients see until the switch.
    pub(super) generation: &'a Generation,
    /// The addresses that it answers for, each with the collection.
    pub(super) answering: &'a [(Address, String)],
    /// Other digests of blobs than SHA-256: its own, and those that an import has computed.
    pub(super) second_digests: &'a SecondDigests,
}

/// Finds the collections that stay as they are.
pub(super) struct Reuse<'a> {
    pub(super) site: &'a Site,
    pub(super) depot: &'a Depot,
    pub(super) current: Shown<'a>,
    pub(super) unchanged: Unchanged,
    /// The fingerprints of all keys that sign. With another set of keys all trees are signed again.
    pub(super) site_keys: Vec<String>,
}

/// Returns the numbers of the collections of a state that stay as they are in the generation after `current`.
pub(super) fn unchanged_collections(
    site: &Site,
    depot: &Depot,
    current: &Generation,
    manifest: &Manifest,
) -> Result<BTreeSet<usize>, SiteError> {
    let answering = addresses::answering(current, &site.config.serve);
    let current = Shown { generation: current, answering: &answering, second_digests: &current.second_digests };
    let site_keys = own_keys::load(site)?.signing_at(Time::now()).fingerprints();
    let reuse = Reuse { site, depot, current, unchanged: Unchanged::Stay, site_keys };
    let mut unchanged = BTreeSet::new();
    for (index, collection) in manifest.collections.iter().enumerate() {
        let inputs = reuse.inputs(&manifest.name, collection)?;
        if reuse.is_unchanged(&collection.folder(), &inputs)? {
            unchanged.insert(index);
        }
    }
    Ok(unchanged)
}

impl Reuse<'_> {
    /// Returns the collections of a bundle name, if its manifest is the published one and none of them has changed.
    pub(super) fn collections_of(&self, name: &Label, manifest: &Sha256) -> Result<Option<Vec<&String>>, SiteError> {
        let current = self.current.generation;
        if current.names.get(name).and_then(|state| state.manifest) != Some(*manifest) {
            return Ok(None);
        }
        let mut folders = Vec::new();
        for (folder, inputs) in current.inputs.iter().filter(|(_, inputs)| inputs.name == *name) {
            let Some(source) = current.sources.get(folder) else { return Ok(None) };
            if !self.stays(folder, inputs, &self.settings(folder, source)?)? {
                return Ok(None);
            }
            folders.push(folder);
        }
        Ok((!folders.is_empty()).then_some(folders))
    }

    /// Returns what the collection is made from now.
    pub(super) fn inputs(&self, name: &Label, collection: &StateCollection) -> Result<Inputs, SiteError> {
        Ok(Inputs {
            name: name.clone(),
            collection: collection.digest().map_err(BundleError::in_file(self.site.root()))?,
            settings: self.settings(&collection.folder(), &collection.source)?,
            keys: BTreeMap::new(),
        })
    }

    /// Returns true if the collection is published, and was made from the same.
    pub(super) fn is_unchanged(&self, folder: &str, now: &Inputs) -> Result<bool, SiteError> {
        let then = self.current.generation.inputs.get(folder);
        let then = then.filter(|then| (&then.name, then.collection) == (&now.name, now.collection));
        then.map_or(Ok(false), |then| self.stays(folder, then, &now.settings))
    }

    fn stays(&self, folder: &str, then: &Inputs, settings: &Sha256) -> Result<bool, SiteError> {
        if self.unchanged == Unchanged::PublishedAnew || then.settings != *settings {
            return Ok(false);
        }
        // A map that was lost is made again, and so are generated files that have changed on disk.
        for (_, paths) in self.mounts(folder) {
            if !self.depot.holds(&paths)? || has_bad_file(self.depot, &paths)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn mounts(&self, folder: &str) -> impl Iterator<Item = (String, Sha256)> {
        let mounts = &self.current.generation.mounts;
        let folders = [folder.to_owned(), format!("proofs/{folder}")];
        folders
            .into_iter()
            .filter_map(|folder| mounts.get(&folder).map(|mount| mount.paths).map(|paths| (folder, paths)))
    }

    fn settings(&self, folder: &str, source: &Label) -> Result<Sha256, SiteError> {
        let config = &self.site.config;
        let aliases = config.serve.alias.iter().filter(|alias| alias.collection == folder);
        let settings = CollectionSettings {
            version: env!("CARGO_PKG_VERSION"),
            site_keys: &self.site_keys,
            pinned: self.site.keyring_bytes(source.as_str())?.map(|bytes| Sha256::of(&bytes)),
            allow_unsigned: config.policy.allow_unsigned.contains(source),
            signed_as: config.policy.signed_as.get(source),
            reprepro: config.reprepro.as_ref(),
            aliases: aliases.map(|alias| alias.url.as_str()).collect(),
            by_path_only: config.serve.by_path_only.contains(folder),
        };
        let mut hashing = Hashing::new(io::sink());
        let written = serde_json::to_writer(&mut hashing, &settings);
        written.map_err(|error| SiteError::io("hash for", self.site.root())(error.into()))?;
        Ok(hashing.finish().1)
    }

    /// Lets the next generation have the collection as it is.
    pub(super) fn retain(&self, folder: &str, next: &mut Generation) -> Result<(), SiteError> {
        let current = self.current.generation;
        let copy = |published: &BTreeMap<String, _>| published.get(folder).cloned();
        next.published.extend(copy(&current.published).map(|published| (folder.to_owned(), published)));
        next.inputs.extend(current.inputs.get(folder).map(|inputs| (folder.to_owned(), inputs.clone())));
        next.keyrings.extend(current.keyrings.get(folder).map(|digest| (folder.to_owned(), *digest)));
        for (folder, paths) in self.mounts(folder) {
            next.mounts.extend(current.mounts.get(&folder).map(|mount| (folder, *mount)));
            if !self.current.second_digests.is_empty() {
                PathMap::each(self.depot, &paths, |_, blob| {
                    next.second_digests.extend(self.current.second_digests.get_key_value(&blob));
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}

/// Returns true if a file of the path map, or the map itself, is noted as bad.
fn has_bad_file(depot: &Depot, paths: &Sha256) -> Result<bool, SiteError> {
    let mut bad = depot.bad_blobs()?;
    bad.retain(|digest| !depot.hashed_by_this_process(digest));
    if bad.is_empty() {
        return Ok(false);
    }
    if bad.contains(paths) {
        return Ok(true);
    }
    let mut map = PathMap::open(depot, paths)?;
    while let Some((_, digest)) = map.next_file()? {
        if bad.contains(&digest) {
            return Ok(true);
        }
    }
    Ok(false)
}
