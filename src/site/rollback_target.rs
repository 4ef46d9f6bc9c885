//! Finds the older states that are to come back.

use std::collections::BTreeSet;

use super::state::{Generation, NameState};
use super::{Site, SiteError};
use crate::error_class::Fault;
use crate::label::Label;
use crate::next_command;

/// The states that are to come back.
#[derive(Clone, Debug, Default)]
pub struct RollbackTarget {
    /// The generation that has them. `None` takes the one before the current one, or, if names are given, for each of them the newest
    /// generation that has another state of it.
    pub generation: Option<u64>,
    /// The bundle names that go back. If it is empty, all do.
    pub names: BTreeSet<Label>,
}

impl From<Option<u64>> for RollbackTarget {
    fn from(generation: Option<u64>) -> Self {
        Self { generation, names: BTreeSet::new() }
    }
}

/// A bundle name that goes back.
pub(super) struct NameRollback {
    pub(super) name: Label,
    /// The generation whose state of this name comes back.
    pub(super) generation: u64,
    /// The state that comes back; `None` if the generation has none.
    pub(super) state: Option<NameState>,
}

/// Returns the names that go back, each with the state that it goes back to.
pub(super) fn chosen(
    site: &Site,
    current: &Generation,
    target: &RollbackTarget,
) -> Result<Vec<NameRollback>, SiteError> {
    if let Some(unknown) = target.names.iter().find(|name| !current.names.contains_key(*name)) {
        let known: Vec<&str> = current.names.keys().map(Label::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Fault::usage(format!("the site has no bundles of the name {unknown}; it has {known}")).into());
    }
    let named_generation = match (target.generation, target.names.is_empty()) {
        (Some(number), _) => Some(number),
        (None, true) => Some(previous(site, current.number)?),
        (None, false) => None,
    };
    if let Some(number) = named_generation {
        let old = earlier_generation(site, current, number)?;
        let goes_back = |name: &&Label| target.names.is_empty() || target.names.contains(*name);
        let of_name = |name: &Label| {
            let state = old.names.get(name).filter(|state| state.manifest.is_some()).cloned();
            NameRollback { name: name.clone(), generation: number, state }
        };
        return Ok(current.names.keys().filter(goes_back).map(of_name).collect());
    }
    target.names.iter().map(|name| last_other_state(site, current, name)).collect()
}

fn earlier_generation(site: &Site, current: &Generation, number: u64) -> Result<Generation, SiteError> {
    if number == current.number || number == 0 || number > current.number {
        return Err(no_generation(site, format!("generation {number} is not an earlier one")));
    }
    if !site.generations()?.contains(&number) {
        return Err(no_generation(site, format!("generation {number} is not here")));
    }
    site.generation(number)
}

fn previous(site: &Site, current: u64) -> Result<u64, SiteError> {
    let numbers = site.generations()?;
    let earlier = numbers.into_iter().rfind(|number| *number < current);
    earlier.ok_or_else(|| no_generation(site, "there is no earlier generation".to_owned()))
}

/// Finds the newest generation that has another state of the name than the current one.
fn last_other_state(site: &Site, current: &Generation, name: &Label) -> Result<NameRollback, SiteError> {
    let manifest_of = |of: &Generation| of.names.get(name).and_then(|state| state.manifest);
    let now = manifest_of(current);
    for number in site.generations()?.into_iter().rev().filter(|number| *number < current.number) {
        let mut old = site.generation(number)?;
        if manifest_of(&old) != now {
            let state = old.names.remove(name).filter(|state| state.manifest.is_some());
            return Ok(NameRollback { name: name.clone(), generation: number, state });
        }
    }
    Err(no_generation(site, format!("no earlier generation has another state of {name}")))
}

fn no_generation(site: &Site, reason: String) -> SiteError {
    let status = next_command::status(site.root());
    Fault::usage(format!("{reason}; `{status}` lists the generations")).into()
}
