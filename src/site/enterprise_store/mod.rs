//! Hands exports on to a real Enterprise Store, which runs on this machine: each is placed where its program may read, and
//! pushed by that program, one at a time.
//!
//! What was pushed is remembered in `SITE/enterprise-store.json`, outside of the generations: it is a state of that store, not
//! of ours, and a rollback does not take it back. It is noted after the program said that it is done, so after a kill in
//! between the same export is pushed once more.

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Generation, Site, SiteError};
use crate::bundle::state::manifest::MAX_MANIFEST_BYTES;
use crate::bundle::state::stored_state::StoredState;
use crate::digest::Sha256;
use crate::formats::enterprise_store::ExportName;
use crate::storage::{StorageError, audit, write_atomically};

/// Where an Enterprise Store is, in `site.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EnterpriseStore {
    /// Its program: `enterprise-store`, or `snap-store-proxy` of older ones.
    #[serde(default = "program")]
    pub program: PathBuf,
    /// The folder that exports are placed in; the program is confined and reads nothing elsewhere.
    #[serde(default = "folder")]
    pub folder: PathBuf,
}

fn program() -> PathBuf {
    "enterprise-store".into()
}

fn folder() -> PathBuf {
    "/var/snap/enterprise-store/common/snaps-to-push".into()
}

/// What was handed on, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushes {
    /// Exports that the store has taken now.
    pub pushed: Vec<String>,
    /// Exports that it has not, each with the reason. They are tried again.
    pub failed: Vec<(String, String)>,
}

/// `SITE/enterprise-store.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnterpriseStoreState {
    /// By digest, the name under which it was pushed.
    pushed: BTreeMap<Sha256, String>,
}

/// Hands on all exports of the current generation that the Enterprise Store does not have yet, the oldest first.
pub fn push(site: &Site) -> Result<Pushes, SiteError> {
    let _lock = site.lock()?;
    push_locked(site, &site.current()?)
}

/// The same, where the site's lock is held already.
pub(super) fn push_locked(site: &Site, generation: &Generation) -> Result<Pushes, SiteError> {
    let Some(store) = &site.config.enterprise_store else { return Ok(Pushes::default()) };
    let mut state = EnterpriseStoreState::load(site)?;
    let mut pushes = Pushes::default();
    for (name, digest) in exports(site, generation)? {
        if state.pushed.contains_key(&digest) {
            continue;
        }
        let file = name.to_string();
        audit::append(&site.root().join("audit.jsonl"), "push", &file, &digest.to_hex())?;
        match program::push(store, &file, &site.depot()?.as_file(&digest)?) {
            Ok(()) => {
                state.pushed.insert(digest, file.clone());
                state.save(site)?;
                pushes.pushed.push(file);
            }
            Err(reason) => {
                audit::append(&site.root().join("audit.jsonl"), "push-failed", &file, &reason)?;
                pushes.failed.push((file, reason));
            }
        }
    }
    Ok(pushes)
}

/// The exports of a generation, the oldest first.
fn exports(site: &Site, generation: &Generation) -> Result<BTreeSet<(ExportName, Sha256)>, SiteError> {
    let depot = site.depot()?;
    let mut exports = BTreeSet::new();
    for manifest in generation.names.values().filter_map(|state| state.manifest) {
        let header = StoredState::manifest(&depot, &manifest)?;
        for collection in header.collections.iter().filter(|collection| collection.kind.is_handed_on()) {
            let loaded = StoredState::load_collection(&depot, &manifest, &collection.folder())?;
            let files = loaded.into_iter().flat_map(|collection| collection.files);
            exports.extend(files.filter_map(|(path, digest)| Some((path.as_str().parse().ok()?, digest))));
        }
    }
    Ok(exports)
}

impl EnterpriseStoreState {
    fn path(site: &Site) -> PathBuf {
        site.root().join("enterprise-store.json")
    }

    fn load(site: &Site) -> Result<Self, SiteError> {
        let path = Self::path(site);
        if !path.try_exists().map_err(SiteError::io("look at", &path))? {
            return Ok(Self::default());
        }
        let bytes = crate::storage::read_capped(&path, MAX_MANIFEST_BYTES)?;
        Ok(serde_json::from_slice(&bytes).map_err(StorageError::damaged(&path))?)
    }

    fn save(&self, site: &Site) -> Result<(), SiteError> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default(); // of text alone, which cannot fail
        Ok(write_atomically(&Self::path(site), (text + "\n").as_bytes(), 0o644)?)
    }
}
