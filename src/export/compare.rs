//! What is collected, compared with what the last bundle carried.

use crate::address::Address;
use crate::collection::{Collection, Kind};
use crate::terminal::safe;
use crate::time::Time;
use crate::trust::{Dates, OlderUpstream, check_date, note_date};

/// An image has other bytes than the last bundle had under the same version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path} is not what the last bundle had under that name: clients take it for the same file, so give the changed image \
     another version in the selection"
)]
pub struct SameVersion {
    /// The image, with its collection.
    pub path: String,
}

/// Whether clients would see the same. Where metadata is signed by the site anyway, upstream's signed files may differ: they
/// change daily, and what they vouch for does not. What clients are given of upstream's metadata as it is counts all the same.
pub(crate) fn same_for_clients(old: &[Collection], new: &[Collection]) -> bool {
    let same = |(old, new): (&Collection, &Collection)| {
        let Collection { files, items, kind, name, origin, proofs, publish, source } = new;
        let shown = |of: &Collection| -> Vec<_> {
            of.proofs.iter().filter(|proof| kind.keeps_proof(&proof.path)).map(|proof| proof.sha256).collect()
        };
        let same_proofs = if publish.signs_anew() { shown(old) == shown(new) } else { old.proofs == *proofs };
        same_proofs
            && (&old.files, &old.items, &old.kind, &old.name) == (files, items, kind, name)
            && (&old.origin, &old.publish, &old.source) == (origin, publish, source)
    };
    old.len() == new.len() && old.iter().zip(new).all(same)
}

/// No upstream gives images that are named by hand their versions: whoever changes one may forget to.
pub(crate) fn no_same_version(old: &[Collection], new: &[Collection]) -> Result<(), SameVersion> {
    for collection in new.iter().filter(|collection| collection.kind == Kind::OsImages) {
        let Some(before) = old.iter().find(|old| old.folder() == collection.folder()) else { continue };
        let differs = |(path, digest): &(_, _)| before.files.get(*path).is_some_and(|before| before != *digest);
        if let Some((path, _)) = collection.files.iter().find(differs) {
            return Err(SameVersion { path: format!("{}/{path}", collection.folder()) });
        }
    }
    Ok(())
}

/// The site would refuse metadata that is older than what it has seen; a stale mirror is better found on this side.
pub(crate) fn not_older(old: &[Collection], new: &[Collection]) -> Result<(), OlderUpstream> {
    let mut seen = Dates::new();
    dates(old).for_each(|(file, date)| note_date(&mut seen, &file, date));
    dates(new).try_for_each(|(file, date)| check_date(&seen, &file, date))
}

/// The signed files of the collections, by collection and by address, and when upstream says that it made them.
fn dates(collections: &[Collection]) -> impl Iterator<Item = (String, Time)> {
    let all = collections.iter().flat_map(|c| c.proofs.iter().map(move |proof| (c, proof)));
    all.filter_map(|(c, proof)| {
        let at = Address::of_origin(&c.origin).map(|address| format!("{address} {}", proof.path));
        let names = [Some(format!("{}/{}", c.folder(), proof.path)), at];
        let date = proof.date?;
        Some(names.into_iter().flatten().map(move |name| (name, date)))
    })
    .flatten()
}

/// Returns what clients of the last bundle's collections should know: which are no longer carried, and which come from elsewhere.
pub(crate) fn gone_or_moved(old: &[Collection], new: &[Collection]) -> Vec<String> {
    let note = |old: &Collection| match new.iter().find(|new| new.folder() == old.folder()) {
        None => {
            Some(format!("{} is no longer carried: its clients will find nothing there after the import", old.folder()))
        }
        Some(new) if new.origin != old.origin => Some(format!(
            "{} comes from {} now, and came from {} before",
            old.folder(),
            safe(&new.origin),
            safe(&old.origin)
        )),
        Some(_) => None,
    };
    old.iter().filter_map(note).collect()
}
