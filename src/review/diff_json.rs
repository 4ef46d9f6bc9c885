//! A difference for programs, as one JSON object that is written as a stream.

use std::cell::RefCell;
use std::io;

use schemars::JsonSchema;
use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::alarm::Alarm;
use super::item_change::ItemChange;
use super::state::ReviewedState;
use super::state_diff::{CollectionDiff, StateDiff};
use super::totals::DiffTotals;
use crate::digest::Sha256;
use crate::time::Time;

/// A difference, to be serialized.
#[derive(Debug)]
pub struct DiffJson<'a>(pub &'a StateDiff<'a>);

/// A state of which a difference tells.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct StateHeader {
    /// The bundle, such as `dc1-base-000042`.
    bundle: String,
    /// The sum of the sizes of its items, in bytes.
    bytes: u64,
    /// When it was made.
    created: Time,
    /// The number of its items.
    items: u64,
    /// The digest of its manifest.
    manifest: Sha256,
    /// The fingerprint of the key that signed it; absent if nobody did, or if a site publishes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
}

impl StateHeader {
    pub(super) fn of(state: &ReviewedState) -> Self {
        Self {
            bundle: state.manifest.folder(),
            bytes: state.bytes(),
            created: state.manifest.created,
            items: state.items(),
            manifest: state.digest,
            signer: state.signer.as_ref().map(crate::trust::PublicKey::fingerprint),
        }
    }
}

/// The object that `gapferry diff --json` prints; its schema rests on this.
#[allow(dead_code, reason = "only its schema is used: the object is written as a stream")]
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Difference")]
pub(super) struct DiffObject {
    /// The newer state.
    after: StateHeader,
    /// Changes that a reviewer must not miss, the worst first.
    alarms: Vec<Alarm>,
    /// The older state.
    before: StateHeader,
    /// The changes of items, by class, collection, name and architecture.
    changes: Vec<ItemChange>,
    /// The collections of both states.
    collections: Vec<CollectionDiff>,
    /// Notes about the two manifests, in words.
    notes: Vec<String>,
    /// `done`.
    outcome: String,
    /// Numbers of changes.
    totals: DiffTotals,
}

impl Serialize for DiffJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(diff) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("after", &StateHeader::of(diff.after))?;
        map.serialize_entry("alarms", &AlarmSeq(diff))?;
        map.serialize_entry("before", &StateHeader::of(diff.before))?;
        map.serialize_entry("changes", &ChangeSeq(diff))?;
        map.serialize_entry("collections", &diff.collections)?;
        map.serialize_entry("notes", &diff.notes())?;
        map.serialize_entry("outcome", "done")?;
        map.serialize_entry("totals", &diff.totals)?;
        map.end()
    }
}

/// The alarms, read while they are written.
pub(super) struct AlarmSeq<'a>(pub(super) &'a StateDiff<'a>);

/// The changes, read while they are written.
pub(super) struct ChangeSeq<'a>(pub(super) &'a StateDiff<'a>);

impl Serialize for AlarmSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |element| self.0.each_alarm(|alarm| element(&alarm)))
    }
}

impl Serialize for ChangeSeq<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |element| self.0.each_change(|change| element(&change)))
    }
}

/// Serializes each value that `each` hands to its argument. Errors of a serializer pass through an [`io::Error`] and come back.
pub(super) fn serialize_each<S: Serializer, T: Serialize>(
    serializer: S,
    each: impl FnOnce(&mut dyn FnMut(&T) -> io::Result<()>) -> io::Result<()>,
) -> Result<S::Ok, S::Error> {
    let seq = RefCell::new(serializer.serialize_seq(None)?);
    let mut failed = None;
    let read = each(&mut |value| {
        seq.borrow_mut().serialize_element(value).map_err(|error| {
            failed = Some(error);
            io::ErrorKind::Other.into()
        })
    });
    match (failed, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(S::Error::custom(error)),
        (None, Ok(())) => seq.into_inner().end(),
    }
}
