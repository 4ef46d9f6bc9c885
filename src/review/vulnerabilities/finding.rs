//! Findings: a vulnerability of a source package in a release, in the older and in the newer state.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::FeedFile;
use super::coverage::FeedCoverage;
use super::matches::{FeedMatch, FeedMatches, FeedVerdict, MatchKey};
use super::packages::{IndexedPackage, PackageIndex};
use crate::formats::feed::FeedRelease;

/// The effect of a bundle on a vulnerability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::review) enum FindingClass {
    /// The older state was not affected, and the newer one is.
    Introduced,
    /// The newer state is affected, as the older one was, or there is no older one.
    Open,
    /// The older state was affected, and the newer one is not.
    Fixed,
    /// The older state was affected, and the newer one does not have the package.
    Removed,
    /// Upstream has not found out whether the newer state is affected.
    Undetermined,
}

impl FindingClass {
    pub(in crate::review) const ALL: [Self; 5] =
        [Self::Introduced, Self::Open, Self::Fixed, Self::Removed, Self::Undetermined];

    /// Says what it is, for people.
    pub(in crate::review) fn words(self) -> &'static str {
        match self {
            Self::Introduced => "introduced",
            Self::Open => "open",
            Self::Fixed => "fixed",
            Self::Removed => "gone with a package",
            Self::Undetermined => "undetermined by upstream",
        }
    }
}

/// A vulnerability of a source package in a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::review) struct VulnerabilityFinding {
    /// The versions of the source package in the newer state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::review) after: Vec<String>,
    /// The same in the older state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::review) before: Vec<String>,
    /// The affected binary packages.
    pub(in crate::review) binaries: Vec<String>,
    pub(in crate::review) class: FindingClass,
    /// The feed that says so.
    pub(in crate::review) feed: String,
    /// The version of the source package that is not affected, if the release has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::review) fixed_in: Option<String>,
    /// The vulnerability, such as `CVE-2026-1234`.
    pub(in crate::review) id: String,
    /// The release.
    pub(in crate::review) release: String,
    /// The source package.
    pub(in crate::review) source: String,
    /// Its urgency in upstream's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in crate::review) urgency: String,
}

/// Numbers of findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::review) struct VulnerabilityTotals {
    /// By class.
    pub(in crate::review) classes: BTreeMap<&'static str, u64>,
    /// Open and introduced ones for which the release has a fixed version.
    pub(in crate::review) open_with_fix: u64,
    /// Items that no feed is about.
    pub(in crate::review) items_without_data: u64,
}

impl VulnerabilityTotals {
    pub(in crate::review) fn of(findings: &[VulnerabilityFinding], coverage: &[FeedCoverage]) -> Self {
        let mut totals = Self::default();
        for finding in findings {
            *totals.classes.entry(finding.class.name()).or_default() += 1;
            let is_open = matches!(finding.class, FindingClass::Open | FindingClass::Introduced);
            totals.open_with_fix += u64::from(is_open && finding.fixed_in.is_some());
        }
        let without = coverage.iter().filter(|line| line.feeds.is_empty());
        totals.items_without_data = without.map(|line| line.items).sum();
        totals
    }

    /// The number of findings of a class.
    pub(in crate::review) fn count(&self, class: FindingClass) -> u64 {
        self.classes.get(class.name()).copied().unwrap_or_default()
    }
}

impl FindingClass {
    /// Its name in JSON.
    fn name(self) -> &'static str {
        match self {
            Self::Introduced => "introduced",
            Self::Open => "open",
            Self::Fixed => "fixed",
            Self::Removed => "removed",
            Self::Undetermined => "undetermined",
        }
    }
}

/// A vulnerability of a source package while its packages are gathered.
struct GatheredFinding<'a> {
    release: &'a FeedRelease,
    /// The packages of the older and of the newer state, with what feeds say of them.
    packages: [Vec<(&'a IndexedPackage, FeedMatch)>; 2],
}

/// Returns the findings, in the order in which people read them.
pub(super) fn of_matches(
    matches: FeedMatches<'_>,
    states: [&PackageIndex; 2],
    feeds: &[FeedFile],
) -> Vec<VulnerabilityFinding> {
    let mut gathered: BTreeMap<(String, String, String), GatheredFinding<'_>> = BTreeMap::new();
    for (id, MatchKey { state, package, .. }, found) in matches.into_sorted() {
        let state = usize::from(state);
        let package = states.get(state).and_then(|index| index.get(usize::try_from(package).ok()?));
        let Some(package) = package.filter(|_| found.verdict != FeedVerdict::Unaffected) else { continue };
        let key = (id, package.release.codename.clone(), package.source.clone());
        let of = gathered
            .entry(key)
            .or_insert_with(|| GatheredFinding { release: &package.release, packages: Default::default() });
        if let Some(packages) = of.packages.get_mut(state) {
            packages.push((package, found));
        }
    }
    let finding =
        |((id, _, source), of): ((String, String, String), GatheredFinding<'_>)| of.finish(id, source, states, feeds);
    let mut findings: Vec<VulnerabilityFinding> = gathered.into_iter().filter_map(finding).collect();
    findings.sort_by(|a, b| a.place().cmp(&b.place()));
    findings
}

impl GatheredFinding<'_> {
    fn finish(
        self,
        id: String,
        source: String,
        [older, newer]: [&PackageIndex; 2],
        feeds: &[FeedFile],
    ) -> Option<VulnerabilityFinding> {
        let Self { release, packages: [before, after] } = self;
        let is_affected = |packages: &[(&IndexedPackage, FeedMatch)]| {
            packages.iter().any(|(_, found)| found.verdict == FeedVerdict::Affected)
        };
        let class = match (is_affected(&before), is_affected(&after)) {
            (false, true) if !older.is_empty() => FindingClass::Introduced,
            (_, true) => FindingClass::Open,
            (_, false) if !after.is_empty() => FindingClass::Undetermined,
            (true, false) if newer.source_versions(release, &source).is_empty() => FindingClass::Removed,
            (true, false) => FindingClass::Fixed,
            (false, false) => return None, // was undetermined, and is no longer
        };
        let shown = if after.is_empty() { &before } else { &after };
        let (_, first) = shown.first()?;
        let binaries: BTreeSet<&str> = shown.iter().map(|(package, _)| package.name.as_str()).collect();
        Some(VulnerabilityFinding {
            after: newer.source_versions(release, &source),
            before: older.source_versions(release, &source),
            binaries: binaries.into_iter().map(str::to_owned).collect(),
            class,
            feed: feeds.get(first.feed).map(|feed| feed.name.clone()).unwrap_or_default(),
            fixed_in: shown.iter().find_map(|(_, found)| found.fixed_in.as_deref().map(str::to_owned)),
            id,
            release: release.codename.clone(),
            source,
            urgency: first.urgency.to_string(),
        })
    }
}

impl VulnerabilityFinding {
    /// Its place among others: by class, then those with a fix, then the urgent ones.
    fn place(&self) -> (FindingClass, Reverse<bool>, Reverse<u8>, &str, &str, &str) {
        let urgency = match self.urgency.trim_end_matches('*') {
            "critical" => 5,
            "high" => 4,
            "medium" => 3,
            "low" => 2,
            "unimportant" | "negligible" | "end-of-life" => 0,
            _ => 1,
        };
        (self.class, Reverse(self.fixed_in.is_some()), Reverse(urgency), &self.id, &self.source, &self.release)
    }
}
