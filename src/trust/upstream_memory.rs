//! Upstream's dates and names that were seen. Dates may not go back: a stolen builder key could otherwise bring an old state that
//! upstream once signed, under a new sequence. The names of image streams may not change under one address: a mirror could
//! otherwise pass the daily stream off as the release stream, since one key signs both.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Time;

/// The newest date that each of upstream's signed files has shown, by collection and file.
pub type Dates = BTreeMap<String, Time>;

/// A signed file is older than one that was seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "upstream's {file} is of {date}, and one of {seen} was seen before: a stale mirror, or somebody who holds an old state back; \
     if it is meant, --allow-older-upstream accepts it"
)]
pub struct OlderUpstream {
    /// The file, with its collection.
    pub file: String,
    /// Its date.
    pub date: Time,
    /// The newest date that was seen.
    pub seen: Time,
}

/// Refuses `date` if a newer one of `file` was seen.
pub fn check_date(seen: &Dates, file: &str, date: Time) -> Result<(), OlderUpstream> {
    match seen.get(file) {
        Some(newest) if *newest > date => Err(OlderUpstream { file: file.to_owned(), date, seen: *newest }),
        _ => Ok(()),
    }
}

/// Remembers `date`, unless a newer one was seen.
pub fn note_date(seen: &mut Dates, file: &str, date: Time) {
    let newest = seen.entry(file.to_owned()).or_default();
    *newest = date.max(*newest);
}

/// None of the streams that were seen at a place is there any more, and others are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the index of {collection} names none of the streams that were there before ({}): a mirror may pass one stream off as another; if it is \
     meant, --allow-older-upstream accepts it",
    .known.iter().map(|id| id.escape_debug().to_string()).collect::<Vec<_>>().join(", ")
)]
pub struct OtherStream {
    /// The collection, as KIND/NAME.
    pub collection: String,
    /// The content ids that were seen.
    pub known: BTreeSet<String>,
}

/// Refuses an index that names none of the content ids in `known`, unless that is empty.
pub fn check_stream(
    collection: &str,
    known: BTreeSet<String>,
    names: impl Fn(&str) -> bool,
) -> Result<(), OtherStream> {
    match known.is_empty() || known.iter().any(|id| names(id)) {
        true => Ok(()),
        false => Err(OtherStream { collection: collection.to_owned(), known }),
    }
}
