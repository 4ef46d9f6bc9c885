//! Upstream's own dates, which may not go back: a stolen builder key could otherwise bring an old state that upstream once
//! signed, under a new sequence.

use std::collections::BTreeMap;

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
