//! The files to carry of a source, read from its indexes; entries that cannot be used are left out by name.

use super::component_of;
use super::suite::{StoredIndex, SuiteData};
use crate::collect::omission::Omission;
use crate::collection::SourcePackage;
use crate::formats::apt::archive::{IndexEntry, entries};
use crate::formats::signed_digest::{DigestKind, SignedDigest};
use crate::path::PublishPath;

/// A file to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Files to carry in the order in which they were chosen, as records one behind the other: there may be hundreds of thousands.
#[derive(Default)]
pub(super) struct ChosenFiles {
    records: Vec<u8>,
    /// The end of each record.
    ends: Vec<usize>,
}

impl ChosenFiles {
    /// Adds a file.
    pub(super) fn push(&mut self, file: &ChosenPackageFile) {
        let ChosenPackageFile {
            suite,
            component,
            name,
            version,
            architecture,
            upstream_path,
            size,
            digest,
            reason,
            ..
        } = file;
        let (path, kind, digest) = (file.path.as_str(), digest.kind().as_str(), digest.to_hex());
        let (suite, size) = (suite.to_string(), size.to_string());
        let upstream_path = if upstream_path == path { "" } else { upstream_path };
        let source = file.source.as_ref().map_or(["", ""], |source| [&source.name, &source.version]);
        let head = [path, upstream_path, name, version, architecture, component, reason];
        for part in head.into_iter().chain(source).chain([kind, &digest, &suite, &size]) {
            self.records.extend_from_slice(part.as_bytes());
            self.records.push(0); // which is in no part
        }
        self.ends.push(self.records.len());
    }

    /// Returns true if there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the file at a place.
    pub(super) fn get(&self, at: usize) -> Option<ChosenPackageFile> {
        let mut parts = self.record(at)?.split(|byte| *byte == 0);
        let mut next = || std::str::from_utf8(parts.next()?).ok();
        let (path, upstream_path) = (next()?, next()?);
        let (name, version, architecture) = (next()?.to_owned(), next()?.to_owned(), next()?.to_owned());
        let (component, reason) = (next()?.to_owned(), next()?.to_owned());
        let source = SourcePackage { name: next()?.to_owned(), version: next()?.to_owned() };
        let kind = next()?;
        let kind = DigestKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        let digest = kind.parse(next()?).ok()?;
        let upstream_path = if upstream_path.is_empty() { path } else { upstream_path }.to_owned();
        let (path, suite, size) = (path.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
        let source = Some(source).filter(|source| !source.name.is_empty());
        Some(ChosenPackageFile {
            suite,
            component,
            name,
            version,
            architecture,
            path,
            upstream_path,
            size,
            digest,
            reason,
            source,
        })
    }

    /// Returns all files.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = ChosenPackageFile> {
        (0..self.ends.len()).filter_map(|at| self.get(at))
    }

    /// Returns the places of all files, sorted by the paths of these. Files of one path keep their order.
    pub(super) fn by_path(&self) -> Vec<usize> {
        let path = |at: &usize| self.record(*at).and_then(|record| record.split(|byte| *byte == 0).next());
        let mut places: Vec<usize> = (0..self.ends.len()).collect();
        places.sort_by(|one, other| path(one).cmp(&path(other)));
        places
    }

    fn record(&self, at: usize) -> Option<&[u8]> {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.records.get(start..*self.ends.get(at)?)
    }
}

/// Files to carry of a source, and those that cannot be carried.
#[derive(Default)]
pub(super) struct AptChoice {
    /// The files.
    pub(super) chosen: ChosenFiles,
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
            files_of(of, entry, &reason).for_each(|file| self.chosen.push(&file));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::formats::signed_digest::Sha512;

    fn file(path: &str) -> ChosenPackageFile {
        ChosenPackageFile {
            suite: 3,
            component: "main".into(),
            name: "a".into(),
            version: "1:2~3".into(),
            architecture: "all".into(),
            path: path.parse().unwrap(),
            upstream_path: path.into(),
            size: u64::MAX,
            digest: Sha256::of(path.as_bytes()).into(),
            reason: "needed by b".into(),
            source: None,
        }
    }

    #[test]
    fn files_are_read_back_and_sorted_by_path() {
        let source = Some(SourcePackage { name: "s".into(), version: "4".into() });
        let flat = ChosenPackageFile { component: String::new(), upstream_path: ".//b".into(), source, ..file("b") };
        let strong = ChosenPackageFile { digest: SignedDigest::Sha512(Sha512::of(b"")), ..file("a/c") };
        let files = [flat, strong, file("a"), file("a-b"), ChosenPackageFile { suite: 4, ..file("a") }];
        let mut chosen = ChosenFiles::default();
        assert!(chosen.is_empty());
        files.iter().for_each(|file| chosen.push(file));
        assert_eq!(chosen.iter().collect::<Vec<_>>(), files);
        assert_eq!((chosen.by_path(), chosen.get(5)), (vec![2, 4, 3, 1, 0], None));
    }
}
