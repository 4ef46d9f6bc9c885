//! The names of image streams, which may not change under one address: a mirror could otherwise pass the daily stream off as the
//! release stream, since one key signs both.

use std::collections::BTreeSet;

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
