//! The report that people approve or refuse: the same bytes for the same input, and nothing of volumes or media in it.

mod appendix;
mod contents;
mod json;
mod page;
mod scan;
#[cfg(test)]
mod tests;
mod text;
mod vulnerabilities;
mod words;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use json::ReportJson;
pub(super) use json::ReportObject;
pub use page::write_html;
pub use text::write_report_text;

use super::contents::PackageLooks;
use super::state::ReviewedState;
use super::state_diff::StateDiff;
use super::vulnerabilities::VulnerabilityReport;
use crate::bundle::FormatError;
use crate::bundle::overview::PackingOutline;
use crate::bundle::state::{ItemLine, ListLine, ProofLine};
use crate::digest::Sha256;
use crate::time::Time;
use crate::trust::{PublicKey, TrustFile};

/// Version of the report's format.
pub(super) const FORMAT: u64 = 1;
/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;

/// A report on the newer state of a difference.
#[derive(Debug)]
pub struct ReviewReport<'a> {
    /// The difference from the older state, or from a state without items.
    pub diff: StateDiff<'a>,
    /// The older state, if there is one.
    pub against: Against,
    /// Names of persons and keys, as far as somebody has named them.
    pub names: KeyNames,
    /// Findings in packages, as far as they were looked into.
    pub looks: PackageLooks,
    /// Vulnerabilities of the packages; `None` if nobody named security data.
    pub vulnerabilities: Option<VulnerabilityReport>,
    /// The packings at hand, for the appendix. They are no part of the JSON, whose digest people approve: another packing of the same
    /// state is another medium for the same content.
    pub packings: Vec<PackingOutline>,
}

/// The kind of state that a report compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// A state that somebody named.
    State,
    /// None: all items are new.
    Nothing,
}

/// Names of keys by their fingerprints, from the site that the reader trusts.
#[derive(Clone, Debug, Default)]
pub struct KeyNames {
    /// The persons of the trust file.
    pub persons: BTreeMap<String, String>,
    /// The user ids of pinned keys.
    pub keys: BTreeMap<String, String>,
}

impl KeyNames {
    /// Returns the names of the persons of a trust file.
    pub fn of_persons(trust: &TrustFile) -> Self {
        let persons = trust.keys().map(|(person, key)| (key.key.fingerprint(), person.to_string()));
        Self { persons: persons.collect(), keys: BTreeMap::new() }
    }
}

/// A key with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct NamedKey {
    /// The fingerprint, or the id of a key of the snap store.
    pub(super) fingerprint: String,
    /// The name by which the site's trust file or its pinned keys know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
}

/// A file that upstream signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct SignedFile {
    /// The days from its date to the making of the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) age_days: Option<i64>,
    /// When upstream says that it made the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) date: Option<Time>,
    /// Its path at upstream.
    pub(super) path: String,
    /// Its digest.
    pub(super) sha256: Sha256,
    /// The keys whose signatures the builder found good.
    pub(super) signed_by: Vec<NamedKey>,
}

/// A line of the checklist for which the report has no data.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(super) struct NoData {
    /// A short name.
    pub(super) about: &'static str,
    /// The reason, in words.
    pub(super) why: &'static str,
}

/// The line on what is inside of packages.
const UNEXPECTED_CONTENT: &str = "unexpected content";

/// The line on malware.
const MALWARE_SCAN: &str = "malware scan";

/// The line about vulnerabilities.
const VULNERABILITIES: &str = "vulnerabilities";

/// The lines of the checklist that may be without data.
const NO_DATA: [NoData; 5] = [
    NoData {
        about: VULNERABILITIES,
        why: "no security data was read, since --feeds was not given: this report does not say which vulnerabilities the changes fix, or \
              which stay open",
    },
    NoData {
        about: UNEXPECTED_CONTENT,
        why: "no package was opened (--contents): maintainer scripts, setuid files, units and interfaces of snaps are not looked at",
    },
    NoData { about: MALWARE_SCAN, why: "no file was scanned (--scan)" },
    NoData {
        about: "builder's host and program",
        why: "a manifest names neither the host nor the digest of the program that made it",
    },
    NoData {
        about: "upstream's expiry",
        why: "the item lists have the date of each signed file, and not until when upstream says that it is valid",
    },
];

/// A command by which a reviewer checks a statement without gapferry.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct SecondOpinion {
    /// The command, for a shell in the bundle's folder.
    pub(super) command: String,
    /// The statement.
    pub(super) says: String,
}

impl ReviewReport<'_> {
    fn state(&self) -> &ReviewedState {
        self.diff.after
    }

    /// Returns the lines of the checklist without data.
    fn no_data(&self) -> Vec<NoData> {
        let has_data = |about: &str| match about {
            UNEXPECTED_CONTENT => self.looks.contents.is_some(),
            MALWARE_SCAN => self.looks.scan.is_some(),
            VULNERABILITIES => self.vulnerabilities.is_some(),
            _ => false,
        };
        NO_DATA.into_iter().filter(|line| !has_data(line.about)).collect()
    }

    /// The key that signed the manifest, with its person's name.
    fn signer(&self) -> Option<NamedKey> {
        let fingerprint = self.state().signer.as_ref().map(PublicKey::fingerprint)?;
        let name = self.names.persons.get(&fingerprint).cloned();
        Some(NamedKey { fingerprint, name })
    }

    fn signed_file(&self, proof: &ProofLine) -> SignedFile {
        let created = self.state().manifest.created;
        let named = |key: &String| NamedKey { fingerprint: key.clone(), name: self.names.keys.get(key).cloned() };
        SignedFile {
            age_days: proof.date.map(|date| (created.unix() - date.unix()).div_euclid(DAY_S)),
            date: proof.date,
            path: proof.path.to_string(),
            sha256: proof.sha256,
            signed_by: proof.signed_by.iter().map(named).collect(),
        }
    }

    /// Hands each signed file of collection `index` to `file`.
    fn each_signed<E: From<FormatError>>(
        &self,
        index: usize,
        mut file: impl FnMut(SignedFile) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut list = self.state().lists.read(index)?;
        while let Some(ListLine::Proof(proof)) = list.next_line()? {
            if !proof.signed_by.is_empty() {
                file(self.signed_file(&proof))?;
            }
        }
        Ok(())
    }

    /// Hands each item that no upstream vouches for to `item`, with its collection.
    fn each_unproven<E: From<FormatError>>(
        &self,
        mut item: impl FnMut(&str, Box<ItemLine>) -> Result<(), E>,
    ) -> Result<(), E> {
        let state = self.state();
        for (index, collection) in state.manifest.collections.iter().enumerate() {
            if state.facts.get(index).is_none_or(|facts| facts.unproven == 0) {
                continue;
            }
            let (folder, mut list) = (collection.folder(), state.lists.read(index)?);
            while let Some(line) = list.next_line()? {
                match line {
                    ListLine::Item(line) if line.proof.is_none() => item(&folder, line)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The number of items of each licence; those without one under an empty text.
    fn licences(&self) -> BTreeMap<String, u64> {
        let state = self.state();
        let mut licences = BTreeMap::<String, u64>::new();
        for facts in &state.facts {
            let mut unknown = facts.items;
            for (licence, count) in &facts.licences {
                *licences.entry(licence.clone()).or_default() += count;
                unknown = unknown.saturating_sub(*count);
            }
            *licences.entry(String::new()).or_default() += unknown;
        }
        for (licence, count) in self.looks.licences.iter().flat_map(|looked| &looked.items) {
            *licences.entry(licence.clone()).or_default() += count;
            licences.entry(String::new()).and_modify(|unknown| *unknown = unknown.saturating_sub(*count));
        }
        licences.retain(|_, count| *count > 0);
        licences
    }

    /// Returns commands by which a reviewer checks the report without gapferry.
    fn second_opinions(&self) -> Vec<SecondOpinion> {
        let state = self.state();
        let opinion = |says: &str, command: String| SecondOpinion { command, says: says.to_owned() };
        let mut all = vec![opinion(
            "This report is about this manifest",
            format!("echo \"{}  manifest.json\" | sha256sum -c", state.digest),
        )];
        if state.signer.is_some() {
            all.push(opinion(
                "The manifest bears the signature of the key that the report names",
                "ssh-keygen -Y check-novalidate -n gapferry-manifest -s manifest.json.sig < manifest.json".to_owned(),
            ));
        }
        all.push(opinion(
            "The files on this medium are those of the bundle",
            "sha256sum --strict -c --ignore-missing SHA256SUMS".to_owned(),
        ));
        all.push(opinion(
            "These items, and no others, lack an upstream proof",
            "zstdcat items/*.jsonl.zst | jq -r 'select(.type == \"item\" and .proof == null) | .path'".to_owned(),
        ));
        all.push(opinion(
            "These keys signed upstream's files",
            "zstdcat items/*.jsonl.zst | jq -r 'select(.signed_by) | [.date, .path, .signed_by[]] | @tsv'".to_owned(),
        ));
        all
    }
}

impl ReviewedState {
    /// Returns a state of the same header without items, to compare a first state with.
    pub fn without_items(&self) -> Self {
        let mut manifest = self.manifest.clone();
        manifest.collections.clear();
        Self {
            manifest,
            digest: self.digest,
            signer: None,
            place: self.place.clone(),
            lists: self.lists.clone(),
            facts: Vec::new(),
            index: super::item_index::ItemIndex::default(),
        }
    }
}
