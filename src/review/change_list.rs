//! The changes of all items with their alarms, in the order in which a reviewer reads them.

use std::io;
use std::path::Path;

use super::alarm::{Alarm, AlarmKind};
use super::item_change::{ChangeClass, ItemChange};
use super::item_groups::{ChangedProof, StatePair};
use super::pairing::changes_of;
use super::reasons::WantedReasons;
use super::spool::{Spool, SpoolSort, SpoolWriter};
use super::state::ReviewedState;
use super::totals::DiffTotals;
use crate::bundle::FormatError;

/// The changes between two states.
#[derive(Debug)]
pub(super) struct ChangeList {
    pub(super) totals: DiffTotals,
    pub(super) changes: Spool<ItemChange>,
    pub(super) alarms: Spool<Alarm>,
}

/// Sorts changes and alarms.
struct Collector {
    totals: DiffTotals,
    changes: SpoolSort<ItemChange>,
    alarms: SpoolSort<Alarm>,
    reasons: WantedReasons,
}

/// Compares the item lists of two states. `more` are alarms that rest on the manifests.
pub(super) fn change_list(states: StatePair<'_>, more: Vec<Alarm>, scratch: &Path) -> Result<ChangeList, FormatError> {
    let mut collector = Collector {
        totals: DiffTotals::default(),
        changes: SpoolSort::new(scratch),
        alarms: SpoolSort::new(scratch),
        reasons: WantedReasons::default(),
    };
    let mut older = Vec::new();
    let mut groups = states.changed_groups(scratch, |proof| older.extend(older_proof(&proof)))?;
    more.into_iter().chain(older).try_for_each(|alarm| collector.alarm(&alarm))?;
    while let Some(next) = groups.next_group()? {
        changes_of(next.kind, next.group).into_iter().try_for_each(|change| collector.change(&change))?;
    }
    collector.totals.unchanged = states.after.items().saturating_sub(collector.totals.added_lines);
    collector.finish(states.after, scratch)
}

impl Collector {
    fn change(&mut self, change: &ItemChange) -> io::Result<()> {
        self.totals.add(change);
        if let (ChangeClass::New, Some(after)) = (change.change, &change.after) {
            self.reasons.add(&after.reason);
        }
        Alarm::all_of(change).iter().try_for_each(|alarm| self.alarm(alarm))?;
        let item = change.item();
        let (version, path) = item.map(|item| (item.version.as_str(), item.path.as_str())).unwrap_or_default();
        let architecture = change.architecture().unwrap_or_default();
        let key = [change.change.rank(), &change.collection, change.name(), architecture, version, path];
        self.changes.push(&key, change)
    }

    fn alarm(&mut self, alarm: &Alarm) -> io::Result<()> {
        self.totals.add_alarm(alarm.alarm);
        let architecture = alarm.architecture.as_deref().unwrap_or_default();
        self.alarms.push(&[alarm.alarm.rank(), &alarm.collection, &alarm.name, architecture, &alarm.id], alarm)
    }

    /// Adds the paths of reasons, which are known once all new items are.
    fn finish(self, after: &ReviewedState, scratch: &Path) -> Result<ChangeList, FormatError> {
        let Self { totals, changes, alarms, reasons } = self;
        let paths = reasons.read(after)?;
        let (mut sorted, mut spool) = (changes.finish()?, SpoolWriter::new(scratch)?);
        while let Some(mut change) = sorted.next_value()? {
            if let (ChangeClass::New, Some(after)) = (change.change, &change.after) {
                change.because = paths.from(&after.reason);
            }
            spool.push(&change)?;
        }
        Ok(ChangeList { totals, changes: spool.finish()?, alarms: alarms.finish()?.keep(scratch)? })
    }
}

/// Returns the alarm of a signed file that upstream made earlier than the one before it.
fn older_proof(proof: &ChangedProof) -> Option<Alarm> {
    let ChangedProof { collection, before, after } = proof;
    let (before, now) = (before.date?, after.date?);
    let text = format!("{}: of {before} before, of {now} now", after.path);
    (now < before).then(|| Alarm::about(AlarmKind::OlderProof, collection, after.path.as_str(), text))
}
