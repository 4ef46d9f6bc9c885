//! Fetches the patches from earlier states of indexes to those that are carried.

use super::files::{SuiteFiles, too_large};
use crate::collect::{CollectContext, CollectError};
use crate::formats::apt::client_index::MissingIndexes;
use crate::formats::apt::pdiff::{MAX_PDIFF_INDEX_BYTES, PdiffIndex};
use crate::formats::apt::release::IndexFile;
use crate::formats::compression::Compression;
use crate::path::PublishPath;

/// Patches of one suite, with the lists that name them.
#[derive(Debug, Default)]
pub(in crate::collect::apt) struct Pdiffs {
    /// Those that are carried, by their paths below the suite. Each is in the depot, except for patches on a dry run.
    pub(in crate::collect::apt) carried: Vec<(PublishPath, IndexFile)>,
    /// Those that the Release lists and the archive does not have.
    pub(in crate::collect::apt) missing: Option<MissingIndexes>,
}

/// A list of patches at `path` below the suite.
struct PatchList {
    path: PublishPath,
    file: IndexFile,
    /// Its text. `None` if the archive does not have it.
    index: Option<PdiffIndex>,
}

/// Fetches the patches of `indexes`. Leaves out a list of which the archive lacks a patch: apt then fetches the whole index.
pub(in crate::collect::apt) fn fetch<'p>(
    suite: &SuiteFiles<'_>,
    indexes: impl Iterator<Item = &'p PublishPath>,
    with: &CollectContext<'_>,
) -> Result<Pdiffs, CollectError> {
    let lists = fetch_lists(suite, indexes, with)?;
    let patches = || lists.iter().filter_map(|list| list.index.as_ref()).flat_map(|index| &index.patches);
    if !with.dry_run {
        fetch_those_there(suite, patches().map(|(path, file)| (path, *file)), with)?;
    }
    let mut pdiffs = Pdiffs::default();
    let mut missing = Vec::new();
    for list in &lists {
        let is_here = |file: &IndexFile| with.dry_run || with.held(&file.digest, file.size).is_some();
        match list.index.as_ref().filter(|index| index.patches.values().all(is_here)) {
            Some(index) => {
                pdiffs.carried.push((list.path.clone(), list.file));
                pdiffs.carried.extend(index.patches.iter().map(|(path, file)| (path.clone(), *file)));
            }
            None => missing.push(&list.path),
        }
    }
    pdiffs.missing = MissingIndexes::of_pdiffs(&suite.published_folder(), missing.into_iter());
    Ok(pdiffs)
}

/// Fetches and reads the lists of patches of `indexes` that the Release names.
fn fetch_lists<'p>(
    suite: &SuiteFiles<'_>,
    indexes: impl Iterator<Item = &'p PublishPath>,
    with: &CollectContext<'_>,
) -> Result<Vec<PatchList>, CollectError> {
    let mut lists = Vec::new();
    for index in indexes {
        let plain_path = index.as_str().strip_suffix(Compression::of_name(index.as_str()).suffix());
        let Some(path) = plain_path.and_then(PdiffIndex::path_of) else { continue };
        let Some(file) = suite.release.files.get(&path).copied() else { continue };
        if file.size > MAX_PDIFF_INDEX_BYTES {
            return Err(too_large(&path, file.size).into());
        }
        lists.push(PatchList { path, file, index: None });
    }
    fetch_those_there(suite, lists.iter().map(|list| (&list.path, list.file)), with)?;
    for list in lists.iter_mut().filter(|list| with.held(&list.file.digest, list.file.size).is_some()) {
        let text = with.depot.read(&with.blob(&list.file.digest, list.file.size), MAX_PDIFF_INDEX_BYTES)?;
        list.index = Some(PdiffIndex::read(&text, &list.path)?);
    }
    Ok(lists)
}

/// Fetches those of the files that the archive has.
fn fetch_those_there<'p>(
    suite: &SuiteFiles<'_>,
    files: impl Iterator<Item = (&'p PublishPath, IndexFile)>,
    with: &CollectContext<'_>,
) -> Result<(), CollectError> {
    match suite.fetch(files, with) {
        Err(error) if error.is_absence() => Ok(()),
        other => other,
    }
}
