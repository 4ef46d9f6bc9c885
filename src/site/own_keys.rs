//! The keys that sign what the site publishes.
//!
//! `keys/site.pgp` is the key. While another takes over, that is `keys/next.pgp`, and `keys/next.json` says until when both sign.
//! Afterwards the first generation that the new one alone signs is published, and one rename puts it in the place of the old one.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Site, SiteError};
use crate::error_class::{ErrorClass, Fault};
use crate::formats::openpgp::{MAX_KEYRING_BYTES, SiteKey, SiteKeys};
use crate::next_command;
use crate::storage::{StorageError, audit, read_capped, sync_parent, write_atomically};
use crate::time::Time;

/// The largest file `next.json` that is read, in bytes.
const MAX_NEXT_BYTES: u64 = 1 << 10;
/// The age of a new key, in seconds. What it signs first is dated back, and must not be older than the key.
pub(super) const KEY_AGE_S: i64 = 24 * 3600;

/// The keys in a site's folder.
#[derive(Debug)]
pub(super) struct OwnKeys {
    current: SiteKey,
    next: Option<(SiteKey, Time)>,
}

/// The content of the file `next.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NextKeyFile {
    until: Time,
}

/// The keys of a site by their fingerprints, while one replaces the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRotation {
    /// The key that goes.
    pub old: String,
    /// The key that comes.
    pub new: String,
    /// The time until which both sign.
    pub until: Time,
}

fn path(site: &Site, file: &str) -> PathBuf {
    site.root().join("keys").join(file)
}

fn read_key(site: &Site, file: &str) -> Result<SiteKey, SiteError> {
    let path = path(site, file);
    let bytes = read_capped(&path, MAX_KEYRING_BYTES)?;
    SiteKey::from_bytes(&bytes).map_err(|source| SiteError::BadKeyring { path, source })
}

/// Reads the keys.
pub(super) fn load(site: &Site) -> Result<OwnKeys, SiteError> {
    let next_path = path(site, "next.pgp");
    let next = match next_path.try_exists().map_err(SiteError::io("look at", &next_path))? {
        true => Some((read_key(site, "next.pgp")?, until(site)?)),
        false => None,
    };
    Ok(OwnKeys { current: read_key(site, "site.pgp")?, next })
}

fn until(site: &Site) -> Result<Time, SiteError> {
    let path = path(site, "next.json");
    let bytes = read_capped(&path, MAX_NEXT_BYTES)?;
    let file: NextKeyFile = serde_json::from_slice(&bytes).map_err(StorageError::damaged(&path))?;
    Ok(file.until)
}

impl OwnKeys {
    /// Returns the keys that sign at this time.
    pub(super) fn signing_at(self, time: Time) -> SiteKeys {
        match self.next {
            Some((next, until)) if until <= time => SiteKeys::new(next, None),
            next => SiteKeys::new(self.current, next.map(|(key, _)| key)),
        }
    }

    /// Returns the rotation that is going on.
    pub(super) fn rotation(&self) -> Option<KeyRotation> {
        let (next, until) = self.next.as_ref()?;
        Some(KeyRotation { old: self.current.fingerprint(), new: next.fingerprint(), until: *until })
    }
}

/// Fails if a key is younger than what it is to sign: gpgv(1) then takes neither.
pub(super) fn check_dates(site: &Site, keys: &SiteKeys, signed: Time) -> Result<(), SiteError> {
    match keys.all().into_iter().find(|key| key.created() > signed.unix()) {
        None => Ok(()),
        Some(key) => {
            let (name, created) = (key.fingerprint(), Time::from_unix(key.created()).unwrap_or_default());
            let rotate = next_command::rotate_key_now(site.root());
            let message = format!(
                "the site's key {name} was made at {created}, when the clock was wrong, so no client takes what it signs at {signed}: set \
                 the clock; if it is right now, run `{rotate}`"
            );
            Err(Fault::new(ErrorClass::WrongClock, message).into())
        }
    }
}

/// Puts the new key in the place of the old one, if it signed alone at this time.
pub(super) fn retire(site: &Site, made: Time) -> Result<(), SiteError> {
    let (next, current) = (path(site, "next.pgp"), path(site, "site.pgp"));
    if !next.try_exists().map_err(SiteError::io("look at", &next))? || until(site)? > made {
        return Ok(());
    }
    audit::append(&site.root().join("audit.jsonl"), "retire-key", &read_key(site, "site.pgp")?.fingerprint(), "")?;
    fs::rename(&next, &current).map_err(SiteError::io("rename", &next))?;
    sync_parent(&current).map_err(SiteError::io("sync", &current))
}

/// Writes the two halves of a rotation: first its end, then the key that takes over.
pub(super) fn begin_rotation(site: &Site, key: &SiteKey, until: Time) -> Result<(), SiteError> {
    write_until(site, until)?;
    let path = path(site, "next.pgp");
    let bytes = key.to_bytes().map_err(|source| SiteError::BadKeyring { path: path.clone(), source })?;
    Ok(write_atomically(&path, &bytes, 0o600)?)
}

/// Sets the time until which both keys sign.
pub(super) fn write_until(site: &Site, until: Time) -> Result<(), SiteError> {
    let text = serde_json::to_string(&NextKeyFile { until }).unwrap_or_default() + "\n";
    Ok(write_atomically(&path(site, "next.json"), text.as_bytes(), 0o600)?)
}
