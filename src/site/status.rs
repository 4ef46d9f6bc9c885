//! What a site is, publishes and waits for.

use std::collections::BTreeMap;
use std::fs;

use super::client_warnings::Unanswered;
use super::clock::FutureDates;
use super::journal::journal_manifest;
use super::own_keys::{self, KeyRotation};
use super::state::Generation;
use super::{Site, SiteError, sheets};
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
    /// Bundles whose import is not finished.
    pub unfinished: Vec<String>,
    /// The volumes that these wait for, and where they went as far as it is known.
    pub waiting: BTreeMap<String, Vec<String>>,
    /// Names of what is in quarantine.
    pub quarantine: Vec<String>,
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
    let mut seen = |found: Result<Vec<String>, SiteError>, name| match found {
        Err(error) if error.is_denied() => {
            hidden.push(name);
            Ok(Vec::new())
        }
        other => other,
    };
    let journal = seen(names_in(site, "journal"), "journal")?;
    let quarantine = seen(names_in(site, "quarantine"), "quarantine")?;
    let log = audit::read(&site.root().join("audit.jsonl")).map_err(SiteError::from);
    let audit_records = match log {
        Err(error) if error.is_denied() => {
            hidden.push("audit.jsonl");
            0
        }
        log => log?.len(),
    };
    let unfinished = unfinished(site, &journal);
    Ok(Status {
        generations,
        key: public_key(site)?,
        rotation: own_keys::load(site).ok().and_then(|keys| keys.rotation()), // other users may not read the keys
        future: FutureDates::of(&current),
        unfinished: unfinished.iter().map(|(bundle, _)| bundle.clone()).collect(),
        waiting: unfinished.into_iter().filter(|(_, missing)| !missing.is_empty()).collect(),
        quarantine,
        unanswered: Unanswered::of(&current, &site.config.serve),
        audit_records,
        current,
        hidden,
    })
}

/// Bundles whose import is not finished, with what each waits for.
fn unfinished(site: &Site, journal: &[String]) -> Vec<(String, Vec<String>)> {
    let bundle = |name: &String| {
        let folder = site.root().join("journal").join(name);
        let (manifest, _) = journal_manifest(&folder).ok()??;
        Some((manifest.folder(), sheets::render(&sheets::missing(&folder))))
    };
    journal.iter().filter_map(bundle).collect()
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

fn names_in(site: &Site, folder: &str) -> Result<Vec<String>, SiteError> {
    let path = site.root().join(folder);
    let entries = fs::read_dir(&path).map_err(SiteError::io("list", &path))?;
    let mut names: Vec<_> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
