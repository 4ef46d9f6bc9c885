//! Plans of rollbacks, which change nothing: states, versions, what stays reachable, and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::clock::ClockTrust;
use super::generation::{Recipe, prepare};
use super::older::asked_for_later;
use super::path_map::{PathMap, ShownFiles};
use super::rollback::recipe;
use super::rollback_checks::{check_files, check_owners};
use super::rollback_target::{NameRollback, RollbackTarget, chosen};
use super::scratch_depot::ScratchDepot;
use super::state::Generation;
use super::{Site, SiteError};
use crate::bundle::state::manifest::StateCollection;
use crate::bundle::state::stored_state::StoredState;
use crate::collection::Publish;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::kind::Kind;
use crate::label::Label;
use crate::numbers::Sequence;
use crate::path::PublishPath;
use crate::progress::Progress;
use crate::review::{ReviewedState, VersionChanges, version_changes};
use crate::time::Time;

/// The changes that a rollback would make.
#[derive(Debug)]
pub struct RollbackPlan {
    /// The bundle names that go back.
    pub names: Vec<NamePlan>,
    /// The collections that change.
    pub collections: Vec<CollectionPlan>,
    /// The collections that stay as they are, of all names.
    pub unchanged: BTreeSet<String>,
    /// The reasons for which the site refuses it; empty if it does not.
    pub refusals: Vec<SiteError>,
    /// The generation that clients see now.
    pub before: Generation,
    /// The generation that clients would see; `None` if it is refused.
    pub after: Option<Generation>,
}

/// A bundle name that goes back.
#[derive(Clone, Debug, Serialize)]
pub struct NamePlan {
    /// The name.
    pub name: Label,
    /// The generation whose state of the name comes back.
    pub generation: u64,
    /// The state that is published now; `None` if nothing of the name is, or if it cannot be read.
    pub from: Option<StateSummary>,
    /// The state that comes back; `None` if nothing of the name was published then, or if it cannot be read.
    pub to: Option<StateSummary>,
}

/// A state, as far as people tell it from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateSummary {
    /// Its bundle.
    pub bundle: String,
    /// Its sequence.
    pub sequence: Sequence,
    /// When it was made.
    pub created: Time,
    /// When its bundle expires.
    pub expires: Time,
}

/// A collection that changes.
#[derive(Clone, Debug, Serialize)]
pub struct CollectionPlan {
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// The bundle name that it belongs to.
    pub name: Label,
    /// The kind of change.
    pub change: PlannedChange,
    /// The number of its files now, with upstream's metadata.
    pub files_before: u64,
    /// The number of its files then.
    pub files_after: u64,
    /// Its items whose versions differ; `None` unless both states can be read.
    #[serde(flatten)]
    pub versions: Option<VersionChanges>,
    /// True if clients that saw newer metadata keep it: it is upstream's own, and goes back in time.
    pub clients_keep_newer: bool,
    /// The files that clients of the current generation still find.
    pub still_served: StillServed,
    /// The number of its files that a check has found to be damaged.
    pub damaged_files: u64,
}

/// A change of a collection as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedChange {
    /// Both states have it.
    Changes,
    /// Only the older state has it.
    Appears,
    /// Only the current state has it.
    Disappears,
}

/// Files of the current generation that a collection then lacks, and that its clients still find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StillServed {
    /// Indexes that are named by their digests.
    pub indexes: u64,
    /// Packages, images and snaps.
    pub files: u64,
}

/// Plans a rollback, and rehearses it in a scratch folder.
pub fn plan_rollback(
    site: &Site,
    target: &RollbackTarget,
    trust: ClockTrust,
    progress: &Progress,
) -> Result<RollbackPlan, SiteError> {
    let lock = site.lock()?;
    let current = site.current()?;
    let chosen = chosen(site, &current, target)?;
    let scratch = ScratchDepot::over(site, &lock)?;
    let depot = &scratch.depot;
    let checks = [
        trust.check(&current),
        check_files(site, depot, &current, &chosen),
        check_owners(site, depot, &current, &chosen),
    ];
    let mut refusals: Vec<SiteError> = checks.into_iter().filter_map(Result::err).collect();
    let mut prepared = None;
    if refusals.is_empty() {
        let recipe = Recipe { is_rehearsal: true, ..recipe(&current, target, &chosen, progress) };
        match prepare(site, depot, &current, &recipe) {
            Ok(next) => prepared = Some(next),
            Err(error) => refusals.push(error),
        }
    }
    let mut plan = RollbackPlan {
        names: Vec::new(),
        collections: Vec::new(),
        unchanged: current.inputs.keys().cloned().collect(),
        refusals,
        before: current,
        after: prepared,
    };
    chosen.iter().for_each(|name| plan.add_name(depot, name, site.root()));
    plan.add_trees(depot)?;
    Ok(plan)
}

impl RollbackPlan {
    fn add_name(&mut self, depot: &Depot, chosen: &NameRollback, scratch: &Path) {
        let NameRollback { name, generation, state } = chosen;
        // What cannot be read is damaged or gone. If the older state is, the rehearsal has said so.
        let open = |manifest: Option<Sha256>| manifest.and_then(|digest| StoredState::open(depot, &digest).ok());
        let now = open(self.before.names.get(name).and_then(|state| state.manifest));
        let then = open(state.as_ref().and_then(|state| state.manifest));
        let of = |state: &Option<StoredState>| state.as_ref().map(StateSummary::of);
        self.names.push(NamePlan { name: name.clone(), generation: *generation, from: of(&now), to: of(&then) });
        let folders = [&now, &then].into_iter().flatten().flat_map(|state| &state.manifest.collections);
        let folders: BTreeSet<String> = folders.map(StateCollection::folder).collect();
        let mut versions = now.clone().zip(then.clone()).and_then(|states| versions_of(states.into(), scratch));
        for folder in folders {
            let [now, then] = [&now, &then].map(|state| Some(state.as_ref()?.listed().find(&folder)?.1));
            if let Some(mut plan) = planned(name, &folder, now, then) {
                if plan.change == PlannedChange::Changes {
                    plan.versions = versions.as_mut().map(|all| all.remove(&folder).unwrap_or_default());
                }
                self.unchanged.remove(&folder);
                self.collections.push(plan);
            }
        }
    }

    /// Compares the current trees with those of the collections that are published anew.
    fn add_trees(&mut self, depot: &Depot) -> Result<(), SiteError> {
        let Some(after) = &self.after else { return Ok(()) };
        let bad = depot.bad_blobs()?;
        for plan in &mut self.collections {
            let mount_of = |of: &Generation| of.mounts.get(&plan.collection).map(|mount| mount.paths);
            let (before, then) = (mount_of(&self.before), mount_of(after));
            if let Some(paths) = then.filter(|_| !bad.is_empty()) {
                PathMap::each(depot, &paths, |_, blob| {
                    plan.damaged_files += u64::from(bad.contains(&blob));
                    Ok(())
                })?;
            }
            let Some(before) = before.filter(|before| then != Some(*before)) else { continue };
            // One that cannot be read does not stop a rollback, and nothing is known of what stays of it.
            let Some(mut map) = PathMap::open_unless_rotten(depot, &before)? else { continue };
            let mut shown = ShownFiles::of(then.map(|paths| PathMap::open(depot, &paths)).transpose()?);
            while let Ok(Some((path, _))) = map.next_file() {
                if shown.digest_of(&path).is_none() {
                    plan.still_served.add(asked_for_later(&plan.collection, &path).as_ref());
                }
            }
        }
        Ok(())
    }
}

impl StillServed {
    /// Counts a file, given by its path below a generation, if clients may still ask for it.
    fn add(&mut self, path: Option<&PublishPath>) {
        match path {
            Some(path) if Kind::is_replaced(path.as_str()) => self.indexes += 1,
            Some(_) => self.files += 1,
            None => {}
        }
    }
}

impl StateSummary {
    fn of(state: &StoredState) -> Self {
        let manifest = &state.manifest;
        Self {
            bundle: manifest.folder(),
            sequence: manifest.sequence,
            created: manifest.created,
            expires: manifest.expires,
        }
    }
}

/// Compares the versions of all items. Returns `None` if the lists of a state cannot be read.
fn versions_of(states: [StoredState; 2], scratch: &Path) -> Option<BTreeMap<String, VersionChanges>> {
    let [now, then] = states.map(|state| ReviewedState::of_site(state, scratch).ok());
    version_changes(&now?, &then?, scratch).ok()
}

/// Compares the collection in both states. Returns `None` if nothing of it changes.
fn planned(
    name: &Label,
    folder: &str,
    now: Option<&StateCollection>,
    then: Option<&StateCollection>,
) -> Option<CollectionPlan> {
    let change = match (now, then) {
        (Some(now), Some(then)) if now == then => return None,
        (Some(_), Some(_)) => PlannedChange::Changes,
        (None, Some(_)) => PlannedChange::Appears,
        (_, None) => PlannedChange::Disappears,
    };
    let files = |of: Option<&StateCollection>| of.map_or(0, |collection| collection.files);
    let clients_keep_newer = [now, then]
        .into_iter()
        .flatten()
        .all(|collection| collection.publish == Publish::Verbatim && collection.kind.ignores_older());
    Some(CollectionPlan {
        collection: folder.to_owned(),
        name: name.clone(),
        change,
        files_before: files(now),
        files_after: files(then),
        versions: None,
        clients_keep_newer: clients_keep_newer && change == PlannedChange::Changes,
        still_served: StillServed::default(),
        damaged_files: 0,
    })
}
