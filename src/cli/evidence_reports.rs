//! Reports and bills of materials in evidence, made again as the reviewers made them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::Failure;
use super::output::write_json_line;
use super::report::write_report;
use super::report_subject::ReportSubject;
use crate::digest::{Hashing, Sha256};
use crate::error_class::Fault;
use crate::formats::openpgp::{Keyring, MAX_KEYRING_BYTES};
use crate::label::Label;
use crate::review::{Against, KeyNames, PackageLooks, ReportJson, ReviewReport, ReviewedState, compare};
use crate::site::{EvidenceFolder, ReportedBy};
use crate::storage::{StorageError, modes, read_capped};

/// A report in evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct EvidenceReport {
    /// Its file in the folder.
    file: String,
    /// Its digest.
    sha256: Sha256,
    /// The persons whose statements name it.
    persons: BTreeSet<Label>,
}

impl EvidenceReport {
    pub(super) fn reported_by(&self) -> ReportedBy {
        ReportedBy { file: self.file.clone(), sha256: self.sha256, persons: self.persons.iter().cloned().collect() }
    }
}

/// The inputs of a report that a reviewer may have chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReportBase {
    /// `--against` a bundle with its signature.
    Bundle,
    /// `--against` the site.
    Site,
    /// Nothing.
    Nothing,
}

/// Writes the reports that statements name, and bills of materials, as far as they can be made again. `given` are reports that somebody kept.
/// Notes in the facts those that are missing.
pub(super) fn write_reports(
    evidence: &mut EvidenceFolder,
    folder: &Path,
    given: &[PathBuf],
) -> Result<Vec<EvidenceReport>, Failure> {
    let mut wanted: BTreeMap<Sha256, BTreeSet<Label>> = BTreeMap::new();
    for statement in &evidence.facts.statements {
        let Some(report) = statement.report else { continue };
        wanted.entry(report).or_default().insert(statement.person.clone());
    }
    let mut writer = ReportWriter { folder, wanted, written: Vec::new() };
    if evidence.has_lists {
        writer.make(evidence)?;
    } else {
        evidence.facts.missing.insert("report: it cannot be made without item lists".to_owned());
    }
    given.iter().try_for_each(|path| writer.take(path, evidence.facts.manifest))?;
    for (digest, persons) in writer.left() {
        let persons: Vec<&str> = persons.iter().map(Label::as_str).collect();
        evidence.facts.missing.insert(format!(
            "the report {digest} that {} read: it was made of other inputs, so give it with --report",
            persons.join(", ")
        ));
    }
    Ok(writer.written)
}

struct ReportWriter<'a> {
    folder: &'a Path,
    /// The reports that statements name, with the persons.
    wanted: BTreeMap<Sha256, BTreeSet<Label>>,
    written: Vec<EvidenceReport>,
}

impl ReportWriter<'_> {
    /// The reports that statements name and that are not written.
    fn left(&self) -> impl Iterator<Item = (&Sha256, &BTreeSet<Label>)> {
        let is_written = |digest: &Sha256| self.written.iter().any(|report| report.sha256 == *digest);
        self.wanted.iter().filter(move |(digest, _)| !is_written(digest))
    }

    /// Makes reports with each choice of inputs until all are there. Without statements the first one is written.
    fn make(&mut self, evidence: &EvidenceFolder) -> Result<(), Failure> {
        let after = ReviewedState::of_bundle(self.folder)?;
        let bases: &[ReportBase] = match evidence.has_against {
            true => &[ReportBase::Bundle, ReportBase::Site, ReportBase::Nothing],
            false => &[ReportBase::Nothing],
        };
        for base in bases {
            self.make_from(*base, &after, evidence)?;
        }
        if self.written.is_empty() {
            let before = self.before(bases[0], &after)?;
            let report = self.report(bases[0], &before, &after, names(self.folder, evidence)?)?;
            self.write(&report, &after)?;
        }
        Ok(())
    }

    fn make_from(&mut self, base: ReportBase, after: &ReviewedState, evidence: &EvidenceFolder) -> Result<(), Failure> {
        if self.left().next().is_none() {
            return Ok(());
        }
        let before = self.before(base, after)?;
        let mut report = self.report(base, &before, after, names(self.folder, evidence)?)?;
        for names in [report.names.clone(), KeyNames::default()] {
            report.names = names;
            let digest = digest_of(&report)?;
            if self.left().any(|(wanted, _)| *wanted == digest) {
                self.write(&report, after)?;
            }
        }
        Ok(())
    }

    fn before(&self, base: ReportBase, after: &ReviewedState) -> Result<ReviewedState, Failure> {
        let against = || ReviewedState::of_bundle(&self.folder.join("against"));
        match base {
            ReportBase::Nothing => Ok(after.without_items()),
            ReportBase::Bundle => Ok(against()?),
            ReportBase::Site => {
                let mut published = against()?;
                published.signer = None;
                Ok(published)
            }
        }
    }

    fn report<'s>(
        &self,
        base: ReportBase,
        before: &'s ReviewedState,
        after: &'s ReviewedState,
        names: KeyNames,
    ) -> Result<ReviewReport<'s>, Failure> {
        let diff = compare(before, after, &std::env::temp_dir())?;
        let against = if base == ReportBase::Nothing { Against::Nothing } else { Against::State };
        let (looks, packings) = (PackageLooks::default(), Vec::new());
        Ok(ReviewReport { diff, against, names, looks, vulnerabilities: None, packings })
    }

    /// Writes a report: the first one with its page, its text and the bills of materials.
    fn write(&mut self, report: &ReviewReport<'_>, after: &ReviewedState) -> Result<(), Failure> {
        let folder = self.folder.join("report");
        let (name, sha256) = match self.written.is_empty() {
            true => ("report.json".to_owned(), write_report(report, after, &folder)?),
            false => {
                let digest = digest_of(report)?;
                let name = format!("report-{}.json", digest.abbreviated());
                let path = folder.join(&name);
                let mut file = modes::create_public_file(&path).map_err(StorageError::io("write", &path))?;
                write_json_line(&ReportJson(report), &mut file).map_err(Fault::failed)?;
                (name, digest)
            }
        };
        self.note(name, sha256);
        Ok(())
    }

    fn note(&mut self, name: String, sha256: Sha256) {
        let persons = self.wanted.get(&sha256).cloned().unwrap_or_default();
        self.written.push(EvidenceReport { file: format!("report/{name}"), sha256, persons });
    }

    /// Takes a report that somebody kept. Fails unless a statement names it.
    fn take(&mut self, path: &Path, manifest: Sha256) -> Result<(), Failure> {
        let (ReportSubject { manifest: on, report, .. }, place) = (ReportSubject::read(path)?, path.display());
        if on != manifest {
            return Err(Failure::usage(format_args!(
                "{place} is the report of another bundle, with the manifest {on}; this one has {manifest}"
            )));
        }
        if !self.wanted.contains_key(&report) {
            return Err(Failure::usage(format_args!("no statement names {place}, which has the digest {report}")));
        }
        if self.written.iter().any(|written| written.sha256 == report) {
            return Ok(());
        }
        let (name, folder) = (format!("report-{}.json", report.abbreviated()), self.folder.join("report"));
        modes::create_public_folders(&folder).map_err(StorageError::io("create", &folder))?;
        let target = folder.join(&name);
        let copy = || {
            let mut to = Hashing::new(modes::create_public_file(&target)?);
            io::copy(&mut fs::File::open(path)?, &mut to)?;
            Ok(to.finish().1)
        };
        if copy().map_err(StorageError::io("write", &target))? != report {
            return Err(Fault::failed(format!("{place} changed while it was read")).into());
        }
        self.note(name, report);
        Ok(())
    }
}

fn digest_of(report: &ReviewReport<'_>) -> Result<Sha256, Failure> {
    let mut to = Hashing::new(io::sink());
    write_json_line(&ReportJson(report), &mut to).map_err(Fault::failed)?;
    Ok(to.finish().1)
}

/// Returns the names that the site gave to keys at the import.
fn names(folder: &Path, evidence: &EvidenceFolder) -> Result<KeyNames, Failure> {
    let mut names = KeyNames::of_persons(&evidence.trust);
    let keyrings = folder.join("keyrings");
    let entries = match fs::read_dir(&keyrings) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        other => other.map_err(StorageError::io("list", &keyrings))?,
    };
    for entry in entries {
        let path = entry.map_err(StorageError::io("list", &keyrings))?.path();
        // One that is none gives no names; publishing says what is wrong with it.
        if let Ok(keyring) = Keyring::parse(&read_capped(&path, MAX_KEYRING_BYTES)?) {
            names.keys.extend(keyring.names());
        }
    }
    Ok(names)
}
