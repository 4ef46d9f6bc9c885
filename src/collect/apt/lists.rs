//! The archives that apt's own source lists name.

use super::archives::{
    Presence, SuiteRequest, WantedArchive, WantedComponent, architectures, components_of, entry_keyring,
    host_architecture,
};
use super::mirrors::{self, Mirrors};
use crate::collect::keyring::read_small;
use crate::collect::{CollectContext, CollectError};
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::apt::sources::{ArchitectureOption, ListScope, SourceEntry, parse};
use crate::selection::{AptSource, SourceLists};

/// Reads the lists of the source. Says in `notes` what of them was skipped.
pub(super) fn archives(
    source: &AptSource,
    lists: &SourceLists,
    notes: &mut Vec<String>,
    with: &CollectContext<'_>,
) -> Result<Vec<WantedArchive>, CollectError> {
    let mut archives: Vec<WantedArchive> = Vec::new();
    let mut found = false;
    for path in lists.files.iter().filter(|path| path.exists()) {
        found = true;
        let text = String::from_utf8_lossy(&read_small(path)?).into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let malformed = |error| Fault::usage(path.display()).because(error);
        for (entry, presence) in entries(source, &name, &text).map_err(malformed)? {
            add_entry(source, lists, &entry, presence, &mut archives, notes, with)?;
        }
    }
    archives.retain(|archive| !archive.suites.is_empty());
    match (found, archives.is_empty()) {
        (false, _) => Err(Fault::usage(format!("none of these apt source lists exists: {}", paths(lists))).into()),
        (true, true) => Err(Fault::usage(format!("no enabled deb entry is in {}", paths(lists))).into()),
        (true, false) => Ok(archives),
    }
}

fn paths(lists: &SourceLists) -> String {
    lists.files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The entries of a list. apt puts the client's native architecture in the place of `$(ARCH)`, so the list is read for each architecture
/// that a client may have. What it names for the first alone must be there.
fn entries(source: &AptSource, name: &str, text: &str) -> Result<Vec<(SourceEntry, Presence)>, Invalid> {
    let mut entries: Vec<(SourceEntry, Presence)> = Vec::new();
    for (place, architecture) in architectures(source).iter().enumerate() {
        let presence = if place == 0 { Presence::Required } else { Presence::Optional };
        for entry in parse(name, text, ListScope { architecture, suites: &source.suites })? {
            if !entries.iter().any(|(known, _)| *known == entry) {
                entries.push((entry, presence));
            }
        }
    }
    // deb-src entries count only where the selection asks for sources.
    entries.retain(|(entry, _)| entry.binary || (entry.source && source.deb_src));
    Ok(entries)
}

/// The architectures of which an entry wants packages. Those of the selection go before those that the entry names.
fn wanted_architectures(source: &AptSource, entry: &SourceEntry) -> Vec<String> {
    match (entry.binary, source.architectures.is_empty()) {
        (false, _) => Vec::new(),
        (true, true) => entry.architectures.of(&[host_architecture().to_owned()]),
        (true, false) => {
            let removed = entry.architectures.removed.clone();
            ArchitectureOption { removed, ..ArchitectureOption::default() }.of(&source.architectures)
        }
    }
}

/// Adds an entry: packages and their sources for `deb`, sources alone for `deb-src`.
fn add_entry(
    source: &AptSource,
    lists: &SourceLists,
    entry: &SourceEntry,
    presence: Presence,
    archives: &mut Vec<WantedArchive>,
    notes: &mut Vec<String>,
    with: &CollectContext<'_>,
) -> Result<(), CollectError> {
    let architectures = wanted_architectures(source, entry);
    if entry.binary && architectures.is_empty() {
        return Ok(()); // all of them are removed, as for apt
    }
    let keyring = entry_keyring(lists, entry, notes)?;
    let Mirrors { first, all } = mirrors::of(&entry.url, notes, with)?;
    let at = archives.iter().position(|archive| archive.url == first).unwrap_or_else(|| {
        archives.push(WantedArchive { name: source.name.clone(), url: first, mirrors: Vec::new(), suites: Vec::new() });
        archives.len() - 1
    });
    let Some(archive) = archives.get_mut(at) else { return Ok(()) };
    let fresh: Vec<_> = all.into_iter().filter(|mirror| !archive.mirrors.contains(mirror)).collect();
    archive.mirrors.extend(fresh);
    for suite in &entry.suites {
        let at = archive.suites.iter().position(|known| known.suite == *suite).unwrap_or_else(|| {
            archive.suites.push(SuiteRequest::new(suite, keyring.clone(), presence));
            archive.suites.len() - 1
        });
        let Some(known) = archive.suites.get_mut(at) else { continue };
        known.trust(keyring.clone(), entry.signed_by.as_ref().filter(|_| lists.keyring.is_none()));
        known.languages.extend(entry.languages.iter().cloned());
        known.indexes.extend(&entry.indexes);
        known.forces_by_hash |= entry.forces_by_hash;
        known.insecure_option = known.insecure_option.or(entry.insecure_option);
        if presence == Presence::Required {
            known.presence = presence;
        }
        let is_kept = |name: &&str| {
            suite.is_flat() || source.components.is_empty() || source.components.iter().any(|own| own == name)
        };
        for name in components_of(suite, &entry.components).filter(is_kept) {
            let architectures = architectures.clone();
            known.add(WantedComponent { name: name.to_owned(), architectures, source: source.deb_src });
        }
    }
    Ok(())
}
