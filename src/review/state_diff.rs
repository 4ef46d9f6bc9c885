//! The difference of two states.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alarm::{Alarm, AlarmKind};
use super::change_list::{ChangeList, change_list};
use super::item_change::ItemChange;
use super::item_groups::StatePair;
use super::state::{CollectionFacts, ListFacts, ReviewedState};
use super::totals::DiffTotals;
use crate::bundle::BundleError;

/// The difference of two states.
#[derive(Debug)]
pub struct StateDiff<'a> {
    /// The older state.
    pub before: &'a ReviewedState,
    /// The newer state.
    pub after: &'a ReviewedState,
    /// Numbers of changes.
    pub totals: DiffTotals,
    /// The collections of both states, sorted by their folders.
    pub collections: Vec<CollectionDiff>,
    list: ChangeList,
    /// Alarms that do not rest on the lists.
    more_alarms: Vec<Alarm>,
}

/// A collection in two states. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectionDiff {
    /// The collection in the newer state; absent if that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<CollectionFacts>,
    /// The collection in the older state; absent if that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<CollectionFacts>,
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// Architectures that the older collection has no item of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_architectures: Vec<String>,
    /// Fingerprints of keys that sign nothing of the older collection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_keys: Vec<String>,
    /// Publishers that the older collection has no item of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_publishers: Vec<String>,
}

/// Compares two states. Memory does not grow with the number of changes: they are sorted in nameless files in the folder `scratch`.
pub fn compare<'a>(
    before: &'a ReviewedState,
    after: &'a ReviewedState,
    scratch: &Path,
) -> Result<StateDiff<'a>, BundleError> {
    let mut folders: Vec<String> = [before, after]
        .into_iter()
        .flat_map(|state| state.manifest.collections.iter().map(|collection| collection.folder()))
        .collect();
    folders.sort();
    folders.dedup();
    let collections: Vec<CollectionDiff> =
        folders.into_iter().map(|folder| CollectionDiff::of(folder, before, after)).collect();
    let alarms = collections.iter().flat_map(CollectionDiff::alarms).collect();
    let list = change_list(StatePair { before, after }, alarms, scratch);
    let list = list.map_err(BundleError::in_file(&after.place))?;
    Ok(StateDiff { before, after, totals: list.totals.clone(), collections, list, more_alarms: Vec::new() })
}

impl StateDiff<'_> {
    /// Hands each alarm to `alarm`: those of the lists, the worst first, and then those that were added.
    pub fn each_alarm<E: From<std::io::Error>>(&self, mut alarm: impl FnMut(Alarm) -> Result<(), E>) -> Result<(), E> {
        self.list.alarms.each(&mut alarm)?;
        self.more_alarms.iter().cloned().try_for_each(alarm)
    }

    /// Adds alarms that the lists do not show.
    pub fn add_alarms(&mut self, alarms: impl IntoIterator<Item = Alarm>) {
        for alarm in alarms {
            self.totals.add_alarm(alarm.alarm);
            self.more_alarms.push(alarm);
        }
    }

    /// Hands each change to `change`, by class, collection, name and architecture.
    pub fn each_change<E: From<std::io::Error>>(
        &self,
        change: impl FnMut(ItemChange) -> Result<(), E>,
    ) -> Result<(), E> {
        self.list.changes.each(change)
    }

    /// Returns notes about the two manifests, in words.
    pub fn notes(&self) -> Vec<String> {
        let (old, new) = (&self.before.manifest, &self.after.manifest);
        let mut notes = Vec::new();
        if (&old.site, &old.name) != (&new.site, &new.name) {
            notes.push("the two states are of different sites or names".to_owned());
        } else if (new.epoch, new.sequence) < (old.epoch, old.sequence) {
            notes.push("the second state is the older one of the two: give the older one first".to_owned());
        } else if self.before.digest != self.after.digest && new.previous != Some(self.before.digest) {
            notes.push("there were other states between these two, or other exports of this name".to_owned());
        }
        notes.extend(new.overrides.iter().map(|flag| format!("exported with the override {flag}")));
        notes
    }
}

impl CollectionDiff {
    fn of(collection: String, before: &ReviewedState, after: &ReviewedState) -> Self {
        let list = |state: &ReviewedState| {
            let (index, _) = state.find(&collection)?;
            state.facts.get(index).cloned()
        };
        let (old, new) = (list(before).unwrap_or_default(), list(after).unwrap_or_default());
        let added = |of: fn(&ListFacts) -> &BTreeMap<String, u64>| {
            let known = of(&old);
            of(&new).keys().filter(|value| !known.contains_key(*value)).cloned().collect()
        };
        Self {
            after: after.facts_of(&collection),
            before: before.facts_of(&collection),
            new_architectures: added(|facts| &facts.architectures),
            new_keys: added(|facts| &facts.keys),
            new_publishers: added(|facts| &facts.publishers),
            collection,
        }
    }

    fn alarms(&self) -> Vec<Alarm> {
        let about = |kind, name: &str, text: String| Alarm::about(kind, &self.collection, name, text);
        let mut alarms = Vec::new();
        match (&self.before, &self.after) {
            (None, Some(new)) => {
                alarms.push(about(AlarmKind::NewOrigin, &new.origin, format!("new collection, from {}", new.origin)));
            }
            (Some(old), Some(new)) => {
                if old.origin != new.origin {
                    let text = format!("came from {}, comes from {}", old.origin, new.origin);
                    alarms.push(about(AlarmKind::NewOrigin, &new.origin, text));
                }
                if old.source != new.source {
                    let text = format!("belonged to the source {}, belongs to {}", old.source, new.source);
                    alarms.push(about(AlarmKind::NewOrigin, new.source.as_str(), text));
                }
            }
            (_, None) => {}
        }
        alarms.extend(self.new_keys.iter().map(|key| about(AlarmKind::NewKey, key, key.clone())));
        alarms.extend(self.new_publishers.iter().map(|name| about(AlarmKind::NewPublisher, name, name.clone())));
        alarms
    }
}
