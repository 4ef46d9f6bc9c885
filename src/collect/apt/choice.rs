//! The files to carry of a source, read from its indexes; entries that cannot be used are left out by name.

use super::component_of;
use super::suite::{StoredIndex, SuiteData};
use crate::collect::omission::Omission;
use crate::collection::SourcePackage;
use crate::formats::apt::archive::{IndexEntry, entries};
use crate::formats::signed_digest::SignedDigest;
use crate::path::PublishPath;

/// A file to carry.
#[derive(Clone, Debug)]
pub(super) struct ChosenPackageFile {
    /// The suite that lists it, by its place.
    pub(super) suite: usize,
    /// Its component.
    pub(super) component: String,
    /// The package.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its architecture; `source` for a source package.
    pub(super) architecture: String,
    /// Its place below the root of the archive.
    pub(super) path: PublishPath,
    /// The same as upstream's server knows it.
    pub(super) upstream_path: String,
    /// In bytes.
    pub(super) size: u64,
    /// Its digest.
    pub(super) digest: SignedDigest,
    /// The reason to carry it.
    pub(super) reason: String,
    /// The source package, if it has another name or version.
    pub(super) source: Option<SourcePackage>,
}

/// Files to carry of a source, and those that cannot be carried.
#[derive(Default)]
pub(super) struct AptChoice {
    /// The files.
    pub(super) chosen: Vec<ChosenPackageFile>,
    /// Entries that cannot be carried.
    pub(super) left_out: Vec<Omission>,
}

/// The number of entries that a note names.
const NAMED_ENTRIES: usize = 5;

impl AptChoice {
    /// Notes entries of the file `place` that are left out, with their reasons.
    pub(super) fn leave_out(&mut self, place: &str, reasons: &[String]) {
        if reasons.is_empty() {
            return;
        }
        let named = reasons.iter().take(NAMED_ENTRIES).map(String::as_str).collect::<Vec<_>>().join("; ");
        let more = if reasons.len() > NAMED_ENTRIES { "; …" } else { "" };
        let what = format!("{} entries of {place}", reasons.len());
        let note = format!("{place}: {} unusable entries are left out: {named}{more}", reasons.len());
        self.left_out.push(Omission::new(what, format!("they are unusable: {named}{more}")).noted(note));
    }

    /// Notes source packages whose build dependencies cannot be installed.
    pub(super) fn note_build_dependencies(&mut self, failed: &[String]) {
        let omission = |failed: &String| {
            let (package, reason) = failed.split_once(": ").unwrap_or((failed, "they cannot be installed"));
            let what = format!("the build dependencies of {package}");
            Omission::new(what, reason).noted(format!("the build dependencies of {failed}"))
        };
        self.left_out.extend(failed.iter().map(omission));
    }

    /// Takes the files of an index for whose entry `reason` has one.
    pub(super) fn take(&mut self, of: &IndexText<'_>, reason: impl Fn(&IndexEntry<'_>) -> Option<String>) {
        let mut unusable = Vec::new();
        for entry in entries(of.index.kind, &of.bytes) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    unusable.push(error.to_string());
                    continue;
                }
            };
            let Some(reason) = reason(&entry) else { continue };
            if let Some(error) = &entry.malformed {
                unusable.push(format!("{}: {error}", entry.name));
            }
            self.chosen.extend(files_of(of, entry, &reason));
        }
        self.leave_out(&of.suite.name.path(of.index.path.as_str()), &unusable);
    }
}

/// An index of a suite, expanded.
pub(super) struct IndexText<'s> {
    /// The place of its suite.
    pub(super) at: usize,
    /// Its suite.
    pub(super) suite: &'s SuiteData,
    /// The index.
    pub(super) index: &'s StoredIndex,
    /// Its text.
    pub(super) bytes: Vec<u8>,
}

fn files_of(of: &IndexText<'_>, entry: IndexEntry<'_>, reason: &str) -> impl Iterator<Item = ChosenPackageFile> {
    let (suite, component) = (of.at, component_of(of.index.path.as_str()));
    entry.files.into_iter().map(move |file| ChosenPackageFile {
        suite,
        component: component.clone(),
        name: entry.name.to_owned(),
        version: entry.version.to_owned(),
        architecture: entry.architecture.to_owned(),
        upstream_path: file.upstream_path().to_owned(),
        path: file.path,
        size: file.size,
        digest: file.digest,
        reason: reason.to_owned(),
        source: entry.source.map(SourcePackage::from),
    })
}
