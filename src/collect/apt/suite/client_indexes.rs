//! Fetches the indexes that clients ask for besides those of packages. None of them is read: the signed Release has their
//! digests, and some are larger than memory should hold.

use super::files::SuiteFiles;
use super::index::StoredIndex;
use crate::collect::{CollectContext, CollectError};
use crate::collection::Publish;
use crate::formats::apt::archive::IndexName;
use crate::formats::apt::client_index::{ListedIndex, MissingIndexes, SuiteScope};
use crate::formats::apt::release::IndexFile;
use crate::path::PublishPath;
use crate::selection::AptSource;

/// Indexes for clients of one suite.
#[derive(Debug, Default)]
pub(in crate::collect::apt) struct SuiteClientIndexes {
    /// Those that are carried, by their paths below the suite. Each is in the depot, except on a dry run.
    pub(in crate::collect::apt) carried: Vec<(PublishPath, IndexFile)>,
    /// Those that clients will ask for in vain.
    pub(in crate::collect::apt) missing: Vec<MissingIndexes>,
    /// Languages of descriptions that the suite lists.
    pub(in crate::collect::apt) languages: Vec<String>,
}

/// Fetches what the source wants of them, for clients that use `indexes`.
pub(in crate::collect::apt) fn fetch(
    suite: &SuiteFiles<'_>,
    indexes: &[StoredIndex],
    source: &AptSource,
    with: &CollectContext<'_>,
) -> Result<SuiteClientIndexes, CollectError> {
    let mut scope = SuiteScope::default();
    let architectures = suite.wanted.architectures();
    let names = indexes.iter().filter_map(|index| IndexName::parse(index.path.as_str()));
    names.for_each(|name| scope.add(&name, architectures.iter().map(String::as_str)));
    let listed = scope.listed(suite.release);
    let wanted: Vec<&ListedIndex<'_>> =
        listed.values().filter(|index| suite.wanted.wants_index(&index.name, source)).collect();
    let carried = fetch_wanted(suite, wanted, with)?;
    let is_carried = |path: &PublishPath| {
        indexes.iter().any(|index| index.path == *path) || carried.iter().any(|(own, _)| own == path)
    };
    let folder = suite.published_folder();
    let missing = match source.publish {
        Publish::Verbatim => {
            MissingIndexes::among(listed.values(), &folder, &suite.wanted.index_kinds(source), is_carried)
        }
        // The site signs metadata that lists what is there.
        Publish::ReIndexed | Publish::Reprepro => Vec::new(),
    };
    let languages = listed.values().filter_map(|index| index.name.language).map(str::to_owned).collect();
    Ok(SuiteClientIndexes { carried, missing, languages })
}

/// Fetches each of them in the first form that the archive has. Leaves out those that it has in none: a Release may also list
/// what was never published.
fn fetch_wanted(
    suite: &SuiteFiles<'_>,
    mut wanted: Vec<&ListedIndex<'_>>,
    with: &CollectContext<'_>,
) -> Result<Vec<(PublishPath, IndexFile)>, CollectError> {
    let mut carried = Vec::new();
    let mut round = 0;
    while !wanted.is_empty() {
        wanted.retain(|index| index.forms.len() > round);
        let forms = wanted.iter().filter_map(|index| index.forms.get(round)).copied();
        if !with.dry_run {
            match suite.fetch(forms, with) {
                Err(error) if error.is_absence() => {}
                other => other?,
            }
        }
        wanted.retain(|index| {
            let Some((path, file)) = index.forms.get(round).copied() else { return false };
            let is_here = with.dry_run || with.held(&file.digest, file.size).is_some();
            carried.extend(is_here.then(|| (path.clone(), file)));
            !is_here
        });
        round += 1;
    }
    Ok(carried)
}
