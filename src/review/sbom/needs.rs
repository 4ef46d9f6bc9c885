//! The items that were chosen because another one needs them, joined by an external sort.

use std::io;
use std::path::Path;

use super::component::SbomComponent;
use crate::review::item_index::named_in;
use crate::storage::{ExternalSort, SortedRecords};

/// Behind the name in records of items themselves. They stand before those that they need.
const ITEM: u8 = 0;
/// Behind the name of what needs an item.
const NEEDED: u8 = 1;

/// Sorts items by their names, and by the names of what needs them.
pub(super) struct NeedSort(ExternalSort);

/// An item and one that it needs, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) of: String,
    pub(super) needed: String,
}

/// Reads items that others need, sorted by what needs them. Of several items of one name, the first one counts.
pub(super) struct NeedReader {
    records: SortedRecords,
    /// The name of the group, and its first item.
    name: Vec<u8>,
    of: Option<String>,
    next: Option<Need>,
}

impl NeedSort {
    pub(super) fn new(scratch: &Path) -> Self {
        Self(ExternalSort::new(scratch))
    }

    pub(super) fn push(&mut self, component: &SbomComponent) -> io::Result<()> {
        self.0.push(&record(component, &component.name, ITEM))?;
        match named_in(&component.reason).filter(|parent| *parent != component.name) {
            Some(parent) => self.0.push(&record(component, parent, NEEDED)),
            None => Ok(()),
        }
    }

    pub(super) fn finish(self) -> io::Result<NeedReader> {
        let (records, name, of, next) = (self.0.finish()?, Vec::new(), None, None);
        let mut reader = NeedReader { records, name, of, next };
        reader.advance()?;
        Ok(reader)
    }
}

fn record(component: &SbomComponent, name: &str, role: u8) -> Vec<u8> {
    let mut record = format!("{}\0{name}\0", component.kind.as_str()).into_bytes();
    let tail = 1 + component.id.len();
    record.push(role);
    record.extend_from_slice(component.id.as_bytes());
    record.extend_from_slice(&(tail as u32).to_le_bytes());
    record
}

impl NeedReader {
    /// The next one, which stays the next one.
    pub(super) fn peek(&self) -> Option<&Need> {
        self.next.as_ref()
    }

    /// Takes the next one; `None` behind the last one.
    pub(super) fn take(&mut self) -> io::Result<Option<Need>> {
        let next = self.next.take();
        self.advance()?;
        Ok(next)
    }

    fn advance(&mut self) -> io::Result<()> {
        while let Some(record) = self.records.next_record()? {
            let parsed = record.split_last_chunk::<4>().and_then(|(record, tail)| {
                let at = record.len().checked_sub(u32::from_le_bytes(*tail) as usize)?;
                let (name, tail) = record.split_at(at);
                let (role, id) = tail.split_first()?;
                Some((name.to_vec(), *role, String::from_utf8(id.to_vec()).ok()?))
            });
            let (name, role, id) = parsed.ok_or(io::ErrorKind::InvalidData)?;
            if name != self.name {
                (self.name, self.of) = (name, None);
            }
            match (role, &self.of) {
                (ITEM, None) => self.of = Some(id),
                (NEEDED, Some(of)) => {
                    self.next = Some(Need { of: of.clone(), needed: id });
                    return Ok(());
                }
                _ => {}
            }
        }
        Ok(())
    }
}
