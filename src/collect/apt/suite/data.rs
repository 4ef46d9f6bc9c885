//! A suite whose metadata is verified, and what it has.

use std::collections::BTreeSet;

use super::client_indexes::SuiteClientIndexes;
use super::index::StoredIndex;
use super::pdiffs::Pdiffs;
use crate::collect::CollectContext;
use crate::collect::apt::component_of;
use crate::collection::Proof;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::apt::archive::{IndexEntry, IndexKind, IndexName};
use crate::formats::apt::release::{IndexFile, Release};
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::signed_digest::SignedDigest;
use crate::path::PublishPath;
use crate::time::Time;

/// A suite whose metadata is verified and in the depot.
#[derive(Debug)]
pub(in crate::collect::apt) struct SuiteData {
    /// Its archive's place among those of the source.
    pub(in crate::collect::apt) archive: usize,
    /// The suite, as it was asked for.
    pub(in crate::collect::apt) name: SuiteName,
    /// The host of its archive; empty for local files.
    pub(in crate::collect::apt) site: String,
    /// Its Release.
    pub(in crate::collect::apt) release: Release,
    /// The file that is signed.
    pub(in crate::collect::apt) signed_file: PublishPath,
    /// The architectures whose packages are wanted.
    pub(in crate::collect::apt) architectures: Vec<String>,
    /// The architectures of the packages of a flat suite, whose one index has them all.
    pub(in crate::collect::apt) flat_architectures: BTreeSet<String>,
    /// The signed files, the text first.
    pub(super) signed: Vec<(PublishPath, Sha256)>,
    /// The fingerprints of its signers.
    pub(super) signers: Vec<String>,
    /// Its indexes.
    pub(in crate::collect::apt) indexes: Vec<StoredIndex>,
    /// The indexes that clients ask for besides.
    pub(in crate::collect::apt) client_indexes: SuiteClientIndexes,
    /// Patches of all these indexes.
    pub(in crate::collect::apt) pdiffs: Pdiffs,
    /// Indexes that its Release lists under paths where apt does not find them.
    pub(in crate::collect::apt) respelled: Vec<Fault>,
}

impl SuiteData {
    /// The signed file, and the indexes that it covers.
    pub(in crate::collect::apt) fn proofs(&self, with: &CollectContext<'_>) -> Vec<Proof> {
        let date = self.release.date.and_then(|date| Time::from_unix(date).ok());
        let signed = self.signed.iter().map(|(path, sha256)| {
            let is_text = *path == self.signed_file;
            let signed_by = if is_text { self.signers.clone() } else { Vec::new() };
            Proof { date: date.filter(|_| is_text), path: path.clone(), sha256: *sha256, signed_by }
        });
        let covered = self.covered().filter_map(|(path, file)| {
            let path = self.name.path(path.as_str()).parse().ok()?;
            let sha256 = with.blob(&file.digest, file.size);
            Some(Proof { date: None, path, sha256, signed_by: Vec::new() })
        });
        signed.chain(covered).collect()
    }

    /// The names that its Release gives it.
    fn signed_names(&self) -> impl Iterator<Item = &str> {
        self.release.suite.iter().chain(&self.release.codename).map(String::as_str)
    }

    /// The carried files that the signed file covers.
    fn covered(&self) -> impl Iterator<Item = (&PublishPath, IndexFile)> {
        let indexes = self.indexes.iter().map(|index| (&index.path, index.file));
        let others = self.client_indexes.carried.iter().chain(&self.pdiffs.carried);
        indexes.chain(others.map(|(path, file)| (path, *file)))
    }

    /// Their signed digests.
    pub(in crate::collect::apt) fn digests(&self) -> impl Iterator<Item = SignedDigest> {
        self.covered().map(|(_, file)| file.digest)
    }

    /// The names of the suite: the one that was asked for, and those that its Release gives it.
    pub(in crate::collect::apt) fn names(&self) -> BTreeSet<String> {
        self.signed_names().map(str::to_owned).chain([self.name.to_string()]).collect()
    }

    /// Returns whether this is one of its names.
    pub(in crate::collect::apt) fn is_called(&self, name: &str) -> bool {
        self.signed_names().any(|own| own == name) || name.parse().is_ok_and(|name: SuiteName| name == self.name)
    }

    /// Returns whether it has an index of the component.
    pub(in crate::collect::apt) fn has_index_of(&self, component: &str) -> bool {
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        self.indexes.iter().any(|index| last(&component_of(index.path.as_str())) == last(component))
    }

    /// Returns whether it has packages of the architecture, in an index of their own or in that of a flat suite, where those
    /// of `all` count too.
    pub(in crate::collect::apt) fn has_packages_of(&self, architecture: &str) -> bool {
        let is_of = |index: &StoredIndex| {
            let name = IndexName::parse(index.path.as_str());
            name.is_some_and(|name| name.kind == IndexKind::Packages && name.architecture == architecture)
        };
        let in_flat = [architecture, "all"].iter().any(|name| self.flat_architectures.contains(*name));
        self.indexes.iter().any(is_of) || in_flat
    }

    /// Returns whether it has an index of source packages.
    pub(in crate::collect::apt) fn has_sources(&self) -> bool {
        self.indexes.iter().any(|index| index.kind == IndexKind::Sources)
    }

    /// Returns whether an entry of one of its indexes is of an architecture that is wanted.
    pub(in crate::collect::apt) fn wants(&self, entry: &IndexEntry<'_>) -> bool {
        let is_any = ["all", "source"].contains(&entry.architecture);
        !self.name.is_flat() || is_any || self.architectures.iter().any(|name| name == entry.architecture)
    }
}
