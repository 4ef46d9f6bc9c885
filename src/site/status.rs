//! What a site is, publishes and waits for.

use std::collections::BTreeMap;
use std::fs;

use super::client_warnings::Unanswered;
use super::state::Generation;
use super::{Site, SiteError, sheets};
use crate::bundle::Manifest;
use crate::storage::audit;

/// What a site is, publishes and waits for.
#[derive(Debug)]
pub struct Status {
    /// What clients see.
    pub current: Generation,
    /// Collections, suites and addresses that were published once, and are not now.
    pub unanswered: Unanswered,
    /// All generations that are here, by number, with what made them.
    pub generations: Vec<(u64, String)>,
    /// Fingerprint of the key that signs re-indexed metadata.
    pub key: String,
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
    Ok(Status {
        generations,
        key: site.key_fingerprint()?,
        unfinished: unfinished(site)?.into_iter().map(|(bundle, _)| bundle).collect(),
        waiting: unfinished(site)?.into_iter().filter(|(_, missing)| !missing.is_empty()).collect(),
        quarantine: names_in(site, "quarantine")?,
        unanswered: Unanswered::of(&current, &site.config.serve),
        audit_records: audit::read(&site.root().join("audit.jsonl"))?.len(),
        current,
    })
}

/// Bundles whose import is not finished, with what each waits for.
fn unfinished(site: &Site) -> Result<Vec<(String, Vec<String>)>, SiteError> {
    let bundle = |name: &String| {
        let folder = site.root().join("journal").join(name);
        let manifest = Manifest::parse(&fs::read(folder.join("manifest.json")).ok()?).ok()?;
        Some((manifest.folder(), sheets::words(&sheets::missing(&folder))))
    };
    Ok(names_in(site, "journal")?.iter().filter_map(bundle).collect())
}

fn names_in(site: &Site, folder: &str) -> Result<Vec<String>, SiteError> {
    let path = site.root().join(folder);
    let entries = fs::read_dir(&path).map_err(SiteError::io("list", &path))?;
    let mut names: Vec<_> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
