//! Approvals and rejections: what a reviewer says of one manifest, in a text that they sign (docs/review.md).
//!
//! A statement names the site, the name, the sequence and the digest of the manifest, so that it counts nowhere else. Its number
//! rises with each statement of one person on one manifest: the highest counts, so that no older one can be played again.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::sshsig::{APPROVAL_NAMESPACE, verify};
use super::{PublicKey, Role, TrustError};
use crate::digest::Sha256;
use crate::label::Label;
use crate::numbers::{MAX_INTEGER, Sequence};
use crate::time::Time;

/// The largest statement that is read, in bytes.
pub const MAX_APPROVAL_BYTES: u64 = 64 << 10;
/// The most statements on one manifest that are read.
pub const MAX_APPROVALS: usize = 256;
/// The version of the format.
const FORMAT: u64 = 1;
/// The longest text of a field, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// The decision of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The state may be published.
    Approve,
    /// The state may not be published until the same person withdraws this.
    Reject,
    /// All that the person said before is withdrawn.
    Withdraw,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
        })
    }
}

/// The acknowledgement of all alarms of a bundle at once. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllAlarms {
    /// The digest of the older manifest; absent if all of the bundle counts as new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Sha256>,
    /// The digest of a text with one line for the digest of each alarm, sorted.
    pub digest: Sha256,
    /// The reason for which they are acceptable.
    pub reason: String,
}

/// The scan for malware in the report that a reviewer has read. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovedScan {
    /// The scanner's files of signatures, as far as they are known.
    pub databases: Vec<ApprovedDatabase>,
    /// The result, such as `clean`.
    pub result: String,
    /// The scanner, as it names itself.
    pub tool: String,
}

/// A file of signatures. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovedDatabase {
    /// The date that it has in its header; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Its file name.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256,
}

/// A statement on a manifest. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The reason for which an alarm is acceptable, by the alarm's whole digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub acknowledged: BTreeMap<Sha256, String>,
    /// The acknowledgement of all alarms at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_alarms: Option<AllAlarms>,
    /// The decision.
    pub decision: Decision,
    /// Version of the format; 1.
    pub format: u64,
    /// The digest of the manifest.
    pub manifest: Sha256,
    /// The bundle's name.
    pub name: Label,
    /// Rises with each statement of the person on this manifest, from 1.
    pub number: u64,
    /// The reviewer, as the trust file calls them.
    pub person: Label,
    /// The reason; a rejection has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The digest of the `report.json` that they read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Sha256>,
    /// The role in which they say it: `reviewer` or `emergency`.
    pub role: Role,
    /// The scan in that report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<ApprovedScan>,
    /// The bundle's sequence.
    pub sequence: Sequence,
    /// The site that the bundle is for.
    pub site: Label,
    /// The change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The time of the statement by the reviewer's clock.
    pub time: Time,
    /// From then on an approval does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

impl Approval {
    /// The version that [`Self::format`] has.
    pub const FORMAT: u64 = FORMAT;

    /// Returns the text that is signed. A statement has one text, so no reader can understand it in another way.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// Parses a statement. Returns the reason if it is wrong. The caller has verified its signature.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() as u64 > MAX_APPROVAL_BYTES {
            return Err(format!("it is larger than {MAX_APPROVAL_BYTES} bytes"));
        }
        let parsed: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        parsed.check()?;
        match parsed.to_json().as_bytes() == text {
            true => Ok(parsed),
            false => Err("it is not in the one spelling that a statement has".to_owned()),
        }
    }

    /// Returns the reason if the statement contradicts itself.
    pub fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("its format is {}, and this gapferry reads {FORMAT}", self.format));
        }
        if !(1..=MAX_INTEGER).contains(&self.number) {
            return Err("its number must be between 1 and 2^53 - 1".to_owned());
        }
        if !matches!(self.role, Role::Reviewer | Role::Emergency) {
            return Err(format!("nobody approves in the role {}", self.role));
        }
        if self.decision == Decision::Reject && self.reason.is_none() {
            return Err("a rejection needs a reason".to_owned());
        }
        let is_acknowledging = !self.acknowledged.is_empty() || self.all_alarms.is_some();
        if self.decision != Decision::Approve && (self.until.is_some() || is_acknowledging) {
            return Err("only an approval has an end or acknowledges alarms".to_owned());
        }
        let texts = [&self.reason, &self.ticket].into_iter().flatten().chain(self.acknowledged.values());
        let scanned = self
            .scan
            .iter()
            .flat_map(|scan| [&scan.result, &scan.tool].into_iter().chain(scan.databases.iter().map(|of| &of.name)));
        let mut texts = texts.chain(self.all_alarms.as_ref().map(|all| &all.reason)).chain(scanned);
        match texts.find(|text| !(1..=MAX_TEXT_BYTES).contains(&text.len())) {
            Some(_) => Err(format!("each of its texts must have 1 to {MAX_TEXT_BYTES} bytes")),
            None => Ok(()),
        }
    }
}

/// A statement with its signature, which is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedApproval {
    /// The statement.
    pub statement: Approval,
    /// Its exact text.
    pub text: Vec<u8>,
    /// The armored signature.
    pub signature: Vec<u8>,
    /// The key that made it. Whether that counts is for the trust file to say.
    pub signer: PublicKey,
}

impl SignedApproval {
    /// Verifies the signature, then parses what is signed.
    pub fn open(text: Vec<u8>, signature: Vec<u8>) -> Result<Self, TrustError> {
        let signer = verify(&signature, APPROVAL_NAMESPACE, &text)?;
        let statement = Approval::parse(&text).map_err(|reason| TrustError::MalformedApproval { reason })?;
        Ok(Self { statement, text, signature, signer })
    }

    /// Returns the name of its file, such as `0123456789abcdef-1-0123456789ab.json`: the key that signed it, its number, and a digest of
    /// its text, so that a second statement of the same number never takes the place of the first.
    pub fn file_name(&self) -> String {
        let (key, text) = (self.signer.digest().to_hex(), Sha256::of(&self.text).to_hex());
        format!("{}-{}-{}.json", &key[..16], self.statement.number, &text[..12])
    }
}

#[cfg(test)]
#[path = "approval_tests.rs"]
pub(super) mod tests;
