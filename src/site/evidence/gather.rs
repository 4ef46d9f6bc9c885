//! Gathers the evidence on one manifest into a folder.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::super::log_head::LOG_FILE;
use super::super::{Site, SiteError};
use super::facts::{EvidenceFacts, EvidenceState, SigningKey, StatementFacts, TrustInForce};
use super::keep::{KEYRINGS, POLICY, PROOFS};
use super::log_facts::LogFacts;
use super::record::EvidenceRecord;
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::state::{ListLine, SignedState};
use crate::bundle::{BundleError, approval_files, names};
use crate::depot::DepotError;
use crate::digest::{Hashing, Sha256};
use crate::error_class::{ErrorClass, Fault};
use crate::kind::Kind;
use crate::label::Label;
use crate::next_command;
use crate::numbers::Sequence;
use crate::storage::audit::parse_chain;
use crate::storage::{StorageError, modes, read_capped};
use crate::time::Time;
use crate::trust::{
    MANIFEST_NAMESPACE, PACKING_NAMESPACE, Role, SignedApproval, SignedTrustFile, TrustFile, TrustedKey, verify,
};

/// The largest audit log that is read, in bytes.
const MAX_LOG_BYTES: u64 = 1 << 30;
/// The largest packing or signature that is read again, in bytes.
const MAX_SIGNED_BYTES: u64 = 64 << 20;

/// A file of upstream's with an OpenPGP signature, by their paths in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedProof {
    pub(super) keyring: String,
    pub(super) file: String,
    /// The detached signature; `None` if the file has it inside.
    pub(super) signature: Option<String>,
}

/// A file that a builder signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BuilderSigned {
    pub(super) file: String,
    pub(super) namespace: &'static str,
    /// The person whose key signed it, if that key counts as of the time of the decision.
    pub(super) person: Option<Label>,
}

/// Evidence in a folder.
#[derive(Debug)]
pub struct EvidenceFolder {
    /// Its facts.
    pub facts: EvidenceFacts,
    /// The trust file by which the bundle was judged.
    pub trust: TrustFile,
    /// `true` if the log has the line of an import with the policy and the trust file.
    pub(super) is_judged_in_log: bool,
    /// `true` if manifest and item lists are here, so that reports can be made of them.
    pub has_lists: bool,
    /// `true` if the state that was published before is in the folder `against`.
    pub has_against: bool,
    /// The manifest and the packings.
    pub(super) signed: Vec<BuilderSigned>,
    pub(super) proofs: Vec<SignedProof>,
    /// The collections whose files of upstream's are here, as KIND/NAME, with their lists.
    pub(super) lists: Vec<(String, String)>,
}

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

    /// Writes the evidence into a new folder, but for reports, and returns what is in it. Names what is missing or has changed on the disk in the facts, and leaves it out.
    pub fn write_evidence(&self, record: &EvidenceRecord, folder: &Path) -> Result<EvidenceFolder, SiteError> {
        modes::create_public_folders(folder).map_err(SiteError::io("create", folder))?;
        let text = read_capped(&self.root().join(LOG_FILE), MAX_LOG_BYTES)?;
        let log_path = self.root().join(LOG_FILE);
        let text = String::from_utf8(text).map_err(|_| StorageError::damaged(&log_path)("it is not text"))?;
        let log = parse_chain(&text, &log_path)?;
        // A line that was not written to its end is none.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let lines: Vec<&str> = text.get(..whole).unwrap_or_default().split_inclusive('\n').collect();
        let facts = LogFacts::read(&log.records, record);
        let head = self.log_head(&log);
        write(folder, LOG_FILE, text.get(..whole).unwrap_or_default())?;
        write(folder, "log-head.txt", &format!("{head}\n"))?;
        let custody: String = facts.lines.iter().filter_map(|number| lines.get(*number).copied()).collect();
        write(folder, "custody.jsonl", &custody)?;
        let missing = self.write_files(record, folder)?;
        if !folder.join(names::MANIFEST).exists() || !folder.join(names::SIGNATURE).exists() {
            let (bundle, check) = (record.bundle(), next_command::site_check(self.root()));
            let text = format!(
                "the manifest of {bundle} or its signature is lost at the site: `{check}` names what has changed"
            );
            return Err(Fault::new(ErrorClass::RotFound, text).into());
        }
        let chain = self.write_trust(folder)?;
        let version = facts.judged_by.map_or(self.newest_trust()?.version, |judged| judged.version);
        let signed = chain.into_iter().find(|signed| signed.file.version == version);
        let signed = signed.ok_or_else(|| Fault::failed(format!("the trust file {version} is not in the site")))?;
        write(folder, "allowed_signers", &signed.file.allowed_signers())?;
        let (time, is_judged_in_log) = (facts.time.unwrap_or(head.time), facts.judged_by.is_some());
        let statements = write_statements(folder, &self.statements_on(&record.manifest), &signed.file, time)?;
        let state = SignedState::open(folder)?;
        let signer = state.signer().clone();
        let current = self.current()?;
        let is_published = current.names.values().any(|name| name.manifest == Some(record.manifest));
        let outcome = match facts.publications.is_empty() {
            _ if is_published => EvidenceState::Published,
            false => EvidenceState::WasPublished,
            true => unpublished(record),
        };
        let failure = record.failure.clone().filter(|_| facts.publications.is_empty());
        let facts = EvidenceFacts {
            bundle: record.bundle(),
            epoch: record.epoch,
            failure,
            format: 1,
            log: head,
            manifest: record.manifest,
            missing,
            name: record.name.clone(),
            overrides: facts.overrides,
            policy: record.file(POLICY),
            publications: facts.publications,
            review: facts.review,
            sequence: record.sequence,
            signer: SigningKey { fingerprint: signer.fingerprint(), person: signed.file.find_person(&signer).cloned() },
            site: record.site.clone(),
            state: outcome,
            statements,
            trust: TrustInForce { sha256: signed.digest(), version },
            time,
        };
        let opened = EvidenceFolder::open(folder, record, facts, signed.file)?;
        Ok(EvidenceFolder { is_judged_in_log, ..opened })
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

    /// Writes the chain of trust files.
    fn write_trust(&self, folder: &Path) -> Result<Vec<SignedTrustFile>, SiteError> {
        let mut chain = Vec::new();
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
            chain.push(signed);
        }
        Ok(chain)
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
            ticket: statement.ticket.clone(),
            time: statement.time,
            trusted,
        });
    }
    Ok(written)
}

impl EvidenceFolder {
    fn open(folder: &Path, record: &EvidenceRecord, facts: EvidenceFacts, trust: TrustFile) -> Result<Self, SiteError> {
        let is_here = |path: &str| folder.join(path).is_file();
        let packings = record.files.keys().filter(|path| path.starts_with(names::PACKINGS) && path.ends_with(".json"));
        let packings = packings.filter(|path| is_here(path) && is_here(&format!("{path}.sig")));
        let manifest = names::MANIFEST.to_owned();
        let files = [(&manifest, MANIFEST_NAMESPACE)].into_iter().chain(packings.map(|path| (path, PACKING_NAMESPACE)));
        let signed = files.map(|(file, namespace)| {
            let person = builder_of(folder, file, namespace, &trust, facts.time)?;
            Ok(BuilderSigned { file: file.clone(), namespace, person })
        });
        let signed = signed.collect::<Result<Vec<_>, SiteError>>()?;
        let manifest = folder.join(names::MANIFEST);
        let mut opened = Self {
            facts,
            trust,
            is_judged_in_log: false,
            has_lists: false,
            has_against: false,
            signed,
            proofs: Vec::new(),
            lists: Vec::new(),
        };
        if let Ok(state) = StoredState::in_files(&manifest, folder) {
            opened.has_lists = true;
            opened.has_against =
                StoredState::in_files(&folder.join("against/manifest.json"), &folder.join("against")).is_ok();
            opened.read_lists(folder, &state)?;
        }
        Ok(opened)
    }

    /// Finds the files that upstreams have signed, as far as they are here.
    fn read_lists(&mut self, folder: &Path, state: &StoredState) -> Result<(), SiteError> {
        for (index, collection) in state.manifest.collections.iter().enumerate() {
            let below = format!("{PROOFS}/{}", collection.folder());
            self.lists.push((collection.folder(), collection.list_file()));
            let keyring = format!("{KEYRINGS}/{}.pgp", collection.source);
            if collection.kind == Kind::Snaps || !folder.join(&keyring).is_file() {
                continue;
            }
            let mut read = || {
                let mut list = state.lists.read(index)?;
                while let Some(ListLine::Proof(proof)) = list.next_line()? {
                    let signed = (!proof.signed_by.is_empty()).then(|| format!("{below}/{}", proof.path));
                    self.proofs.extend(signed.and_then(|path| signed_proof(folder, &keyring, path)));
                }
                Ok(())
            };
            read().map_err(BundleError::in_file(&folder.join(collection.list_file())))?;
        }
        self.proofs.sort_by(|one, other| one.file.cmp(&other.file));
        self.proofs.dedup();
        Ok(())
    }
}

/// Returns the file and the signature of a proof; `None` if one of them is not here.
fn signed_proof(folder: &Path, keyring: &str, path: String) -> Option<SignedProof> {
    let is_here = |path: &str| folder.join(path).is_file();
    let detached = ["gpg", "asc", "sig"].iter().find_map(|end| path.strip_suffix(&format!(".{end}")));
    let (file, signature) = match detached {
        Some(file) => (file.to_owned(), Some(path.clone())),
        None => {
            let beside = ["gpg", "asc"].map(|end| format!("{path}.{end}")).into_iter().find(|path| is_here(path));
            (path, beside)
        }
    };
    let all_here = is_here(&file) && signature.as_ref().is_none_or(|signature| is_here(signature));
    all_here.then(|| SignedProof { keyring: keyring.to_owned(), file, signature })
}

/// Returns the builder who signed a file. Returns `None` if the key is that of no builder, or did not count any more.
fn builder_of(
    folder: &Path,
    path: &str,
    namespace: &'static str,
    trust: &TrustFile,
    time: Time,
) -> Result<Option<Label>, SiteError> {
    let text = read_capped(&folder.join(path), MAX_SIGNED_BYTES)?;
    let signature = read_capped(&folder.join(format!("{path}.sig")), MAX_SIGNED_BYTES)?;
    let signer = verify(&signature, namespace, &text)?;
    let builder = trust.keys().find(|(_, key)| key.key == signer && key.roles.contains(&Role::Builder));
    Ok(builder.filter(|(_, key)| counts(key, time)).map(|(person, _)| person.clone()))
}

/// Returns `true` if the key is neither revoked nor expired.
fn counts(key: &TrustedKey, time: Time) -> bool {
    key.revoked.is_none() && key.expires.is_none_or(|expires| expires > time)
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
