//! Alarms: changes that a reviewer must not miss. Each has an id that is the same wherever it is computed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::item_change::{ChangeClass, ItemChange, StayingLine, shown_version};
use crate::bundle::state::ItemLine;
use crate::digest::Sha256;
use crate::units::Bytes;

/// The number of hexadecimal digits of an id.
pub const ID_DIGITS: usize = 12;

/// A kind of alarm. The worst stand first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmKind {
    /// An item has other bytes under the same name and version.
    OtherBytes,
    /// An item has an older version.
    Downgrade,
    /// No upstream vouches for an item that is new, or one no longer does.
    NoProof,
    /// A key signs for a collection that did not before.
    NewKey,
    /// A collection is new or comes from elsewhere, or belongs to another source.
    NewOrigin,
    /// A publisher is new to a collection.
    NewPublisher,
    /// A file that upstream signs is older than before.
    OlderProof,
    /// A package has a new file that gives its caller rights. Only volumes show it.
    NewSetuid,
    /// A scanner found something in an item.
    Malware,
}

/// A change that a reviewer must not miss. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// The digest of the file in the newer state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Sha256>,
    /// The kind of alarm.
    pub alarm: AlarmKind,
    /// The architecture of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The digest of the file in the older state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Sha256>,
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// A digest over kind of alarm, collection, name, architecture and both digests.
    pub digest: Sha256,
    /// The first 12 hexadecimal digits of that digest, for people.
    pub id: String,
    /// The name of the item, or the key, origin, publisher or signed file.
    pub name: String,
    /// The alarm in words.
    pub text: String,
}

impl AlarmKind {
    /// All kinds, the worst first.
    pub const ALL: [Self; 9] = [
        Self::OtherBytes,
        Self::Downgrade,
        Self::NoProof,
        Self::NewKey,
        Self::NewOrigin,
        Self::NewPublisher,
        Self::OlderProof,
        Self::NewSetuid,
        Self::Malware,
    ];

    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherBytes => "other-bytes",
            Self::Downgrade => "downgrade",
            Self::NoProof => "no-proof",
            Self::NewKey => "new-key",
            Self::NewOrigin => "new-origin",
            Self::NewPublisher => "new-publisher",
            Self::OlderProof => "older-proof",
            Self::NewSetuid => "new-setuid",
            Self::Malware => "malware",
        }
    }

    /// Returns whether only volumes show it, so that a site that has none cannot ask for it.
    pub fn needs_volumes(self) -> bool {
        matches!(self, Self::NewSetuid | Self::Malware)
    }

    /// Its place among the kinds, as text.
    pub(super) fn rank(self) -> &'static str {
        match self {
            Self::OtherBytes => "0",
            Self::Downgrade => "1",
            Self::NoProof => "2",
            Self::NewKey => "3",
            Self::NewOrigin => "4",
            Self::NewPublisher => "5",
            Self::OlderProof => "6",
            Self::NewSetuid => "7",
            Self::Malware => "8",
        }
    }
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherBytes => "same version, other bytes",
            Self::Downgrade => "older version",
            Self::NoProof => "no upstream proof",
            Self::NewKey => "new signing key",
            Self::NewOrigin => "new origin",
            Self::NewPublisher => "new publisher",
            Self::OlderProof => "older signed file",
            Self::NewSetuid => "new setuid file",
            Self::Malware => "found by the scanner",
        })
    }
}

impl Alarm {
    /// Makes the alarm of a collection about a value, such as a key.
    pub(super) fn about(alarm: AlarmKind, collection: &str, name: &str, text: String) -> Self {
        Self {
            after: None,
            alarm,
            architecture: None,
            before: None,
            collection: collection.to_owned(),
            digest: Sha256::of(&[]),
            id: String::new(),
            name: name.to_owned(),
            text,
        }
        .with_id()
    }

    /// Makes all alarms of a change.
    pub(super) fn all_of(change: &ItemChange) -> Vec<Self> {
        let mut alarms = Vec::new();
        let (Some(after), name) = (&change.after, change.name()) else { return alarms };
        let now = shown_version(after);
        let mut add = |kind, text| alarms.push(Self::of_change(kind, change, text));
        match (change.change, &change.before) {
            (ChangeClass::OtherBytes, Some(before)) => {
                let [was, is] =
                    [before, after].map(|item| format!("{} ({})", item.sha256.abbreviated(), Bytes(item.size)));
                add(AlarmKind::OtherBytes, format!("{name} {now}: was {was}, is {is}"));
            }
            (ChangeClass::Downgraded, Some(before)) => {
                add(AlarmKind::Downgrade, format!("{name} {} -> {now}", shown_version(before)));
            }
            _ => {}
        }
        let was_proven = change.before.as_ref().is_none_or(|before| before.proof.is_some());
        if after.proof.is_none() && was_proven && change.stays != Some(StayingLine::After) {
            let what = if change.before.is_some() { "had a proof before" } else { "new" };
            add(AlarmKind::NoProof, format!("{name} {now} ({what})"));
        }
        alarms
    }

    /// Makes the alarm of a change.
    pub(super) fn of_change(alarm: AlarmKind, change: &ItemChange, text: String) -> Self {
        let digest = |line: &Option<ItemLine>| line.as_ref().map(|line| line.sha256);
        Self {
            after: digest(&change.after),
            architecture: change.architecture().map(str::to_owned),
            before: digest(&change.before),
            ..Self::about(alarm, &change.collection, change.name(), text)
        }
        .with_id()
    }

    fn with_id(mut self) -> Self {
        let [before, after] = [&self.before, &self.after].map(|digest| digest.map(Sha256::to_hex).unwrap_or_default());
        let architecture = self.architecture.as_deref().unwrap_or_default();
        let parts = [self.alarm.as_str(), &self.collection, &self.name, architecture, &before, &after];
        let mut text = Vec::new();
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        self.digest = Sha256::of(&text);
        self.id = self.digest.to_hex().chars().take(ID_DIGITS).collect();
        self
    }
}
