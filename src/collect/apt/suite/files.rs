//! The files of a suite at upstream, and their download.

use super::index::{IndexForms, StoredIndex};
use crate::collect::apt::archives::{SuiteRequest, WantedArchive};
use crate::collect::{CollectContext, CollectError};
use crate::error_class::Fault;
use crate::fetch;
use crate::formats::apt::archive::{IndexName, MAX_INDEX_BYTES, by_hash};
use crate::formats::apt::client_index::ClientIndex;
use crate::formats::apt::mirror_list::MirroredFile;
use crate::formats::apt::release::{IndexFile, Release};
use crate::formats::apt::suite_name::below;
use crate::path::PublishPath;

/// Makes the error of an index above a limit.
pub(super) fn too_large(path: &PublishPath, size: u64) -> Fault {
    Fault::unverified(format!("the index {path} has {size} bytes, more than gapferry reads"))
}

/// The files of a suite at upstream, with their signed digests.
pub(in crate::collect::apt) struct SuiteFiles<'a> {
    /// The archive.
    pub(in crate::collect::apt) archive: &'a WantedArchive,
    /// The suite.
    pub(in crate::collect::apt) wanted: &'a SuiteRequest,
    /// Its verified Release.
    pub(in crate::collect::apt) release: &'a Release,
}

impl SuiteFiles<'_> {
    /// The suite's folder below a generation, such as `apt/debian/dists/bookworm`.
    pub(in crate::collect::apt) fn published_folder(&self) -> String {
        below(&format!("apt/{}", self.archive.name), self.wanted.suite.folder())
    }

    /// The index at `path` as limits of mirrors name it.
    fn mirrored<'p>(&'p self, path: &'p PublishPath) -> MirroredFile<'p> {
        let (index, client) = (IndexName::parse(path.as_str()), ClientIndex::parse(path.as_str()));
        let of_client = client.as_ref();
        MirroredFile {
            kind: "index",
            architecture: index
                .map(|name| name.architecture)
                .or(of_client.and_then(|name| name.architecture))
                .unwrap_or_default(),
            component: index
                .map(|name| name.component)
                .or(of_client.and_then(|name| name.component))
                .unwrap_or_default(),
            language: of_client.and_then(|name| name.language).unwrap_or_default(),
            suite: self.release.suite.as_deref().unwrap_or_default(),
            codename: self.release.codename.as_deref().unwrap_or_default(),
        }
    }

    /// Fetches each index in the first form that the archive has, as apt does. Fails if it has none of the forms.
    pub(super) fn fetch_first_forms(
        &self,
        wanted: Vec<IndexForms>,
        with: &CollectContext<'_>,
    ) -> Result<Vec<StoredIndex>, CollectError> {
        let mut wanted: Vec<_> = wanted.into_iter().map(|forms| forms.into_iter().peekable()).collect();
        loop {
            let first: Vec<_> =
                wanted.iter_mut().filter_map(|forms| Some((forms.peek()?.path.clone(), forms.peek()?.file))).collect();
            let Err(error) = self.fetch(first.iter().map(|(path, file)| (path, *file)), with) else {
                return Ok(wanted.into_iter().filter_map(|mut forms| forms.next()).collect());
            };
            let mut is_lost = !error.is_absence();
            for forms in &mut wanted {
                forms.next_if(|index| with.held(&index.file.digest, index.file.size).is_none());
                is_lost |= forms.peek().is_none();
            }
            if is_lost {
                return Err(error);
            }
        }
    }

    /// Fetches the files that the depot lacks, by hash if the archive offers that.
    pub(in crate::collect::apt) fn fetch<'p>(
        &self,
        files: impl Iterator<Item = (&'p PublishPath, IndexFile)>,
        with: &CollectContext<'_>,
    ) -> Result<(), CollectError> {
        let suite = &self.wanted.suite;
        let mut wanted = Vec::new();
        for (path, file) in files.filter(|(_, file)| with.held(&file.digest, file.size).is_none()) {
            if file.size > MAX_INDEX_BYTES {
                return Err(too_large(path, file.size).into());
            }
            let parent = path.as_str().rsplit_once('/').map_or(String::new(), |(parent, _)| format!("{parent}/"));
            let by_hash = suite.path(&format!("{parent}{}", by_hash(&file.digest)));
            let asks_by_hash = self.release.acquire_by_hash || self.wanted.forces_by_hash;
            let names = asks_by_hash.then_some(by_hash).into_iter().chain([suite.path(path.as_str())]);
            let limits = self.mirrored(path);
            let urls = names.map(|name| self.archive.file_urls(&name, &limits));
            wanted.push(fetch::Wanted {
                urls: urls.flatten().collect(),
                size: file.size,
                digest: file.digest,
                to: with.partial_path(&file.digest),
            });
        }
        with.fetch(&format!("fetching the indexes of {suite}"), wanted)
    }
}
