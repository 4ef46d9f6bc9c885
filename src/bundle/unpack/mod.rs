//! Reads volumes: checks every byte, and hands each part's content on.
//!
//! The medium is read once. `reader` goes through a volume: workers take members in the order in which they stand, so that the
//! medium is read nearly in sequence while both hashing and writing go on side by side. `part` checks one member: a raw part is
//! hashed while it is handed on; a zstd part or a patch is checked before its decoder sees it, and its content after. `sink` is
//! where the contents go.

mod part;
mod reader;
mod sink;

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use serde::Serialize;

pub use self::sink::{CheckOnly, PartSink, Sink};

use self::reader::{Opened, Reader, Source};
use super::layout::members;
use super::recovery::repair::Repair;
use super::stream;
use super::{Bundle, BundleError};
use crate::progress::Progress;

/// Bytes of a volume that are not what they must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Damage {
    /// The volume's file name.
    pub volume: String,
    /// Where it starts, in bytes.
    pub from: u64,
    /// Where it ends, in bytes.
    pub to: u64,
    /// From where they were read, if they were not restored.
    #[serde(flatten)]
    pub instead: Option<Instead>,
}

/// Two copies of a volume, one of which is bad.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Instead {
    /// The bundle's folder with the bad copy.
    pub bad: PathBuf,
    /// The bundle's folder that it was read from.
    pub read_from: PathBuf,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No paths: audit logs have this.
        let instead = if self.instead.is_some() { ", read from another medium" } else { "" };
        write!(f, "{} bytes {} to {}{instead}", self.volume, self.from, self.to)
    }
}

/// What came of reading all volumes.
#[derive(Debug, Default)]
pub struct Found {
    /// What was not right on the medium, and was restored, or was read from another medium.
    pub repaired: Vec<Damage>,
    /// Volumes that were passed over, by file name.
    pub missing: Vec<String>,
}

/// Reads all volumes of the bundle that are there, and hands every wanted part to `sink`. What recovery data restore is kept
/// in a nameless file in `scratch` meanwhile.
///
/// A volume that is not there is passed over, unless spare volumes replace it: what is missing is for the caller to ask.
pub fn unpack<S: Sink>(bundle: &Bundle, sink: &S, scratch: &Path, progress: &Progress) -> Result<Found, BundleError> {
    let all = members(&bundle.manifest);
    if let Some(incoming) = &bundle.stream {
        let path = Path::new(stream::NAME);
        for (volume, members) in bundle.manifest.volumes.iter().zip(&all) {
            incoming.next_volume(&bundle.manifest.folder(), &volume.file, volume.size)?;
            Reader { path, from: Source::Stream(incoming), sink, progress }.volume(members)?;
        }
        return Ok(Found::default());
    }
    let (missing, repair) = (bundle.missing_volumes(), Repair::new(bundle, scratch));
    if !missing.is_empty() {
        bundle.can_be_read()?;
    }
    let (mut found, mut bad) = (Found::default(), Vec::new());
    for (index, (volume, members)) in bundle.manifest.volumes.iter().zip(&all).enumerate() {
        let is_missing = missing.contains(&volume.file);
        if is_missing && !Repair::has_spares(bundle) {
            found.missing.push(volume.file.clone());
            continue;
        }
        let mut copies = if is_missing { Vec::new() } else { bundle.open_copies(index)? }.into_iter();
        let (path, file) = copies.next().map_or((bundle.folder.join(&volume.file), None), |(p, f)| (p, Some(f)));
        let is_protected = Repair::is_there(bundle, index);
        let (others, replaced) = (copies.collect(), Default::default());
        let opened = Opened { index, file, others, repair: &repair, is_protected, replaced: &replaced };
        let wrong = Reader { path: &path, from: Source::Volume(opened), sink, progress }.volume(members)?;
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
        bad.extend(wrong.into_iter().filter(|_| !is_missing).map(|(range, error)| (index + 1, damage(range), error)));
    }
    if bad.is_empty() { Ok(found) } else { Err(unrepairable(bundle, bad)) }
}

/// The damage as one error, with what touches in one piece.
fn unrepairable(bundle: &Bundle, bad: Vec<(usize, Damage, BundleError)>) -> BundleError {
    let numbers = bad.iter().map(|(number, _, _)| *number).collect();
    let damage = in_one_piece(bad.iter().map(|(_, damage, _)| damage.clone()).collect());
    let tried = bad.iter().any(|(number, _, _)| Repair::is_there(bundle, number - 1));
    let (bundle, mut errors) = (bundle.manifest.folder(), bad.into_iter().map(|(_, _, error)| error));
    match errors.next() {
        Some(first) => BundleError::Unrepairable { bundle, numbers, damage, tried, first: Box::new(first) },
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
