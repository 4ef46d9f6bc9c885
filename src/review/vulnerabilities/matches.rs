//! The statements of feeds that are about packages of two states.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::packages::{IndexedPackage, PackageIndex};
use crate::formats::Invalid;
use crate::formats::feed::{AffectedVersions, FeedPackage, FeedRelease, FeedStatement, FeedSupport};

/// The most statements about packages of the states. A whole release of Debian with all of its open vulnerabilities has some 100,000.
const MAX_MATCHES: usize = 2_000_000;

/// The statements about packages of the older and of the newer state.
pub(super) struct FeedMatches<'a> {
    states: [&'a PackageIndex; 2],
    /// By vulnerability, state (0 or 1) and package.
    found: HashMap<MatchKey, FeedMatch>,
    /// The names of vulnerabilities.
    ids: BTreeMap<String, u32>,
    /// The feeds that are about each release.
    releases: BTreeMap<FeedRelease, BTreeSet<usize>>,
}

/// A vulnerability of a package of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MatchKey {
    pub(super) id: u32,
    /// 0 for the older one, 1 for the newer one.
    pub(super) state: u8,
    pub(super) package: u32,
}

/// The statement of a feed about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FeedMatch {
    pub(super) verdict: FeedVerdict,
    /// The support that the statement is about.
    support: FeedSupport,
    /// The version that is not affected, if the release has one.
    pub(super) fixed_in: Option<Box<str>>,
    pub(super) urgency: Box<str>,
    /// The number of the feed.
    pub(super) feed: usize,
}

/// The verdict of a feed on a version. The worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FeedVerdict {
    Unaffected,
    Undetermined,
    Affected,
}

impl<'a> FeedMatches<'a> {
    pub(super) fn new(states: [&'a PackageIndex; 2]) -> Self {
        Self { states, found: HashMap::new(), ids: BTreeMap::new(), releases: BTreeMap::new() }
    }

    /// Takes a statement of the feed `feed`.
    pub(super) fn add(&mut self, feed: usize, statement: FeedStatement) -> Result<(), Invalid> {
        let count = self.releases.len();
        match self.releases.get_mut(&statement.release) {
            Some(feeds) => _ = feeds.insert(feed),
            None if count < MAX_RELEASES => {
                self.releases.insert(statement.release.clone(), BTreeSet::from([feed]));
            }
            None => return Err(Invalid::new("it is about more releases than there are")),
        }
        for (state, packages) in [0, 1].into_iter().zip(self.states) {
            let numbers = match &statement.package {
                FeedPackage::Source(name) => packages.of_source(name),
                FeedPackage::Binary(name) => packages.of_binary(name),
            };
            for number in numbers {
                let Some(package) = packages.get(*number) else { continue };
                if package.release.is_same(&statement.release) {
                    self.note(state, *number, package, feed, &statement)?;
                }
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        state: u8,
        number: usize,
        package: &IndexedPackage,
        feed: usize,
        statement: &FeedStatement,
    ) -> Result<(), Invalid> {
        let version = match &statement.package {
            FeedPackage::Source(_) => &package.source_version,
            FeedPackage::Binary(_) => &package.version,
        };
        let versions: &AffectedVersions = &statement.versions;
        let verdict = match (versions.has(version), versions.is_undetermined) {
            (false, _) => FeedVerdict::Unaffected,
            (true, true) => FeedVerdict::Undetermined,
            (true, false) => FeedVerdict::Affected,
        };
        let fixed_in = versions.fixed_above(version).map(Box::from);
        let support = statement.release.support;
        let made = FeedMatch { verdict, support, fixed_in, urgency: statement.urgency.as_str().into(), feed };
        let Some(package_number) = u32::try_from(number).ok() else { return Ok(()) };
        let key = MatchKey { id: self.id(&statement.id), state, package: package_number };
        let count = self.found.len();
        match self.found.get_mut(&key) {
            None if count >= MAX_MATCHES => {
                return Err(Invalid::new(format!("feeds say more than {MAX_MATCHES} things of these packages")));
            }
            None => drop(self.found.insert(key, made)),
            Some(known) if made.goes_before(known, package.release.support) => *known = made,
            Some(_) => {}
        }
        Ok(())
    }

    /// The number of a vulnerability.
    fn id(&mut self, name: &str) -> u32 {
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        match self.ids.get(name) {
            Some(id) => *id,
            None => *self.ids.entry(name.to_owned()).or_insert(next),
        }
    }

    /// The feeds that are about a release, by their numbers.
    pub(super) fn feeds_of(&self, release: &FeedRelease) -> Vec<usize> {
        let of = self.releases.iter().filter(|(known, _)| known.is_same(release)).flat_map(|(_, feeds)| feeds);
        of.copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Returns all matches with the names of their vulnerabilities, sorted.
    pub(super) fn into_sorted(self) -> Vec<(String, MatchKey, FeedMatch)> {
        let names: HashMap<u32, String> = self.ids.into_iter().map(|(name, id)| (id, name)).collect();
        let named =
            self.found.into_iter().map(|(key, found)| (names.get(&key.id).cloned().unwrap_or_default(), key, found));
        let mut all: Vec<_> = named.collect();
        all.sort_by(|(a, a_key, _), (b, b_key, _)| {
            (a, a_key.state, a_key.package).cmp(&(b, b_key.state, b_key.package))
        });
        all
    }
}

/// The most releases that feeds are about.
const MAX_RELEASES: usize = 4096;

impl FeedMatch {
    /// Returns `true` if it counts rather than `known`: a statement about the support that a package comes with, else the worse one. Ubuntu says of
    /// public updates and of those of Ubuntu Pro each what it is.
    fn goes_before(&self, known: &Self, support: FeedSupport) -> bool {
        let fits = |found: &Self| found.support == support;
        match (fits(self), fits(known)) {
            (true, false) => true,
            (false, true) => false,
            _ => self.verdict > known.verdict,
        }
    }
}
