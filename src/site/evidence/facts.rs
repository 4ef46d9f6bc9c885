//! Facts of the evidence on one manifest: `evidence.json`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::LogHead;
use super::record::FailedImport;
use crate::digest::Sha256;
use crate::label::Label;
use crate::numbers::{Epoch, Sequence};

use crate::time::Time;
use crate::trust::{ApprovedScan, Decision, Role};

/// The outcome for a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceState {
    /// Clients see it.
    Published,
    /// Clients saw it once.
    WasPublished,
    /// It waits for approvals, volumes or other bundles.
    Waiting,
    /// Somebody rejected it, or its checks failed.
    Refused,
    /// Its import was begun, and neither finished nor refused.
    Begun,
}

impl EvidenceState {
    /// Returns the state in words.
    pub fn message(self) -> &'static str {
        match self {
            Self::Published => "is published",
            Self::WasPublished => "was published, and is no longer",
            Self::Waiting => "waits, and is not published",
            Self::Refused => "was refused, and is not published",
            Self::Begun => "was not imported to its end, and is not published",
        }
    }
}

/// A publication of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Publication {
    /// The generation that clients saw before, to which a rollback goes; 0 if there was none.
    pub before: u64,
    /// The generation that published it.
    pub generation: u64,
    /// When.
    pub time: Time,
}

/// A person's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SigningKey {
    /// The fingerprint.
    pub fingerprint: String,
    /// The person in the trust file; `None` if it does not name the key.
    pub person: Option<Label>,
}

/// A statement of a reviewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementFacts {
    /// The decision.
    pub decision: Decision,
    /// Its file in the folder.
    pub file: String,
    /// The fingerprint of the key that signed it.
    pub key: String,
    /// The number of the statement.
    pub number: u64,
    /// The person.
    pub person: Label,
    /// The reason, as given.
    pub reason: Option<String>,
    /// The digest of the `report.json` that they read.
    pub report: Option<Sha256>,
    /// The role.
    pub role: Role,
    /// The scan for malware in that report.
    pub scan: Option<ApprovedScan>,
    /// The change ticket, as given.
    pub ticket: Option<String>,
    /// By the clock of the reviewer's machine.
    pub time: Time,
    /// `true` if the trust file in force names the key for that person and role, and the key was neither revoked nor expired.
    pub trusted: bool,
}

/// The trust file by which a bundle was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrustInForce {
    /// Its digest.
    pub sha256: Sha256,
    /// Its version.
    pub version: u64,
}

/// Facts of the evidence on one manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceFacts {
    /// The bundle, such as `dc1-base-000042`.
    pub bundle: String,
    /// The epoch.
    pub epoch: Epoch,
    /// The last import, if it failed and nothing was published.
    pub failure: Option<FailedImport>,
    /// Version of the format; 1.
    pub format: u64,
    /// The head of the audit log in the folder.
    pub log: LogHead,
    /// The digest of the manifest.
    pub manifest: Sha256,
    /// Files that should be in the folder and are not, with the reason.
    pub missing: BTreeSet<String>,
    /// The name of the bundle.
    pub name: Label,
    /// The flags that lifted refusals at the import.
    pub overrides: Vec<String>,
    /// The digest of `site.toml` at the import.
    pub policy: Option<Sha256>,
    /// The publications, in order.
    pub publications: Vec<Publication>,
    /// The result of the review by which it was published, in words.
    pub review: Option<String>,
    /// The sequence.
    pub sequence: Sequence,
    /// The key that signed the manifest.
    pub signer: SigningKey,
    /// The site.
    pub site: Label,
    /// The outcome.
    pub state: EvidenceState,
    /// The statements of reviewers.
    pub statements: Vec<StatementFacts>,
    /// The trust file by which it was judged.
    pub trust: TrustInForce,
    /// The time of the decision, as of which signatures are judged: of the last publication, or of the last line of the log about it.
    pub time: Time,
}
