//! Follows the reasons of new items up to what was requested.

use std::collections::{HashMap, HashSet};

use super::item_index::{hash_of_name, named_in};
use super::state::ReviewedState;
use crate::bundle::FormatError;
use crate::bundle::state::ListLine;
use crate::terminal::beginning;

/// The most items whose reasons are kept.
const MAX_REASONS: usize = 65_536;
/// The most bytes that are kept of a reason.
const MAX_REASON_BYTES: usize = 512;
/// The most steps of a path.
const MAX_STEPS: usize = 32;

/// The names in the reasons of new items.
#[derive(Debug, Default)]
pub(super) struct WantedReasons(HashSet<u64>);

/// The reasons of items that lead to what was requested.
#[derive(Debug, Default)]
pub(super) struct ReasonPaths(HashMap<u64, String>);

impl WantedReasons {
    /// Takes note of the reason of a new item.
    pub(super) fn add(&mut self, reason: &str) {
        if let Some(name) = named_in(reason).filter(|_| self.0.len() < MAX_REASONS) {
            self.0.insert(hash_of_name(name));
        }
    }

    /// Reads the reasons of the items that lead to what was requested.
    pub(super) fn read(self, state: &ReviewedState) -> Result<ReasonPaths, FormatError> {
        let mut paths = ReasonPaths::default();
        if self.0.is_empty() {
            return Ok(paths);
        }
        let needed = self.with_parents(state);
        for index in 0..state.manifest.collections.len() {
            let items = state.index.items(index);
            let Some(last) = items.iter().rposition(|entry| needed.contains(&entry.name)) else { continue };
            let mut list = state.lists.raw(index)?;
            for _ in 0..state.index.proofs(index) {
                list.next_line()?;
            }
            for entry in items.get(..=last).unwrap_or_default() {
                let Some(line) = list.next_line()? else { break };
                if needed.contains(&entry.name)
                    && let ListLine::Item(item) = ListLine::parse(line)?
                {
                    paths.0.entry(entry.name).or_insert_with(|| beginning(&item.reason, MAX_REASON_BYTES).to_owned());
                }
            }
        }
        Ok(paths)
    }

    /// Adds the names in the reasons of these items, and so on.
    fn with_parents(self, state: &ReviewedState) -> HashSet<u64> {
        let mut needed = self.0;
        for _ in 0..MAX_STEPS {
            let is_parent = |entry: &&super::item_index::ItemEntry| entry.parent != 0 && needed.contains(&entry.name);
            let parents: Vec<u64> = state.index.all().iter().filter(is_parent).map(|entry| entry.parent).collect();
            let known = needed.len();
            needed.extend(parents.into_iter().take(MAX_REASONS));
            if needed.len() == known || needed.len() > MAX_REASONS {
                break;
            }
        }
        needed
    }
}

impl ReasonPaths {
    /// Returns the reasons of the items that `reason` leads to, the nearest first; empty if it names none that is there.
    pub(super) fn from(&self, reason: &str) -> Vec<String> {
        let mut seen = HashSet::new();
        let mut path: Vec<String> = Vec::new();
        while path.len() < MAX_STEPS {
            let last = path.last().map_or(reason, String::as_str);
            let Some(name) = named_in(last).map(hash_of_name).filter(|name| seen.insert(*name)) else { break };
            let Some(next) = self.0.get(&name) else { break };
            path.push(next.clone());
        }
        path
    }
}
