//! The manifest's list of things that the selection asks for and the state has not.

use crate::bundle::state::manifest::{LeftOut, MAX_LEFT_OUT, MAX_TEXT_BYTES};
use crate::collect::Tally;
use crate::formats::apt::client_index::MissingIndexes;
use crate::terminal::beginning;

/// The most bytes of all entries. JSON may take six bytes for one, and the manifest has 16 MiB.
const MAX_BYTES: usize = 2 << 20;
/// Stands for the end of a text that is too long.
const CUT: &str = "…";

/// Returns the entries, sorted. What a manifest cannot hold is counted in an entry.
pub(super) fn left_out(tally: &Tally) -> Vec<LeftOut> {
    let missing = tally.missing_indexes.borrow();
    let left_out = tally.left_out.borrow();
    let omissions = left_out.iter().map(|(collection, omission)| LeftOut {
        collection: collection.clone(),
        what: shortened(&omission.what),
        why: shortened(&omission.why),
    });
    let mut entries: Vec<LeftOut> = missing.iter().map(missing_indexes_entry).chain(omissions).collect();
    entries.sort();
    entries.dedup();
    capped(entries)
}

fn missing_indexes_entry(missing: &MissingIndexes) -> LeftOut {
    let collection = missing.suite.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
    LeftOut { collection, what: shortened(&missing.suite), why: shortened(&missing.to_string()) }
}

/// Cuts a text to what a manifest can hold, and never to nothing.
fn shortened(text: &str) -> String {
    match text.len() {
        0 => CUT.to_owned(),
        length if length <= MAX_TEXT_BYTES => text.to_owned(),
        _ => format!("{}{CUT}", beginning(text, MAX_TEXT_BYTES - CUT.len())),
    }
}

fn capped(mut entries: Vec<LeftOut>) -> Vec<LeftOut> {
    let mut bytes = 0;
    let fits = |entry: &&LeftOut| {
        bytes += entry.collection.len() + entry.what.len() + entry.why.len();
        bytes <= MAX_BYTES
    };
    let kept = entries.iter().take(MAX_LEFT_OUT as usize - 1).take_while(fits).count();
    let rest = entries.split_off(kept);
    if let Some(first) = rest.first() {
        let (collection, what) = (first.collection.clone(), format!("{} more things", rest.len()));
        entries.push(LeftOut { collection, what, why: "the list would be too long for a manifest".to_owned() });
        entries.sort();
        entries.dedup();
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize, why: &str) -> LeftOut {
        LeftOut { collection: "yum/el".into(), what: format!("{number:06}"), why: why.into() }
    }

    #[test]
    fn counts_what_a_manifest_cannot_hold() {
        for (count, why) in [(70_000, "x"), (3_000, &"x".repeat(1000)[..])] {
            let all: Vec<_> = (0..count).map(|number| entry(number, why)).collect();
            let kept = capped(all.clone());
            assert!(kept.len() as u64 <= MAX_LEFT_OUT && kept.is_sorted_by(|a, b| a < b));
            let last = kept.iter().find(|entry| entry.what.contains("more things")).unwrap();
            assert_eq!(last.what, format!("{} more things", count - (kept.len() - 1)));
        }
        let few: Vec<_> = (0..10).map(|number| entry(number, "x")).collect();
        assert_eq!(capped(few.clone()), few);
    }

    #[test]
    fn texts_have_one_byte_to_the_most_that_a_manifest_takes() {
        assert_eq!(shortened("a"), "a");
        assert_eq!(shortened(""), CUT);
        assert_eq!(shortened(&"ü".repeat(5000)).len(), MAX_TEXT_BYTES - 1);
    }
}
