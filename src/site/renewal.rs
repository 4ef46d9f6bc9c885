//! Renewals: bundles that differ from the published state in dates alone. They ask nobody, since people have approved all else.

use std::path::Path;

use super::state::{Generation, PublishedReview};
use super::{Site, SiteError};
use crate::bundle::state::lists::StateLists;
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::state::{ListLine, Manifest, OpenState, ProofLine};
use crate::bundle::{BundleError, FormatError};
use crate::trust::{ReviewSubject, ReviewVerdict};

/// Returns the review of the published state if the bundle, which is in the depot, renews it. Returns `None` if people must be asked:
/// if the published state was not approved by the quorum that counts now, or if more than dates differ.
pub(super) fn renewed_review(
    site: &Site,
    state: &OpenState,
    current: &Generation,
) -> Result<Option<PublishedReview>, SiteError> {
    let name = &state.manifest.name;
    let Some(known) = current.names.get(name) else { return Ok(None) };
    let (Some(review), Some(published)) = (known.review, known.manifest) else { return Ok(None) };
    let depot = site.depot()?;
    let before = StoredState::open(&depot, &published)?;
    let subjects = [(review.sequence, review.manifest), (before.manifest.sequence, published)];
    let [approved, itself] = subjects.map(|(sequence, manifest)| {
        let site = &state.manifest.site;
        ReviewSubject { site, name, sequence, manifest, builder: &state.signer, alarms: None }
    });
    let is_approved = review.verdict == ReviewVerdict::Approved
        && site.review_of(approved)?.verdict == ReviewVerdict::Approved
        && site.review_of(itself)?.verdict != ReviewVerdict::Rejected;
    if !is_approved || !differs_in_dates_alone(&before.manifest, &state.manifest) {
        return Ok(None);
    }
    let after = StoredState::open(&depot, &state.digest)?;
    let same = (0..after.manifest.collections.len())
        .try_fold(true, |same, index| Ok(same && has_same_items(&before.lists, &after.lists, index)?));
    let same = same.map_err(BundleError::in_file(Path::new(&state.manifest.folder())))?;
    Ok(same.then_some(review))
}

/// Returns `true` if the newer manifest says the same, but for dates and lists, and is not valid for longer.
fn differs_in_dates_alone(before: &Manifest, after: &Manifest) -> bool {
    let lifetime = |manifest: &Manifest| manifest.expires.unix() - manifest.created.unix();
    let mut renewed = Manifest {
        changed_items: Vec::new(),
        created: after.created,
        expires: after.expires,
        generator: after.generator.clone(),
        more_changed_items: None,
        next_expected: after.next_expected,
        previous: after.previous,
        sequence: after.sequence,
        ..before.clone()
    };
    for (collection, new) in renewed.collections.iter_mut().zip(&after.collections) {
        (collection.bytes, collection.files, collection.list) = (new.bytes, new.files, new.list);
    }
    renewed == *after && lifetime(after) <= lifetime(before)
}

/// Returns `true` if the lists of collection `index` have the same items, and signed files of the same keys that are not older.
fn has_same_items(before: &StateLists, after: &StateLists, index: usize) -> Result<bool, FormatError> {
    let (mut before, mut after) = (before.read(index)?, after.read(index)?);
    loop {
        let is_same = match (before.next_line()?, after.next_line()?) {
            (None, None) => return Ok(true),
            (Some(ListLine::Proof(old)), Some(ListLine::Proof(new))) => renews_proof(&old, &new),
            (Some(ListLine::Item(old)), Some(ListLine::Item(new))) => old == new,
            _ => false,
        };
        if !is_same {
            return Ok(false);
        }
    }
}

fn renews_proof(old: &ProofLine, new: &ProofLine) -> bool {
    let is_signed_again = !old.signed_by.is_empty() && old.date.is_some() && old.date <= new.date;
    old == new || (is_signed_again && old.path == new.path && old.signed_by == new.signed_by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::time::Time;

    #[test]
    fn only_a_newer_file_by_the_same_keys_renews_a_proof() {
        let old = ProofLine {
            date: Time::from_unix(1_800_000_000).ok(),
            path: "dists/stable/InRelease".parse().unwrap(),
            sha256: Sha256::of(b"old"),
            signed_by: vec!["AA".to_owned()],
            size: 3,
            tag: Default::default(),
        };
        let new = ProofLine { date: Time::from_unix(1_800_000_001).ok(), sha256: Sha256::of(b"new"), ..old.clone() };
        assert!(renews_proof(&old, &old) && renews_proof(&old, &new));
        for other in [
            ProofLine { date: Time::from_unix(1_799_999_999).ok(), ..new.clone() },
            ProofLine { date: None, ..new.clone() },
            ProofLine { signed_by: vec!["BB".to_owned()], ..new.clone() },
            ProofLine { path: "dists/other/InRelease".parse().unwrap(), ..new.clone() },
        ] {
            assert!(!renews_proof(&old, &other), "{other:?}");
        }
        let index = ProofLine { signed_by: Vec::new(), date: None, ..old };
        assert!(!renews_proof(&index, &ProofLine { sha256: Sha256::of(b"new"), ..index.clone() }));
    }
}
