//! Numbers of changes between two states.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alarm::AlarmKind;
use super::item_change::{ChangeClass, ItemChange, StayingLine};

/// Numbers of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffTotals {
    /// Each kind of alarm that there is, with their number.
    pub alarms: Vec<AlarmCount>,
    /// Each class of changes that there is, with its sums.
    pub changes: Vec<ClassTotals>,
    /// The number of items that are in another collection than before.
    pub moved: u64,
    /// The bytes of the newer state's items that the older one has not under their name.
    pub new_bytes: u64,
    /// The number of items whose name and architecture are new.
    pub new_names: u64,
    /// The number of items that are the same in both states.
    pub unchanged: u64,
    /// The number of items with new bytes that no upstream vouches for.
    pub unproven_changes: u64,
    /// The number of lines of the newer state that are new or have changed.
    #[serde(skip)]
    pub(super) added_lines: u64,
}

/// The number of alarms of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlarmCount {
    /// The kind of alarm.
    pub alarm: AlarmKind,
    /// Their number.
    pub count: u64,
}

/// Sums over the changes of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassTotals {
    /// The bytes that are new, or of a removed item gone.
    pub bytes: u64,
    /// The class of changes.
    pub change: ChangeClass,
    /// The number of items.
    pub items: u64,
}

impl DiffTotals {
    /// The number of alarms.
    pub fn alarm_count(&self) -> u64 {
        self.alarms.iter().map(|count| count.count).sum()
    }

    /// The number of changes of a class.
    pub fn items(&self, class: ChangeClass) -> u64 {
        self.changes.iter().find(|totals| totals.change == class).map(|totals| totals.items).unwrap_or_default()
    }

    /// Counts an alarm.
    pub(super) fn add_alarm(&mut self, alarm: AlarmKind) {
        match self.alarms.iter_mut().find(|count| count.alarm == alarm) {
            Some(count) => count.count += 1,
            None => {
                self.alarms.push(AlarmCount { alarm, count: 1 });
                self.alarms.sort_by_key(|count| count.alarm);
            }
        }
    }

    /// Counts a change of a class, with the bytes that are new or gone.
    fn add_to_class(&mut self, change: ChangeClass, bytes: u64) {
        match self.changes.iter_mut().find(|totals| totals.change == change) {
            Some(totals) => {
                totals.items += 1;
                totals.bytes += bytes;
            }
            None => {
                self.changes.push(ClassTotals { bytes, change, items: 1 });
                self.changes.sort_by_key(|totals| totals.change);
            }
        }
    }

    /// Counts a change.
    pub(super) fn add(&mut self, change: &ItemChange) {
        let bytes = match (&change.before, change.change) {
            (Some(before), ChangeClass::Removed) => before.size,
            _ => change.new_bytes(),
        };
        self.add_to_class(change.change, bytes);
        self.new_bytes += change.new_bytes();
        self.new_names += u64::from(change.new_name);
        self.moved += u64::from(change.moved_from.is_some());
        let is_unproven = change.after.as_ref().is_some_and(|after| after.proof.is_none());
        self.unproven_changes += u64::from(is_unproven && change.new_bytes() > 0);
        let is_added = change.after.is_some() && change.stays != Some(StayingLine::After);
        self.added_lines += u64::from(is_added);
    }
}
