//! Reads volumes: checks every byte, and hands each part's content on.
//!
//! The medium is read once. `reader` goes through a volume: workers take parts in the order in which they stand, so that the
//! medium is read nearly in sequence while both hashing and writing go on side by side. `part` checks one part: a raw one is
//! hashed while it is handed on; a zstd part or a patch is checked before its decoder sees it, and its content after. `sink` is
//! where the contents go.

mod part;
mod reader;
mod sink;

use std::ops::Range;
use std::path::Path;
use std::sync::PoisonError;

pub use self::sink::{CheckOnly, ContentSink, PartSink};

use self::reader::{OpenedVolume, VolumeReader, VolumeSource};
use super::found::FoundPacking;
use crate::bundle::bundle_stream::BundleStream;
use crate::bundle::recovery::repair::Repair;
use crate::bundle::state::lists::BlobWalk;
use crate::bundle::{BundleError, Damage, STREAM_NAME, Unrepairable, names};
use crate::numbers::VolumeNumber;
use crate::progress::Progress;

/// Size of a read, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// The result of reading the volumes of a packing.
#[derive(Debug, Default)]
pub struct VolumesRead {
    /// Damage that was restored, or read from another medium.
    pub repaired: Vec<Damage>,
    /// Volumes that are not here, by their paths in the bundle's folder.
    pub missing: Vec<String>,
}

/// Reads all volumes of the packing that are here, and hands every wanted part to `sink`. The walk is over the state's lists. What
/// recovery data restore is kept in a nameless file in `scratch` meanwhile.
///
/// A volume that is missing is left out, unless spare volumes replace it: the caller finds what blobs are missing.
pub fn unpack<S: ContentSink>(
    packing: &FoundPacking,
    walk: &mut BlobWalk<'_>,
    sink: &S,
    scratch: &Path,
    progress: &Progress,
) -> Result<VolumesRead, BundleError> {
    let files = &packing.files;
    let missing = files.missing();
    if !missing.is_empty() {
        files.can_be_read()?;
    }
    let repair = Repair::new(files, scratch);
    let (mut found, mut bad) = (VolumesRead::default(), Vec::new());
    for (index, volume) in files.volumes().iter().enumerate() {
        let name = files.name(&volume.file);
        let is_missing = missing.contains(&name);
        let copy = if is_missing && !files.has_spares() { None } else { packing.index(index, scratch)? };
        let Some(copy) = copy else {
            found.missing.push(name);
            continue;
        };
        let mut parts = packing.parts(index, copy, walk)?;
        let mut copies = if is_missing { Vec::new() } else { files.open_copies(index)? }.into_iter();
        let (path, file) = copies.next().map_or((files.expected(&volume.file), None), |(p, f)| (p, Some(f)));
        let is_protected = files.has_recovery(index);
        let (others, replaced) = (copies.collect(), Default::default());
        let opened = OpenedVolume { index, file, others, repair: &repair, is_protected, replaced: &replaced };
        let index_path = files.expected(&names::volume_index_at(index));
        let wrong = VolumeReader { path: &path, from: VolumeSource::Volume(opened), sink, progress }
            .volume(&mut parts, &index_path)?;
        let damage =
            |range: Range<u64>| Damage { volume: name.clone(), from: range.start, to: range.end, instead: None };
        match is_missing && !wrong.is_empty() {
            true => found.missing.push(name.clone()),
            false => {
                found.repaired.extend(repair.restored(index).into_iter().map(damage));
                let replaced = replaced.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter();
                let replaced = replaced.map(|(range, instead)| Damage { instead: Some(instead), ..damage(range) });
                found.repaired.extend(in_one_piece(replaced.collect()));
            }
        }
        bad.extend(wrong.into_iter().filter(|_| !is_missing).map(|(range, error)| (index, damage(range), error)));
    }
    if bad.is_empty() { Ok(found) } else { Err(unrepairable(packing, bad)) }
}

/// Reads all volumes of the packing that came last in a stream, and hands every wanted part to `sink`.
pub fn unpack_stream<S: ContentSink>(
    stream: &BundleStream,
    packing: &FoundPacking,
    walk: &mut BlobWalk<'_>,
    sink: &S,
    scratch: &Path,
    progress: &Progress,
) -> Result<(), BundleError> {
    let path = Path::new(STREAM_NAME);
    for (number, volume) in VolumeNumber::all().zip(&packing.packing.volumes) {
        let copy = stream.next_volume(packing, number, volume, scratch)?;
        let mut parts = packing.parts(number.index(), copy, walk)?;
        VolumeReader { path, from: VolumeSource::Stream(stream), sink, progress }.volume(&mut parts, path)?;
        stream.end_volume(volume)?;
    }
    Ok(())
}

/// The damage as one error, with what touches in one piece.
fn unrepairable(packing: &FoundPacking, bad: Vec<(usize, Damage, BundleError)>) -> BundleError {
    let numbers = bad.iter().filter_map(|(index, _, _)| VolumeNumber::at(*index)).collect();
    let damage = in_one_piece(bad.iter().map(|(_, damage, _)| damage.clone()).collect());
    let tried = bad.iter().any(|(index, _, _)| packing.files.has_recovery(*index));
    let (bundle, mut errors) = (packing.bundle.clone(), bad.into_iter().map(|(_, _, error)| error));
    match errors.next() {
        Some(first) => {
            let packing = packing.id.clone();
            Box::new(Unrepairable { bundle, packing, numbers, damage, tried, first }).into()
        }
        None => BundleError::Inconsistent("no volume is damaged".to_owned()),
    }
}

/// The same, with what touches in one piece.
fn in_one_piece(mut damage: Vec<Damage>) -> Vec<Damage> {
    damage.sort();
    damage.dedup_by(|next, piece| {
        let touches = (&next.volume, &next.instead) == (&piece.volume, &piece.instead) && next.from <= piece.to;
        piece.to = if touches { piece.to.max(next.to) } else { piece.to };
        touches
    });
    damage
}
