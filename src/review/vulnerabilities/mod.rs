//! Vulnerabilities: what security data says of the packages of two states.
//!
//! Packages are in memory, with their names and versions; feeds are read as streams. Of several versions of a package in one release the
//! highest counts, since apt installs that.

mod coverage;
mod finding;
mod matches;
mod packages;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

pub(super) use coverage::FeedCoverage;
pub(super) use finding::{FindingClass, VulnerabilityFinding, VulnerabilityTotals};

use self::matches::FeedMatches;
use self::packages::PackageIndex;
use super::state::ReviewedState;
use crate::bundle::{BundleError, FormatError};
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::formats::feed::{FeedFormat, read_feed};
use crate::formats::{Invalid, ReadError};
use crate::storage::FileError;
use crate::time::Time;

/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;

/// A file of security data that a report rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedFile {
    /// The name by which the report calls it, such as `debsecan/bookworm`.
    pub name: String,
    /// Its format.
    pub format: FeedFormat,
    /// When upstream made it, if somebody says so.
    pub date: Option<Time>,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size, in bytes.
    pub size: u64,
    /// Its place on this machine.
    pub place: PathBuf,
}

/// A file of security data in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct FeedFacts {
    /// The days from its date to the making of the bundle; below 0 if it is later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) age_days: Option<i64>,
    /// When upstream made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) date: Option<Time>,
    /// Its format.
    pub(super) format: FeedFormat,
    /// Its name.
    pub(super) name: String,
    /// Its digest.
    pub(super) sha256: Sha256,
    /// Its size, in bytes.
    pub(super) size: u64,
    /// The number of its statements; absent if gapferry does not read this format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) statements: Option<u64>,
}

/// Vulnerabilities of the packages of two states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct VulnerabilityReport {
    /// The collections of the newer state, with the data that is about them.
    pub(super) coverage: Vec<FeedCoverage>,
    /// The data.
    pub(super) feeds: Vec<FeedFacts>,
    /// Vulnerabilities of source packages, by class; of a class, those with a fix and the urgent ones first.
    pub(super) findings: Vec<VulnerabilityFinding>,
    /// Numbers of findings.
    pub(super) totals: VulnerabilityTotals,
}

/// A failure to read states or security data.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum VulnerabilityError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot use {feed} as security data of the format {format}")]
    Feed { feed: String, format: FeedFormat, source: Invalid },
}

impl VulnerabilityError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Bundle(error) => error.class(),
            Self::File(error) => error.class(),
            Self::Feed { .. } => ErrorClass::VerificationFailed,
        }
    }
}

/// Holds two states against security data. `before` has no items if there is no older state.
pub fn find_vulnerabilities(
    before: &ReviewedState,
    after: &ReviewedState,
    feeds: &[FeedFile],
) -> Result<VulnerabilityReport, VulnerabilityError> {
    let index = |state: &ReviewedState| {
        PackageIndex::of(state).map_err(|error: FormatError| BundleError::in_file(&state.place)(error))
    };
    let (before, newer) = (index(before)?, index(after)?);
    let mut matches = FeedMatches::new([&before, &newer]);
    let mut facts = Vec::new();
    for (number, feed) in feeds.iter().enumerate() {
        let statements = read(feed, number, &mut matches)?;
        let created = after.manifest.created.unix();
        facts.push(FeedFacts {
            age_days: feed.date.map(|date| (created - date.unix()).div_euclid(DAY_S)),
            date: feed.date,
            format: feed.format,
            name: feed.name.clone(),
            sha256: feed.sha256,
            size: feed.size,
            statements: feed.format.is_read(&feed.name).then_some(statements),
        });
    }
    let coverage = coverage::of_state(after, &newer, &matches, feeds);
    let findings = finding::of_matches(matches, [&before, &newer], feeds);
    let totals = VulnerabilityTotals::of(&findings, &coverage);
    Ok(VulnerabilityReport { coverage, feeds: facts, findings, totals })
}

/// Reads a feed. Returns the number of its statements.
fn read(feed: &FeedFile, number: usize, matches: &mut FeedMatches<'_>) -> Result<u64, VulnerabilityError> {
    let file = File::open(&feed.place).map_err(FileError::on_named::<FileError>("read", &feed.place))?;
    let mut statements = 0;
    let read = read_feed(feed.format, &feed.name, file, &mut |statement| {
        statements += 1;
        matches.add(number, statement)
    });
    let bad = |source| VulnerabilityError::Feed { feed: feed.name.clone(), format: feed.format, source };
    read.map_err(|error: ReadError| {
        error.map(|error| FileError::on::<FileError>("read", &feed.place)(error).into(), bad)
    })?;
    Ok(statements)
}
