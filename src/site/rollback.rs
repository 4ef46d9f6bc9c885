//! Brings back an older state, as a new generation.
//!
//! A client that saw newer metadata ignores older one, so the old content is published again with a new date. What the site
//! remembers of accepted bundles does not go back.

use super::clock::ClockTrust;
use super::generation::{DateRule, Recipe, publish};
use super::reuse::Unchanged;
use super::state::Generation;
use super::{Site, SiteError};
use crate::error_class::Fault;
use crate::next_command;
use crate::progress::Progress;

/// Publishes the content of generation `number`, or of the one before the current one, as a new generation.
pub fn rollback(
    site: &Site,
    number: Option<u64>,
    trust: ClockTrust,
    progress: &Progress,
) -> Result<Generation, SiteError> {
    let _lock = site.lock()?;
    let current = site.current()?;
    trust.check(&current)?;
    let number = match number {
        Some(number) => number,
        None => previous(site, current.number)?,
    };
    if number == current.number || number == 0 || number > current.number {
        return Err(no_generation(site, format!("generation {number} is not an earlier one")));
    }
    if !site.generations()?.contains(&number) {
        return Err(no_generation(site, format!("generation {number} is not here")));
    }
    let old = site.generation(number)?;
    let mut names = current.names;
    for (name, state) in &mut names {
        match old.names.get(name) {
            Some(then) => {
                state.manifest = then.manifest;
                state.bundle.clone_from(&then.bundle);
                state.expires = then.expires;
                state.verified = then.verified;
            }
            None => state.manifest = None,
        }
    }
    let reason = format!("rollback to {number}");
    let recipe = Recipe {
        reason,
        names,
        newest_time: current.newest_time,
        imported: None,
        guarded: None,
        second_digests: Default::default(),
        unchanged: Unchanged::Stay,
        is_rehearsal: false,
        dates: DateRule::Rising,
        progress: progress.clone(),
    };
    let generation = publish(site, &site.depot()?, recipe)?;
    site.tidy_partials()?;
    Ok(generation)
}

fn previous(site: &Site, current: u64) -> Result<u64, SiteError> {
    let numbers = site.generations()?;
    let earlier = numbers.into_iter().rfind(|number| *number < current);
    earlier.ok_or_else(|| no_generation(site, "there is no earlier generation".to_owned()))
}

fn no_generation(site: &Site, reason: String) -> SiteError {
    let status = next_command::status(site.root());
    Fault::usage(format!("{reason}; `{status}` lists the generations")).into()
}
