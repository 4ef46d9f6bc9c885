//! What a site is, publishes and waits for.

use std::fs;

use super::state::Generation;
use super::{Site, SiteError, audit};
use crate::bundle::Manifest;

/// What a site is, publishes and waits for.
#[derive(Debug)]
pub struct Status {
    /// What clients see.
    pub current: Generation,
    /// All generations that are here, by number, with what made them.
    pub generations: Vec<(u64, String)>,
    /// Fingerprint of the key that signs re-indexed metadata.
    pub key: String,
    /// Bundles whose import is not finished.
    pub unfinished: Vec<String>,
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
        generations.push((number, Generation::load(&site.generation_folder(number))?.reason));
    }
    Ok(Status {
        generations,
        key: site.key_fingerprint()?,
        unfinished: unfinished(site)?,
        quarantine: names_in(site, "quarantine")?,
        audit_records: audit::read(&site.root().join("audit.jsonl"))?.len(),
        current,
    })
}

fn unfinished(site: &Site) -> Result<Vec<String>, SiteError> {
    let manifest = |name: &String| fs::read(site.root().join("journal").join(name).join("manifest.json")).ok();
    let folder = |bytes: Vec<u8>| Manifest::parse(&bytes).ok().map(|m| m.folder());
    Ok(names_in(site, "journal")?.iter().filter_map(|name| manifest(name).and_then(folder)).collect())
}

fn names_in(site: &Site, folder: &str) -> Result<Vec<String>, SiteError> {
    let path = site.root().join(folder);
    let entries = fs::read_dir(&path).map_err(SiteError::io("list", &path))?;
    let mut names: Vec<_> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
