//! Files of security data that a site publishes.

use crate::collection::Collection;
use crate::formats::feed::FeedFormat;
use crate::label::Label;
use crate::path::PublishPath;
use crate::time::Time;

/// A published file of security data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedFeed {
    /// The name of its collection.
    pub name: Label,
    /// Its path below the collection.
    pub path: PublishPath,
    /// Its format.
    pub format: FeedFormat,
    /// When upstream made it.
    pub date: Option<Time>,
}

impl PublishedFeed {
    /// Returns the files of a collection of security data.
    pub(super) fn all_of(collection: &Collection) -> impl Iterator<Item = Self> {
        collection.items.iter().filter_map(|item| {
            let (format, date) = item.details.feed()?;
            Some(Self { name: collection.name.clone(), path: item.file.clone(), format, date })
        })
    }
}
