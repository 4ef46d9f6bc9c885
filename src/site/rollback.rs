//! Brings back older states, as a new generation: of all bundle names, or of some of them.
//!
//! A client that saw newer metadata ignores older one, so the old content is published again with a new date. What the site
//! remembers of accepted bundles does not go back.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::ClockTrust;
use super::generation::{DateRule, Recipe, publish};
use super::reuse::Unchanged;
use super::rollback_checks::{check_files, check_owners};
use super::rollback_target::{NameRollback, RollbackTarget, chosen};
use super::state::{Generation, NameState};
use super::{Site, SiteError};
use crate::label::Label;
use crate::progress::Progress;

/// Publishes what `target` names as a new generation. All other bundle names stay as they are.
pub fn rollback(
    site: &Site,
    target: impl Into<RollbackTarget>,
    trust: ClockTrust,
    progress: &Progress,
) -> Result<Generation, SiteError> {
    let _lock = site.lock()?;
    let current = site.current()?;
    trust.check(&current)?;
    let target = target.into();
    let depot = site.depot()?;
    let chosen = chosen(site, &current, &target)?;
    check_files(site, &depot, &current, &chosen)?;
    check_owners(site, &depot, &current, &chosen)?;
    let generation = publish(site, &depot, recipe(&current, &target, &chosen, progress))?;
    site.tidy_partials()?;
    Ok(generation)
}

/// Returns the recipe of the generation that has the older states.
pub(super) fn recipe(
    current: &Generation,
    target: &RollbackTarget,
    chosen: &[NameRollback],
    progress: &Progress,
) -> Recipe<'static> {
    Recipe {
        reason: reason(target, chosen),
        names: names_after(current, chosen),
        newest_time: current.newest_time,
        imported: None,
        guarded: None,
        second_digests: Default::default(),
        unchanged: Unchanged::Stay,
        is_rehearsal: false,
        dates: DateRule::Rising,
        progress: progress.clone(),
    }
}

fn reason(target: &RollbackTarget, chosen: &[NameRollback]) -> String {
    let generations: BTreeSet<u64> = chosen.iter().map(|name| name.generation).collect();
    match (target.names.is_empty(), generations.into_iter().collect::<Vec<_>>().as_slice()) {
        (true, [number]) => format!("rollback to {number}"),
        _ => {
            let each = chosen.iter().map(|NameRollback { name, generation, .. }| format!("{name} to {generation}"));
            format!("rollback of {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Returns what the site remembers of all names after the rollback. What was accepted stays.
fn names_after(current: &Generation, chosen: &[NameRollback]) -> BTreeMap<Label, NameState> {
    let mut names = current.names.clone();
    for NameRollback { name, state: then, .. } in chosen {
        let Some(state) = names.get_mut(name) else { continue };
        match then {
            Some(then) => {
                state.manifest = then.manifest;
                state.bundle.clone_from(&then.bundle);
                state.expires = then.expires;
                state.verified = then.verified;
                state.review = then.review;
            }
            None => state.manifest = None,
        }
    }
    names
}
