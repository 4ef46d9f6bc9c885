//! The Debian packages of a state, by the names by which feeds know them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::bundle::FormatError;
use crate::bundle::state::{ItemLine, ListLine};
use crate::formats::apt::version;
use crate::formats::feed::{FeedRelease, FeedSupport, FeedVendor};
use crate::review::state::ReviewedState;

/// The packages of a state that security data can be about.
#[derive(Debug, Default)]
pub(super) struct PackageIndex {
    packages: Vec<IndexedPackage>,
    by_source: HashMap<String, Vec<usize>>,
    by_binary: HashMap<String, Vec<usize>>,
    /// The numbers of items by collection and release; those without a release are known to no feed.
    counts: Vec<ReleaseCounts>,
}

/// The number of items of each release of a collection.
pub(super) type ReleaseCounts = BTreeMap<Option<FeedRelease>, u64>;

/// A package.
#[derive(Clone, Debug)]
pub(super) struct IndexedPackage {
    pub(super) release: FeedRelease,
    pub(super) name: String,
    pub(super) architecture: String,
    pub(super) version: String,
    pub(super) source: String,
    pub(super) source_version: String,
}

/// The parts that the versions of one package share.
type PackageKey = (FeedVendor, String, String, String);

impl PackageIndex {
    /// Reads the lists of a state.
    pub(super) fn of(state: &ReviewedState) -> Result<Self, FormatError> {
        let (mut highest, mut counts): (HashMap<PackageKey, IndexedPackage>, Vec<ReleaseCounts>) = Default::default();
        for index in 0..state.manifest.collections.len() {
            let (mut list, mut of_release) = (state.lists.read(index)?, ReleaseCounts::new());
            while let Some(line) = list.next_line()? {
                let ListLine::Item(item) = line else { continue };
                let release = release_of(&item);
                *of_release.entry(release.clone()).or_default() += 1;
                // A source package is built from nothing.
                let Some(release) = release.filter(|_| item.architecture.as_deref() != Some("source")) else {
                    continue;
                };
                let package = IndexedPackage::of(*item, release);
                match highest.get_mut(&package.key()) {
                    Some(known) if version::compare(&known.version, &package.version).is_ge() => {}
                    Some(known) => *known = package,
                    None => drop(highest.insert(package.key(), package)),
                }
            }
            counts.push(of_release);
        }
        let mut packages: Vec<IndexedPackage> = highest.into_values().collect();
        packages.sort_by(|a, b| (&a.release, &a.name, &a.architecture).cmp(&(&b.release, &b.name, &b.architecture)));
        let mut index = Self { counts, ..Self::default() };
        for (number, package) in packages.iter().enumerate() {
            index.by_source.entry(package.source.clone()).or_default().push(number);
            index.by_binary.entry(package.name.clone()).or_default().push(number);
        }
        index.packages = packages;
        Ok(index)
    }

    /// The package of this number.
    pub(super) fn get(&self, number: usize) -> Option<&IndexedPackage> {
        self.packages.get(number)
    }

    /// The packages that are built from a source package of this name, by their numbers.
    pub(super) fn of_source(&self, name: &str) -> &[usize] {
        self.by_source.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The binary packages of this name, by their numbers.
    pub(super) fn of_binary(&self, name: &str) -> &[usize] {
        self.by_binary.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns `true` if it has no package.
    pub(super) fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// The versions of a source package in a release, whatever the support, of which it has a package.
    pub(super) fn source_versions(&self, release: &FeedRelease, source: &str) -> Vec<String> {
        let packages = self.of_source(source).iter().filter_map(|number| self.get(*number));
        let versions =
            packages.filter(|package| package.release.is_same(release)).map(|package| &package.source_version);
        versions.collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// The numbers of items of a collection by their releases.
    pub(super) fn counts(&self, collection: usize) -> Option<&ReleaseCounts> {
        self.counts.get(collection)
    }
}

impl IndexedPackage {
    fn of(item: ItemLine, release: FeedRelease) -> Self {
        let ItemLine { name, architecture, version, source, .. } = item;
        let (source, source_version) =
            source.map_or_else(|| (name.clone(), version.clone()), |source| (source.name, source.version));
        let architecture = architecture.unwrap_or_default();
        Self { release, name, architecture, version, source, source_version }
    }

    fn key(&self) -> PackageKey {
        let FeedRelease { vendor, codename, .. } = &self.release;
        (*vendor, codename.clone(), self.name.clone(), self.architecture.clone())
    }
}

/// Returns the release that a package belongs to; `None` for anything but a package of a distribution whose feeds are known. An archive of
/// somebody else may have a suite of the same name, and other packages in it.
fn release_of(item: &ItemLine) -> Option<FeedRelease> {
    let (suite, _) = item.details.suite()?;
    let vendor = match item.publisher.as_deref()? {
        "Debian" => FeedVendor::Debian,
        publisher if publisher == "Ubuntu" || publisher.starts_with("UbuntuESM") => FeedVendor::Ubuntu,
        _ => return None,
    };
    let suite = suite.to_string();
    let is_pro = ["-infra-", "-apps-"].iter().any(|pocket| suite.contains(pocket));
    let support = if is_pro { FeedSupport::Pro } else { FeedSupport::Public };
    Some(FeedRelease { vendor, codename: item.details.release_line(), support })
}
