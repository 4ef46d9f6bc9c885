//! Statements of feeds, in the one form that all formats are read into.

use std::cmp::Ordering;
use std::fmt;

use crate::formats::apt::version;

/// A distribution that publishes security data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedVendor {
    /// Debian.
    Debian,
    /// Ubuntu.
    Ubuntu,
}

/// The support that fixes come with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedSupport {
    /// Public updates.
    Public,
    /// Updates for subscribers of Ubuntu Pro, which come from archives of their own.
    Pro,
}

/// A release of a distribution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedRelease {
    /// Its distribution.
    pub vendor: FeedVendor,
    /// Its codename, such as `bookworm`.
    pub codename: String,
    /// The support that it is about.
    pub support: FeedSupport,
}

impl FeedRelease {
    /// Returns `true` if both are one release, whatever the support.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.vendor, &self.codename) == (other.vendor, &other.codename)
    }
}

impl fmt::Display for FeedRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.support {
            FeedSupport::Public => f.write_str(&self.codename),
            FeedSupport::Pro => write!(f, "{} with Ubuntu Pro", self.codename),
        }
    }
}

/// The package that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeedPackage {
    /// A source package: all that is built from it.
    Source(String),
    /// A binary package.
    Binary(String),
}

impl FeedPackage {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Source(name) | Self::Binary(name) => name,
        }
    }
}

/// A statement of a feed: a vulnerability and the versions of a package that it affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStatement {
    /// The vulnerability, such as `CVE-2026-1234`.
    pub id: String,
    /// The release.
    pub release: FeedRelease,
    /// The package.
    pub package: FeedPackage,
    /// The versions.
    pub versions: AffectedVersions,
    /// Its urgency in upstream's words; empty if upstream does not say.
    pub urgency: String,
}

/// A range of versions. One without bounds has all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AffectedRange {
    /// The first version in it.
    pub from: Option<String>,
    /// The first version that is no longer in it.
    pub below: Option<String>,
    /// The last version in it.
    pub up_to: Option<String>,
}

impl AffectedRange {
    fn has(&self, version: &str) -> bool {
        let order = |bound: &str| version::compare(version, bound);
        self.from.as_deref().is_none_or(|from| order(from).is_ge())
            && self.below.as_deref().is_none_or(|below| order(below).is_lt())
            && self.up_to.as_deref().is_none_or(|last| order(last).is_le())
    }
}

/// The versions of a package that a vulnerability affects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AffectedVersions {
    /// Ranges of them.
    pub ranges: Vec<AffectedRange>,
    /// Single ones.
    pub listed: Vec<String>,
    /// Those that are not affected, although they are in a range.
    pub except: Vec<String>,
    /// True if upstream has not found out whether these are affected.
    pub is_undetermined: bool,
    /// True if a fixed version is in the release.
    pub has_fix: bool,
}

impl AffectedVersions {
    /// All versions.
    pub fn all() -> Self {
        Self { ranges: vec![AffectedRange::default()], ..Self::default() }
    }

    /// All versions below `fixed`.
    pub fn below(fixed: &str) -> Self {
        let range = AffectedRange { below: Some(fixed.to_owned()), ..AffectedRange::default() };
        Self { ranges: vec![range], has_fix: true, ..Self::default() }
    }

    /// Returns `true` if a version is among them.
    pub fn has(&self, version: &str) -> bool {
        let is = |other: &String| version::compare(version, other).is_eq();
        let is_in = self.ranges.iter().any(|range| range.has(version)) || self.listed.iter().any(is);
        is_in && !self.except.iter().any(is)
    }

    /// Returns the lowest version above `version` that is not affected; `None` if the release has none.
    pub fn fixed_above(&self, version: &str) -> Option<&str> {
        let bounds = self.ranges.iter().filter_map(|range| range.below.as_deref());
        let fixed = bounds.chain(self.except.iter().map(String::as_str));
        let above = fixed.filter(|fixed| version::compare(fixed, version) == Ordering::Greater);
        above.min_by(|one, other| version::compare(one, other)).filter(|_| self.has_fix)
    }
}
