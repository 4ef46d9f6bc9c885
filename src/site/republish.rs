//! Publishes the current state again: with another key, or with right dates after the clock was wrong.

use super::clock::FutureDates;
use super::generation::{DateRule, Recipe, publish};
use super::reuse::Unchanged;
use super::{Generation, Site, SiteError};
use crate::error_class::{ErrorClass, Fault};
use crate::progress::Progress;
use crate::storage::{Lock, audit};
use crate::time::Time;

/// Publishes the current state as the next generation.
pub(super) fn republish(
    site: &Site,
    _lock: &Lock,
    reason: &str,
    dates: DateRule,
    progress: &Progress,
) -> Result<Generation, SiteError> {
    let current = site.current()?;
    let now = Time::now();
    let (mut names, mut newest_time) = (current.names, current.newest_time);
    let mut unchanged = Unchanged::Stay;
    if dates == DateRule::OfTheClock {
        newest_time = newest_time.min(now);
        unchanged = Unchanged::PublishedAnew; // all dates are corrected
        names.values_mut().for_each(|state| state.verified = state.verified.min(now));
    }
    let recipe = Recipe {
        reason: reason.to_owned(),
        names,
        newest_time,
        imported: None,
        guarded: None,
        second_digests: Default::default(),
        unchanged,
        is_rehearsal: false,
        dates,
        progress: progress.clone(),
    };
    let generation = publish(site, &site.depot()?, recipe)?;
    site.tidy_partials()?;
    Ok(generation)
}

/// Publishes the current state with the dates of the clock, after an earlier one was published at a wrong date.
///
/// This alone lets dates go back. Clients whose clocks are right have not taken what was dated in their future.
pub fn redate(site: &Site, progress: &Progress) -> Result<Generation, SiteError> {
    let lock = site.lock()?;
    let current = site.current()?;
    let right = || {
        let message = "the dates of what the site publishes are not in the future: there is nothing to correct";
        Fault::new(ErrorClass::NothingNew, message)
    };
    let future = FutureDates::of(&current).ok_or_else(right)?;
    redate_locked(site, &lock, &current, future, progress)
}

/// The same for a caller that has the lock.
pub(super) fn redate_locked(
    site: &Site,
    lock: &Lock,
    current: &Generation,
    future: FutureDates,
    progress: &Progress,
) -> Result<Generation, SiteError> {
    let detail = format!("generation {} of {} is dated {}", current.number, future.date, future.now);
    audit::append(&site.root().join("audit.jsonl"), "redate", site.config.name.as_str(), &detail)?;
    republish(site, lock, "redate", DateRule::OfTheClock, progress)
}
