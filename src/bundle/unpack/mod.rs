//! Reads volumes: checks every byte, and hands each part's content on.
//!
//! The medium is read once. `reader` goes through a volume: workers take members in the order in which they stand, so that the
//! medium is read nearly in sequence while both hashing and writing go on side by side. `part` checks one member: a raw part is
//! hashed while it is handed on; a zstd part or a patch is checked before its decoder sees it, and its content after. `sink` is
//! where the contents go.

mod part;
mod reader;
mod sink;

use std::path::Path;
use std::sync::PoisonError;

pub use self::sink::{CheckOnly, ContentSink, PartSink};

use self::reader::{OpenedVolume, VolumeReader, VolumeSource};
use super::incoming::STREAM_NAME;
use super::layout::members;
use super::recovery::repair::Repair;
use super::{Bundle, BundleError};
use crate::bundle::Damage;
use crate::numbers::VolumeNumber;
use crate::progress::Progress;

/// Size of a read, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// What came of reading all volumes.
#[derive(Debug, Default)]
pub struct ReadReport {
    /// What was not right on the medium, and was restored, or was read from another medium.
    pub repaired: Vec<Damage>,
    /// Volumes that were passed over, by file name.
    pub missing: Vec<String>,
}

impl Bundle {
    /// Reads all volumes and checks every byte of them; unpacks nothing. Returns what recovery data can repair, which has
    /// been done to the end: in a file in the folder for temporary ones, and checked; and what is damaged where it was read
    /// first, and good on another medium.
    pub fn check_volumes(&self, progress: &Progress) -> Result<Vec<Damage>, BundleError> {
        let missing = self.missing_volumes();
        if !missing.is_empty() && !self.has_spares() {
            return Err(self.lacks(missing));
        }
        let progress = progress.phase("checking", self.manifest.carried_bytes());
        let found = unpack(self, &CheckOnly, &std::env::temp_dir(), &progress)?;
        match found.missing.is_empty() {
            true => Ok(found.repaired),
            false => Err(self.lacks(found.missing)),
        }
    }
}

/// Reads all volumes of the bundle that are there, and hands every wanted part to `sink`. What recovery data restore is kept
/// in a nameless file in `scratch` meanwhile.
///
/// A volume that is not there is passed over, unless spare volumes replace it: what is missing is for the caller to ask.
pub fn unpack<S: ContentSink>(
    bundle: &Bundle,
    sink: &S,
    scratch: &Path,
    progress: &Progress,
) -> Result<ReadReport, BundleError> {
    let all = members(&bundle.manifest);
    if let Some(incoming) = &bundle.stream {
        let path = Path::new(STREAM_NAME);
        for (volume, members) in bundle.manifest.volumes.iter().zip(&all) {
            incoming.next_volume(&bundle.manifest.folder(), &volume.file, volume.size)?;
            VolumeReader { path, from: VolumeSource::Stream(incoming), sink, progress }.volume(members)?;
        }
        return Ok(ReadReport::default());
    }
    let (missing, repair) = (bundle.missing_volumes(), Repair::new(bundle, scratch));
    if !missing.is_empty() {
        bundle.can_be_read()?;
    }
    let (mut found, mut bad) = (ReadReport::default(), Vec::new());
    for (index, (volume, members)) in bundle.manifest.volumes.iter().zip(&all).enumerate() {
        let is_missing = missing.contains(&volume.file);
        if is_missing && !bundle.has_spares() {
            found.missing.push(volume.file.clone());
            continue;
        }
        let mut copies = if is_missing { Vec::new() } else { bundle.open_copies(index)? }.into_iter();
        let (path, file) = copies.next().map_or((bundle.folder.join(&volume.file), None), |(p, f)| (p, Some(f)));
        let is_protected = bundle.has_recovery(index);
        let (others, replaced) = (copies.collect(), Default::default());
        let opened = OpenedVolume { index, file, others, repair: &repair, is_protected, replaced: &replaced };
        let wrong = VolumeReader { path: &path, from: VolumeSource::Volume(opened), sink, progress }.volume(members)?;
        let damage = |(from, to)| Damage { volume: volume.file.clone(), from, to, instead: None };
        match is_missing && !wrong.is_empty() {
            true => found.missing.push(volume.file.clone()),
            false => {
                found.repaired.extend(repair.restored(index).into_iter().map(damage));
                let replaced = replaced.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter();
                let replaced = replaced.map(|(range, instead)| Damage { instead: Some(instead), ..damage(range) });
                found.repaired.extend(in_one_piece(replaced.collect()));
            }
        }
        bad.extend(wrong.into_iter().filter(|_| !is_missing).map(|(range, error)| (index, damage(range), error)));
    }
    if bad.is_empty() { Ok(found) } else { Err(unrepairable(bundle, bad)) }
}

/// The damage as one error, with what touches in one piece.
fn unrepairable(bundle: &Bundle, bad: Vec<(usize, Damage, BundleError)>) -> BundleError {
    let numbers = bad.iter().filter_map(|(index, _, _)| VolumeNumber::at(*index)).collect();
    let damage = in_one_piece(bad.iter().map(|(_, damage, _)| damage.clone()).collect());
    let tried = bad.iter().any(|(index, _, _)| bundle.has_recovery(*index));
    let (bundle, mut errors) = (bundle.manifest.folder(), bad.into_iter().map(|(_, _, error)| error));
    match errors.next() {
        Some(first) => {
            BundleError::Unrepairable { bundle, packing: String::new(), numbers, damage, tried, first: Box::new(first) }
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
