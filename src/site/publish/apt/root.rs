//! A suite as upstream signed it, and the files that its signature covers.

use std::collections::BTreeMap;

use crate::collection::{Collection, Proof};
use crate::formats::apt::archive::{IndexName, RELEASE, RELEASE_GPG};
use crate::formats::apt::pdiff::{MAX_PDIFF_INDEX_BYTES, PDIFF_INDEX_SUFFIX, PdiffIndex};
use crate::formats::apt::release::{IndexFile, Release};
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::compression::Compression;
use crate::path::PublishPath;
use crate::site::publish::{Context, PublishError};

/// A suite with what is signed in it.
pub(super) struct Root {
    /// The suite, by the folder of its metadata. A flat one may be the root of the archive.
    pub(super) suite: SuiteName,
    /// The folders of other suites within its folder. They are no part of it.
    pub(super) inner: Vec<String>,
    /// The signed file and its text. `None` for a folder of local packages.
    pub(super) signed: Option<(PublishPath, Release)>,
    /// The patches that its lists of patches vouch for.
    pub(super) patches: BTreeMap<PublishPath, IndexFile>,
}

impl Root {
    /// Returns whether the proof is the signed file, its signature, or a file with these bytes that the signed file or one of
    /// its lists of patches names.
    pub(super) fn vouches_for(&self, proof: &Proof, context: &mut Context<'_, '_>) -> Result<bool, PublishError> {
        let Some(below) = self.below(&proof.path) else { return Ok(false) };
        let Some((signed, _)) = &self.signed else { return Ok(self.index_name(&proof.path).is_some()) };
        let beside = below == RELEASE_GPG && signed.file_name() == RELEASE;
        match self.listed_or_patch(&proof.path) {
            _ if proof.path == *signed || beside => Ok(true),
            Some(file) => Ok(context.has_digest(&proof.sha256, &file.digest)?),
            None => Ok(false),
        }
    }

    /// The signed Release.
    pub(super) fn release(&self) -> Option<&Release> {
        self.signed.as_ref().map(|(_, release)| release)
    }

    /// The path of the signed file.
    pub(super) fn proof(&self) -> Option<&PublishPath> {
        self.signed.as_ref().map(|(path, _)| path)
    }

    /// Returns what the signed Release or a list of patches says of the file. Returns `None` for the Release itself and its
    /// signature.
    pub(super) fn listed_or_patch(&self, path: &PublishPath) -> Option<&IndexFile> {
        self.listed(path).or_else(|| self.patches.get(path))
    }

    /// Returns what the signed Release says of the file.
    pub(super) fn listed(&self, path: &PublishPath) -> Option<&IndexFile> {
        self.release()?.files.get(&self.below(path)?.parse().ok()?)
    }

    /// Returns the size that the signed Release names for the plain form of the index, in bytes.
    pub(super) fn plain_size(&self, path: &PublishPath) -> Option<u64> {
        let plain = path.as_str().strip_suffix(Compression::of_name(path.as_str()).suffix())?;
        self.listed(&plain.parse().ok()?).map(|file| file.size)
    }

    /// Reads the lists of patches that the signed Release vouches for.
    pub(super) fn read_pdiffs(
        &mut self,
        collection: &Collection,
        context: &mut Context<'_, '_>,
    ) -> Result<(), PublishError> {
        for proof in collection.proofs.iter().filter(|proof| proof.path.as_str().ends_with(PDIFF_INDEX_SUFFIX)) {
            let Some(file) = self.listed(&proof.path).copied() else { continue };
            if context.has_digest(&proof.sha256, &file.digest)? {
                let text = context.depot.read(&proof.sha256, MAX_PDIFF_INDEX_BYTES)?;
                self.patches.extend(PdiffIndex::read(&text, &proof.path)?.patches);
            }
        }
        Ok(())
    }

    /// The rest of a path below this suite.
    pub(super) fn below<'p>(&self, path: &'p PublishPath) -> Option<&'p str> {
        let is_inner = self.inner.iter().any(|folder| rest_below(folder, path).is_some());
        rest_below(self.suite.folder(), path).filter(|_| !is_inner)
    }

    /// The name of an index of packages of this suite. Outside of `dists` only flat indexes count, as for apt.
    pub(super) fn index_name<'p>(&self, path: &'p PublishPath) -> Option<IndexName<'p>> {
        IndexName::parse(self.below(path)?).filter(|name| name.is_flat() || !self.suite.is_flat())
    }

    /// Tells each of the suites which others lie within it.
    pub(super) fn nest(roots: &mut [Self]) {
        let folders: Vec<String> = roots.iter().map(|root| root.suite.folder().to_owned()).collect();
        for root in roots {
            let is_inner = |folder: &&String| {
                let own = root.suite.folder();
                **folder != own
                    && (own.is_empty() || folder.strip_prefix(own).is_some_and(|rest| rest.starts_with('/')))
            };
            root.inner = folders.iter().filter(is_inner).cloned().collect();
        }
    }
}

/// The rest of a path below a folder, which is empty for the root.
fn rest_below<'p>(folder: &str, path: &'p PublishPath) -> Option<&'p str> {
    match folder {
        "" => Some(path.as_str()),
        folder => path.as_str().strip_prefix(folder)?.strip_prefix('/'),
    }
}
