//! Gathers the evidence on one manifest into a folder.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::super::log_head::LOG_FILE;
use super::super::{LogHead, Site, SiteError};
use super::facts::{EvidenceFacts, EvidenceState, SigningKey, StatementFacts, TrustInForce};
use super::folder::{EvidenceFolder, counts};
use super::keep::POLICY;
use super::log_facts::LogFacts;
use super::record::EvidenceRecord;
use crate::bundle::state::SignedState;
use crate::bundle::{approval_files, names};
use crate::depot::DepotError;
use crate::digest::{Hashing, Sha256};
use crate::error_class::{ErrorClass, Fault};
use crate::label::Label;
use crate::next_command;
use crate::numbers::Sequence;
use crate::storage::audit::parse_chain;
use crate::storage::{StorageError, modes, read_capped};
use crate::time::Time;
use crate::trust::{SignedApproval, SignedTrustFile, TrustFile};

/// The largest audit log that is read, in bytes.
const MAX_LOG_BYTES: u64 = 1 << 30;
impl Site {
    /// Finds the record on the bundle with this sequence. Fails if there is none, or several.
    pub fn find_evidence(
        &self,
        sequence: Sequence,
        name: Option<&Label>,
        manifest: Option<&Sha256>,
    ) -> Result<EvidenceRecord, SiteError> {
        let all = self.evidence_records()?;
        let mut found = all.iter().filter(|record| {
            record.sequence == sequence
                && name.is_none_or(|name| record.name == *name)
                && manifest.is_none_or(|manifest| record.manifest == *manifest)
        });
        let root = self.root().display();
        match (found.next(), found.next()) {
            (Some(record), None) => Ok(record.clone()),
            (Some(one), Some(other)) => {
                let (option, both) = match one.name == other.name {
                    false => ("--name NAME", [one.name.to_string(), other.name.to_string()]),
                    true => ("--manifest DIGEST", [one.manifest.to_hex(), other.manifest.to_hex()]),
                };
                Err(Fault::usage(format!(
                    "{root} has evidence on several bundles with the sequence {sequence}: say {option}, such as {} or {}",
                    both[0], both[1]
                ))
                .into())
            }
            (None, _) => {
                let bundles: BTreeSet<String> = all.iter().map(EvidenceRecord::bundle).collect();
                let bundles = bundles.into_iter().collect::<Vec<_>>().join(", ");
                let has = if bundles.is_empty() { "none".to_owned() } else { bundles };
                Err(Fault::usage(format!("{root} has no evidence on such a bundle; it has evidence on: {has}")).into())
            }
        }
    }

    /// Writes the evidence into a new folder, but for reports, and returns what is in it. Leaves out what is missing or has changed on the
    /// disk, and names it in the facts.
    pub fn write_evidence(&self, record: &EvidenceRecord, folder: &Path) -> Result<EvidenceFolder, SiteError> {
        modes::create_public_folders(folder).map_err(SiteError::io("create", folder))?;
        let (logged, head) = self.write_log(record, folder)?;
        let missing = self.write_files(record, folder)?;
        if !folder.join(names::MANIFEST).exists() || !folder.join(names::SIGNATURE).exists() {
            let (bundle, check) = (record.bundle(), next_command::site_check(self.root()));
            let text = format!(
                "the manifest of {bundle} or its signature is lost at the site: `{check}` names what has changed"
            );
            return Err(Fault::new(ErrorClass::RotFound, text).into());
        }
        let version = logged.judged_by.map_or(self.newest_trust()?.version, |judged| judged.version);
        let signed = self.write_trust(folder, version)?;
        let (time, is_judged_in_log) = (logged.time.unwrap_or(head.time), logged.judged_by.is_some());
        let statements = write_statements(folder, &self.statements_on(&record.manifest), &signed.file, time)?;
        let signer = SignedState::open(folder)?.signer().clone();
        let facts = EvidenceFacts {
            bundle: record.bundle(),
            epoch: record.epoch,
            failure: record.failure.clone().filter(|_| logged.publications.is_empty()),
            format: 1,
            log: head,
            manifest: record.manifest,
            missing,
            name: record.name.clone(),
            policy: record.file(POLICY),
            sequence: record.sequence,
            signer: SigningKey { fingerprint: signer.fingerprint(), person: signed.file.find_person(&signer).cloned() },
            site: record.site.clone(),
            state: self.outcome(record, &logged)?,
            statements,
            trust: TrustInForce { sha256: signed.digest(), version },
            time,
            overrides: logged.overrides,
            publications: logged.publications,
            review: logged.review,
        };
        let opened = EvidenceFolder::open(folder, record, facts, signed.file)?;
        Ok(EvidenceFolder { is_judged_in_log, ..opened })
    }

    /// Writes the audit log, its head, and its lines about the bundle.
    fn write_log(&self, record: &EvidenceRecord, folder: &Path) -> Result<(LogFacts, LogHead), SiteError> {
        let path = self.root().join(LOG_FILE);
        let text = String::from_utf8(read_capped(&path, MAX_LOG_BYTES)?);
        let text = text.map_err(|_| StorageError::damaged(&path)("it is not text"))?;
        let log = parse_chain(&text, &path)?;
        // A line that was not written to its end is none.
        let whole = text.rfind('\n').and_then(|end| text.get(..=end)).unwrap_or_default();
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        let facts = LogFacts::read(&log.records, record);
        let custody: String = facts.lines.iter().filter_map(|number| lines.get(*number).copied()).collect();
        let head = self.log_head(&log);
        write(folder, LOG_FILE, whole)?;
        write(folder, "log-head.txt", &format!("{head}\n"))?;
        write(folder, "custody.jsonl", &custody)?;
        Ok((facts, head))
    }

    /// Returns the outcome for a bundle.
    fn outcome(&self, record: &EvidenceRecord, logged: &LogFacts) -> Result<EvidenceState, SiteError> {
        Ok(match logged.publications.is_empty() {
            _ if self.current()?.manifests().contains(&record.manifest) => EvidenceState::Published,
            false => EvidenceState::WasPublished,
            true => unpublished(record),
        })
    }

    /// Writes the files of the record. Returns the names of those that are missing or have changed.
    fn write_files(&self, record: &EvidenceRecord, folder: &Path) -> Result<BTreeSet<String>, SiteError> {
        let (depot, mut missing) = (self.depot_to_read(), BTreeSet::new());
        for (path, digest) in &record.files {
            let target = folder.join(path);
            let mut from = match depot.open_blob(digest) {
                Err(DepotError::Missing { .. }) => {
                    missing.insert(format!("{path}: the site does not have it"));
                    continue;
                }
                other => other?,
            };
            create_folder_of(&target)?;
            let mut copy = || {
                let mut to = Hashing::new(modes::create_public_file(&target)?);
                io::copy(&mut from, &mut to)?;
                Ok(to.finish().1)
            };
            if copy().map_err(SiteError::io("write", &target))? != *digest {
                fs::remove_file(&target).map_err(SiteError::io("remove", &target))?;
                missing.insert(format!("{path}: it has changed on the disk"));
            }
        }
        Ok(missing)
    }

    /// Writes the chain of trust files. Returns the one of this version.
    fn write_trust(&self, folder: &Path, in_force: u64) -> Result<SignedTrustFile, SiteError> {
        let mut found = None;
        for version in 1..=self.newest_trust()?.version {
            let signed = match self.signed_trust(version) {
                // A site may begin with a later version.
                Err(SiteError::Storage(error)) if error.is_not_found() => continue,
                other => other?,
            };
            let path = format!("{}/{version}.json", names::TRUST);
            write(folder, &path, &String::from_utf8_lossy(&signed.text))?;
            if !signed.signatures.is_empty() {
                write(folder, &format!("{path}.sig"), &signed.signatures)?;
            }
            if version == in_force {
                write(folder, "allowed_signers", &signed.file.allowed_signers())?;
                found = Some(signed);
            }
        }
        found
            .ok_or_else(|| Fault::failed(format!("the site does not have version {in_force} of its trust file")).into())
    }
}

/// Returns the outcome for a bundle that was never published.
fn unpublished(record: &EvidenceRecord) -> EvidenceState {
    use crate::error_class::ErrorClass::{ApprovalMissing, VolumesMissing};
    let waits = [ApprovalMissing.word(), VolumesMissing.word()];
    match &record.failure {
        Some(failure) if waits.contains(&failure.outcome.as_str()) => EvidenceState::Waiting,
        Some(_) => EvidenceState::Refused,
        None => EvidenceState::Begun,
    }
}

/// Writes the statements of reviewers, each as it was signed.
fn write_statements(
    folder: &Path,
    statements: &[SignedApproval],
    trust: &TrustFile,
    time: Time,
) -> Result<Vec<StatementFacts>, SiteError> {
    let mut written = Vec::new();
    for signed in statements {
        approval_files::write(&folder.join(names::APPROVALS), signed)?;
        let statement = &signed.statement;
        let trusted = trust.may_say(signed).is_ok_and(|(_, key)| counts(key, time));
        written.push(StatementFacts {
            decision: statement.decision,
            file: format!("{}/{}", names::APPROVALS, signed.file_name()),
            key: signed.signer.fingerprint(),
            number: statement.number,
            person: statement.person.clone(),
            reason: statement.reason.clone(),
            report: statement.report,
            role: statement.role,
            scan: statement.scan.clone(),
            ticket: statement.ticket.clone(),
            time: statement.time,
            trusted,
        });
    }
    Ok(written)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), SiteError> {
    let path = folder.join(name);
    create_folder_of(&path)?;
    let written = modes::create_public_file(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(SiteError::io("write", &path))
}

fn create_folder_of(path: &Path) -> Result<(), SiteError> {
    let folder = path.parent().unwrap_or(path);
    modes::create_unsynced_folders(folder).map_err(SiteError::io("create", folder))
}
