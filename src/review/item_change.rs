//! The change of one item between two states.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::state::ItemLine;
use crate::kind::{ItemVersion, Kind};

/// The change of an item. The order is that in which a reviewer reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeClass {
    /// It has other bytes under the same version.
    OtherBytes,
    /// It has an older version.
    Downgraded,
    /// It was not there.
    New,
    /// It has a newer version.
    Upgraded,
    /// It has other bytes, and its versions have no order.
    Changed,
    /// It has the same bytes in another collection.
    Moved,
    /// It has the same bytes and the same version; what is said of it has changed.
    Relisted,
    /// It is gone.
    Removed,
}

/// The change of an item between two states. At least one of both lines is there. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemChange {
    /// The item's line in the newer state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ItemLine>,
    /// The item's line in the older state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ItemLine>,
    /// The reasons of the items that the reason of a new item leads to, up to what was requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// The kind of change.
    pub change: ChangeClass,
    /// The collection in the newer state, as KIND/NAME; of a removed item in the older one.
    pub collection: String,
    /// The collection in the older state, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<String>,
    /// `true` if the older state has no item of this name and architecture.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_name: bool,
    /// The line of the two that is only compared with: it is in both states, or another change tells what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<StayingLine>,
}

/// The line of a change that is only compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StayingLine {
    /// The older line: the newer one is an addition.
    Before,
    /// The newer line: the older one is gone.
    After,
}

impl ChangeClass {
    /// All classes, in the order in which a reviewer reads them.
    pub const ALL: [Self; 8] = [
        Self::OtherBytes,
        Self::Downgraded,
        Self::New,
        Self::Upgraded,
        Self::Changed,
        Self::Moved,
        Self::Relisted,
        Self::Removed,
    ];

    /// Returns the class of a change from one item to another of its name.
    pub(super) fn of(kind: Kind, before: &ItemLine, after: &ItemLine) -> Self {
        fn version(item: &ItemLine) -> ItemVersion<'_> {
            ItemVersion { version: &item.version, details: &item.details }
        }
        let order = kind.order(version(before), version(after));
        let is_same_version = order.map_or(before.version == after.version, Ordering::is_eq);
        match (before.sha256 == after.sha256, order) {
            (true, _) if is_same_version => Self::Relisted,
            (_, Some(Ordering::Less)) => Self::Upgraded,
            (_, Some(Ordering::Greater)) => Self::Downgraded,
            (false, _) if is_same_version && !kind.has_versions_of_bytes() => Self::OtherBytes,
            _ => Self::Changed,
        }
    }

    /// Its place among the classes, as text.
    pub(super) fn rank(self) -> &'static str {
        match self {
            Self::OtherBytes => "0",
            Self::Downgraded => "1",
            Self::New => "2",
            Self::Upgraded => "3",
            Self::Changed => "4",
            Self::Moved => "5",
            Self::Relisted => "6",
            Self::Removed => "7",
        }
    }

    /// Its name in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::OtherBytes => "same version, other bytes",
            Self::Downgraded => "downgraded",
            Self::New => "new",
            Self::Upgraded => "upgraded",
            Self::Changed => "other bytes",
            Self::Moved => "moved",
            Self::Relisted => "same bytes, listed otherwise",
            Self::Removed => "removed",
        }
    }
}

impl ItemChange {
    /// The newer line, or the older one of an item that is gone.
    pub(super) fn item(&self) -> Option<&ItemLine> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// The item's name.
    pub fn name(&self) -> &str {
        self.item().map(|item| item.name.as_str()).unwrap_or_default()
    }

    /// The item's architecture.
    pub fn architecture(&self) -> Option<&str> {
        self.item().and_then(|item| item.architecture.as_deref())
    }

    /// The bytes that the newer state has and the older one has not.
    pub(super) fn new_bytes(&self) -> u64 {
        match (&self.before, &self.after) {
            _ if self.stays == Some(StayingLine::After) => 0,
            (Some(before), Some(after)) if before.sha256 == after.sha256 => 0,
            (_, Some(after)) => after.size,
            (_, None) => 0,
        }
    }
}

/// Returns the version as people tell it, with the revision of a snap.
pub(super) fn shown_version(item: &ItemLine) -> String {
    match item.details.revision() {
        Some(revision) => format!("{} ({revision})", item.version),
        None => item.version.clone(),
    }
}
