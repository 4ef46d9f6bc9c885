//! The files of a bundle that media carry: volumes, what repairs each of them, and what replaces lost ones.
//!
//! Digests of volumes are from the packings. Those of recovery files are from `SHA256SUMS`, which nobody signs, like these files
//! themselves: enough to see that a medium gives back what it was given.

use std::collections::{BTreeMap, BTreeSet};

use super::job::CopyJob;
use super::small_part::open_source;
use crate::bundle::folder::{gone_folder, unsigned_file};
use crate::bundle::recovery::MAX_SPARES;
use crate::bundle::recovery::record::percent_of;
use crate::bundle::{BundleError, names};
use crate::digest::Sha256;
use crate::next_command::{self, ShellCommand};
use crate::numbers::VolumeNumber;

/// The largest `SHA256SUMS` that is read, in bytes: as many volumes as there can be, with their recovery files.
const MAX_SUMS_BYTES: u64 = 256 << 20;

/// What a piece is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Content.
    Volume {
        /// Its number in its packing.
        number: VolumeNumber,
    },
    /// It repairs a volume, and is of use beside it.
    Recovery {
        /// The index of the volume's piece.
        volume: usize,
    },
    /// It replaces any volume of its packing, and is of use where that was not.
    Spare,
}

/// A file of a bundle that media carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its path in the bundle's folder, such as `packings/0123456789ab/volume-001.tar`.
    pub file: String,
    /// Its size, in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
    /// What it is for.
    pub kind: PieceKind,
    /// The index of its packing.
    pub packing: usize,
    /// `false` for a file that cannot be carried, such as a recovery file that has rotted on this side.
    pub is_good: bool,
}

impl Piece {
    /// Returns `true` if this is a volume.
    pub fn is_volume(&self) -> bool {
        matches!(self.kind, PieceKind::Volume { .. })
    }
}

/// Recovery files that are left out, by their paths in the bundle's folder, with the reasons.
pub(super) type OmittedFiles = BTreeMap<String, &'static str>;

/// Returns all pieces: first the volumes of all packings, then their recovery files. Reports recovery files that are left out.
pub(super) fn pieces(job: &CopyJob<'_>) -> (Vec<Piece>, OmittedFiles) {
    let mut pieces = Vec::new();
    for (packing, found) in job.packings.iter().enumerate() {
        let volumes = VolumeNumber::all().zip(found.files.volumes());
        pieces.extend(volumes.map(|(number, volume)| Piece {
            file: found.files.name(&volume.file),
            size: volume.size,
            sha256: volume.sha256,
            kind: PieceKind::Volume { number },
            packing,
            is_good: true,
        }));
    }
    let text = unsigned_file(job.folder(), names::SHA256SUMS, MAX_SUMS_BYTES).unwrap_or_default();
    let sums: BTreeMap<&str, Sha256> = text.lines().filter_map(sum).collect();
    let mut left_out = OmittedFiles::new();
    let mut first = 0;
    for (packing, found) in job.packings.iter().enumerate() {
        let count = found.files.volumes().len();
        let own = VolumeNumber::all().take(count).zip(first..);
        let own = own.map(|(number, volume)| (names::recovery(number), PieceKind::Recovery { volume }));
        let spares = (1..=u64::from(MAX_SPARES)).map(|number| (names::spare(number), PieceKind::Spare));
        for (file, kind) in own.chain(spares).map(|(file, kind)| (found.files.name(&file), kind)) {
            let data = job.folder().join(&file).symlink_metadata().ok().filter(std::fs::Metadata::is_file);
            match (data.map(|data| data.len()), sums.get(file.as_str())) {
                (Some(size), Some(sha256)) => {
                    pieces.push(Piece { file, size, sha256: *sha256, kind, packing, is_good: true });
                }
                (Some(_), None) => drop(left_out.insert(file, "SHA256SUMS does not name it")),
                (None, Some(_)) => drop(left_out.insert(file, "it is not beside its packing")),
                (None, None) => {}
            }
        }
        first += count;
    }
    (pieces, left_out)
}

/// Leaves volumes out that are not here, with all that would repair them: `recut` wrote only some of them again.
pub(super) fn only_what_is_here(job: &CopyJob<'_>, pieces: &mut [Piece], left_out: &mut OmittedFiles) {
    let missing = job.missing_volumes();
    if missing.is_empty() {
        return;
    }
    pieces.iter_mut().filter(|piece| missing.contains(&piece.file)).for_each(|piece| piece.is_good = false);
    left_out.clear();
}

/// Returns the command that makes the bundle's recovery data again, as much as there was, as far as their sizes and names tell.
pub(super) fn protect_again(job: &CopyJob<'_>, pieces: &[Piece], left_out: &OmittedFiles) -> ShellCommand {
    let sizes = pieces.iter().filter_map(|piece| match piece.kind {
        PieceKind::Recovery { volume } => Some((pieces.get(volume)?.size, piece.size)),
        PieceKind::Volume { .. } | PieceKind::Spare => None,
    });
    let percent = percent_of(&sizes.collect::<Vec<_>>());
    let name = |file: &String| file.rsplit('/').next().unwrap_or_default().to_owned();
    let is_spare = |name: &String| (1..=u64::from(MAX_SPARES)).any(|number| *name == names::spare(number));
    let spares = pieces.iter().map(|piece| &piece.file).chain(left_out.keys()).map(name).filter(is_spare);
    let spares: BTreeSet<String> = spares.collect();
    let has_own = left_out.keys().map(name).any(|name| !is_spare(&name));
    let percent = percent.or((has_own || spares.is_empty()).then_some(USUAL_PERCENT));
    next_command::protect(job.folder(), percent, spares.len() as u32)
}

/// The share that docs/recovery.md recommends, in percent.
const USUAL_PERCENT: u32 = 5;

/// A line of `SHA256SUMS`: file and digest.
fn sum(line: &str) -> Option<(&str, Sha256)> {
    let (digest, file) = line.split_once("  ")?;
    Some((file, digest.parse().ok()?))
}

/// Returns the reason to leave a recovery file out; `None` if it is as `SHA256SUMS` says.
pub(super) fn rotten(job: &CopyJob<'_>, piece: &Piece) -> Result<Option<&'static str>, BundleError> {
    let read = || {
        let (path, mut file) = open_source(job, &piece.file)?;
        Sha256::of_reader(&mut file).map_err(BundleError::io("read", &path))
    };
    match read() {
        Ok(found) => Ok((found != (piece.sha256, piece.size)).then_some("it is damaged on this side")),
        Err(_) => gone_folder(job.folder()).map_or(Ok(Some("it cannot be read on this side")), Err),
    }
}
