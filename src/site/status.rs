//! What a site is, publishes and waits for.

use super::client_warnings::Unanswered;
use super::clock::FutureDates;
use super::journal::{REFUSED_FOLDER, WAITING_FOLDER};
use super::own_keys::{self, KeyRotation};
use super::state::Generation;
use super::waiting::{self, RefusedBundle, WaitingBundle};
use super::{Site, SiteError};
use crate::formats::openpgp::{Keyring, MAX_KEYRING_BYTES};
use crate::storage::{audit, read_capped};

/// What a site is, publishes and waits for.
#[derive(Debug)]
pub struct Status {
    /// What clients see.
    pub current: Generation,
    /// Collections, suites and addresses that were published once, and are not now.
    pub unanswered: Unanswered,
    /// All generations that are here, by number, with what made them.
    pub generations: Vec<(u64, String)>,
    /// Fingerprint of the key that signs re-indexed metadata; `None` if nothing is published yet and this user may not read the
    /// key itself.
    pub key: Option<String>,
    /// The key that replaces it, while both sign.
    pub rotation: Option<KeyRotation>,
    /// Dates in the future, which a wrong clock has left.
    pub future: Option<FutureDates>,
    /// Files and folders that this user may not read, whose content is missing here.
    pub hidden: Vec<&'static str>,
    /// Bundles whose import is not finished, with what they wait for.
    pub waiting: Vec<WaitingBundle>,
    /// Bundles that failed their checks.
    pub refused: Vec<RefusedBundle>,
    /// Number of blobs that a check has found bad, and that were not healed yet.
    pub bad_blobs: u64,
    /// How many records the audit log has; its chain has been checked.
    pub audit_records: usize,
}

/// Looks at the site.
pub fn status(site: &Site) -> Result<Status, SiteError> {
    let current = site.current()?;
    let mut generations = Vec::new();
    for number in site.generations()?.into_iter().filter(|number| *number <= current.number) {
        generations.push((number, site.generation(number)?.reason));
    }
    let mut hidden = Vec::new();
    let waiting = seen(waiting::waiting_bundles(site), WAITING_FOLDER, &mut hidden)?;
    let refused = seen(waiting::refused(site), REFUSED_FOLDER, &mut hidden)?;
    let log = audit::read(&site.root().join("audit.jsonl")).map_err(SiteError::from);
    let audit_records = match log {
        Err(error) if error.is_denied() => {
            hidden.push("audit.jsonl");
            0
        }
        log => log?.len(),
    };
    Ok(Status {
        generations,
        key: public_key(site)?,
        rotation: own_keys::load(site).ok().and_then(|keys| keys.rotation()), // other users may not read the keys
        future: FutureDates::of(&current),
        waiting,
        refused,
        bad_blobs: site.depot_to_read().bad_blobs()?.len() as u64,
        unanswered: Unanswered::of(&current, &site.config.serve),
        audit_records,
        current,
        hidden,
    })
}

/// Returns what was found; empty if this user may not read it, which is noted.
fn seen<T>(
    found: Result<Vec<T>, SiteError>,
    name: &'static str,
    hidden: &mut Vec<&'static str>,
) -> Result<Vec<T>, SiteError> {
    match found {
        Err(error) if error.is_denied() => {
            hidden.push(name);
            Ok(Vec::new())
        }
        other => other,
    }
}

/// Returns the fingerprint of the site's key. Its secret half is for the owner alone; others know the key as it is published.
fn public_key(site: &Site) -> Result<Option<String>, SiteError> {
    let own = site.key_fingerprint();
    if !own.as_ref().is_err_and(SiteError::is_denied) {
        return own.map(Some);
    }
    let path = site.generation_folder(site.current()?.number).join("keys/site.gpg");
    match read_capped(&path, MAX_KEYRING_BYTES) {
        Err(error) if error.is_not_found() => Ok(None),
        bytes => {
            let keyring = Keyring::parse(&bytes?).map_err(|source| SiteError::BadKeyring { path, source })?;
            Ok(keyring.fingerprints().into_iter().next())
        }
    }
}
