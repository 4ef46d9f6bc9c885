//! The collections of a state, with the data that is about them.

use schemars::JsonSchema;
use serde::Serialize;

use super::FeedFile;
use super::matches::FeedMatches;
use super::packages::PackageIndex;
use crate::kind::ClientProgram;
use crate::review::state::ReviewedState;

/// Items of a collection, with the data that is about them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::review) struct FeedCoverage {
    /// The collection.
    pub(in crate::review) collection: String,
    /// The names of the feeds; empty if no feed is about these items.
    pub(in crate::review) feeds: Vec<String>,
    /// The number of items.
    pub(in crate::review) items: u64,
    /// The release; absent if these items belong to none that a feed could know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::review) release: Option<String>,
}

/// Returns a line for each release of each collection.
pub(super) fn of_state(
    state: &ReviewedState,
    packages: &PackageIndex,
    matches: &FeedMatches<'_>,
    feeds: &[FeedFile],
) -> Vec<FeedCoverage> {
    let mut lines = Vec::new();
    // Nothing runs security data.
    let software =
        state.manifest.collections.iter().enumerate().filter(|(_, of)| of.kind.client() != ClientProgram::Scanner);
    for (index, collection) in software {
        for (release, items) in packages.counts(index).into_iter().flatten() {
            let numbers = release.as_ref().map(|release| matches.feeds_of(release)).unwrap_or_default();
            let names = numbers.into_iter().filter_map(|number| Some(feeds.get(number)?.name.clone()));
            lines.push(FeedCoverage {
                collection: collection.folder(),
                feeds: names.collect(),
                items: *items,
                release: release.as_ref().map(|release| release.to_string()),
            });
        }
    }
    lines
}
