//! The result of a scan.

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::command::ScanDatabase;
use super::isolation::ScanIsolation;
use crate::bundle::FormatError;
use crate::digest::Sha256;

/// The most rows of a list in the report.
const MAX_ROWS: usize = 500_000;

/// Findings of a scan by the digests of packages.
#[derive(Clone, Debug)]
pub(in crate::review) struct ScanFacts {
    pub(super) bytes: u64,
    pub(super) command: String,
    pub(super) databases: Option<Vec<ScanDatabase>>,
    pub(super) errors: Vec<String>,
    pub(super) files: u64,
    /// By package; those of which the scanner does not say where under `None`.
    pub(super) found: HashMap<Option<Sha256>, Vec<FoundInBlob>>,
    pub(super) isolation: ScanIsolation,
    pub(super) not_scanned: HashMap<Sha256, String>,
    /// The packages whose files were all taken.
    pub(super) scanned: HashSet<Sha256>,
    pub(super) version: String,
}

/// A finding in a file of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::review) struct FoundInBlob {
    pub(in crate::review) path: String,
    pub(in crate::review) finding: String,
}

/// The result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScanResult {
    /// All files were scanned, and nothing was found.
    Clean,
    /// Something was found.
    Found,
    /// The scanner failed.
    Failed,
    /// Nothing was found, and not all files were scanned.
    Incomplete,
}

/// A scan. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScanReport {
    /// The bytes that were scanned.
    pub bytes: u64,
    /// The scanner's command.
    pub command: String,
    /// Its files of signatures; absent for programs of which it is not known where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub databases: Option<Vec<ScanDatabase>>,
    /// The reasons for which runs of it do not count.
    pub errors: Vec<String>,
    /// The number of files that were scanned.
    pub files: u64,
    /// The findings.
    pub findings: Vec<ScanFinding>,
    /// The rights that it ran with.
    pub isolation: ScanIsolation,
    /// The items with new bytes that were not scanned, or not all of them.
    pub not_scanned: Vec<NotScanned>,
    /// The result.
    pub result: ScanResult,
    /// The first line of what it says of its version.
    pub version: String,
}

/// A finding in an item. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScanFinding {
    /// The collection, as KIND/NAME; empty if the scanner does not say where it is.
    pub collection: String,
    /// The scanner's name for it.
    pub finding: String,
    /// The name of the item.
    pub name: String,
    /// The path inside of the item.
    pub path: String,
    /// The version of the item.
    pub version: String,
}

/// An item that was not scanned. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotScanned {
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// The name of the item.
    pub name: String,
    /// The version of the item.
    pub version: String,
    /// The reason.
    pub why: String,
}

/// An item with new bytes, as a scan names it.
#[derive(Clone, Copy, Debug)]
pub(in crate::review) struct ScannedItem<'a> {
    pub(in crate::review) collection: &'a str,
    pub(in crate::review) name: &'a str,
    pub(in crate::review) version: &'a str,
    pub(in crate::review) blob: Sha256,
}

impl ScanFacts {
    /// Returns what was found in an item, sorted.
    pub(in crate::review) fn found_in(&self, blob: &Sha256) -> Vec<FoundInBlob> {
        let mut found = self.found.get(&Some(*blob)).cloned().unwrap_or_default();
        found.sort();
        found
    }

    /// Makes the report. `each` hands over each item with new bytes.
    pub(in crate::review) fn report(
        &self,
        each: impl FnOnce(&mut dyn FnMut(ScannedItem<'_>) -> Result<(), FormatError>) -> Result<(), FormatError>,
    ) -> Result<ScanReport, FormatError> {
        let (mut findings, mut not_scanned) = (Vec::new(), Vec::new());
        each(&mut |item| {
            let [collection, name, version] = [item.collection, item.name, item.version].map(str::to_owned);
            for FoundInBlob { path, finding } in self.found_in(&item.blob) {
                let [collection, name, version] = [&collection, &name, &version].map(String::clone);
                findings.push(ScanFinding { collection, finding, name, path, version });
            }
            let is_missing = !self.scanned.contains(&item.blob);
            let missing = is_missing.then(|| "its volume is not here".to_owned());
            if let Some(why) = self.not_scanned.get(&item.blob).cloned().or(missing) {
                not_scanned.push(NotScanned { collection, name, version, why });
            }
            match findings.len().max(not_scanned.len()) > MAX_ROWS {
                true => {
                    Err(FormatError::TooMany { cap: MAX_ROWS as u64, what: "findings of a scan or items without one" })
                }
                false => Ok(()),
            }
        })?;
        for found in self.found.get(&None).into_iter().flatten() {
            let [collection, name, path, version] = [const { String::new() }; 4];
            findings.push(ScanFinding { collection, finding: found.finding.clone(), name, path, version });
        }
        let result = match (findings.is_empty(), self.errors.is_empty(), not_scanned.is_empty()) {
            (false, ..) => ScanResult::Found,
            (true, false, _) => ScanResult::Failed,
            (true, true, false) => ScanResult::Incomplete,
            (true, true, true) => ScanResult::Clean,
        };
        Ok(ScanReport {
            bytes: self.bytes,
            command: self.command.clone(),
            databases: self.databases.clone(),
            errors: self.errors.clone(),
            files: self.files,
            findings,
            isolation: self.isolation.clone(),
            not_scanned,
            result,
            version: self.version.clone(),
        })
    }
}

impl ScanResult {
    /// Its name in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Found => "FOUND SOMETHING",
            Self::Failed => "FAILED",
            Self::Incomplete => "INCOMPLETE",
        }
    }
}
