//! Replaces the key that signs what the site publishes.

use super::clock::{self, ClockTrust, FutureDates};
use super::generation::DateRule;
use super::own_keys::{self, KEY_AGE_S, KeyRotation, begin_rotation, write_until};
use super::republish::{redate_locked, republish};
use super::{Generation, Site, SiteError};
use crate::error_class::Fault;
use crate::formats::openpgp::{SiteKey, SiteKeyAlgorithm};
use crate::next_command;
use crate::progress::Progress;
use crate::storage::{Lock, audit};
use crate::time::Time;

/// When the new key signs alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOverlap {
    /// After this many days.
    Days(u32),
    /// At once.
    None,
}

/// Makes a new key for the site, and publishes the current state with it: both keys sign for a while, then the new one alone.
/// Returns the generation, if anything is published.
pub fn rotate_key(
    site: &Site,
    algorithm: SiteKeyAlgorithm,
    overlap: KeyOverlap,
    trust: ClockTrust,
    progress: &Progress,
) -> Result<(KeyRotation, Option<Generation>), SiteError> {
    let lock = site.lock()?;
    let current = site.current()?;
    trust.check(&current)?;
    if let Some(KeyRotation { new, until, .. }) = own_keys::load(site)?.rotation() {
        let finish = next_command::rotate_key_finish(site.root());
        let message =
            format!("the site's key is being replaced by {new} already, until {until}: `{finish}` ends that now");
        return Err(Fault::usage(message).into());
    }
    let (now, future) = (Time::now(), FutureDates::of(&current));
    if let Some(FutureDates { date, .. }) = future.filter(|_| overlap != KeyOverlap::None) {
        return Err(clock::behind(site, date).into());
    }
    let until = match overlap {
        KeyOverlap::Days(days) if current.number > 0 => now.plus(i64::from(days) * 24 * 3600),
        _ => now,
    };
    let bad_key = |source| SiteError::BadKeyring { path: site.root().join("keys/next.pgp"), source };
    let user_id = format!("gapferry site {}", site.config.name);
    let key = SiteKey::generate_as(algorithm, &user_id, now.plus(-KEY_AGE_S).unix()).map_err(bad_key)?;
    let rotation = KeyRotation { old: site.key_fingerprint()?, new: key.fingerprint(), until };
    let detail = format!("{} replaces {}, both until {until}", rotation.new, rotation.old);
    audit::append(&site.root().join("audit.jsonl"), "rotate-key", site.config.name.as_str(), &detail)?;
    begin_rotation(site, &key, until)?;
    Ok((rotation, published(site, &lock, &current, progress)?))
}

/// Ends the time in which two keys sign, and publishes the current state with the new one alone.
pub fn finish_rotation(site: &Site, progress: &Progress) -> Result<(KeyRotation, Option<Generation>), SiteError> {
    let lock = site.lock()?;
    let rotate = next_command::rotate_key(site.root());
    let missing = || Fault::usage(format!("no other key is there to take over: `{rotate}` makes one"));
    let rotation = own_keys::load(site)?.rotation().ok_or_else(missing)?;
    let rotation = KeyRotation { until: Time::now(), ..rotation };
    write_until(site, rotation.until)?;
    Ok((rotation, published(site, &lock, &site.current()?, progress)?))
}

fn published(
    site: &Site,
    lock: &Lock,
    current: &Generation,
    progress: &Progress,
) -> Result<Option<Generation>, SiteError> {
    if current.number == 0 {
        own_keys::retire(site, Time::now())?;
        return Ok(None);
    }
    // A key that was made when the clock was wrong has signed with wrong dates.
    match FutureDates::of(current) {
        Some(future) => redate_locked(site, lock, current, future, progress).map(Some),
        None => republish(site, lock, "rotate-key", DateRule::Rising, progress).map(Some),
    }
}
