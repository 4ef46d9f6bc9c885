//! The files of a bundle that media carry: volumes, what repairs each of them, and what replaces lost ones.
//!
//! Digests of volumes are the manifest's. Those of recovery files are of `SHA256SUMS` beside them, which nobody signs, like
//! themselves: enough to see that a medium gives back what it was given.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::folder::{gone, unsigned_file};
use crate::bundle::recovery::MAX_SPARES;
use crate::bundle::recovery::record::percent_of;
use crate::bundle::{Bundle, BundleError, names};
use crate::digest::Sha256;
use crate::next_command::{self, ShellCommand};
use crate::numbers::VolumeNumber;

/// The largest `SHA256SUMS` that is read, in bytes: as many volumes as there can be, with their recovery files.
const MAX_SUMS_BYTES: u64 = 256 << 20;

/// What a piece is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Content.
    Volume,
    /// It repairs a volume, counted from 0, and is of use beside it.
    Recovery {
        /// The volume.
        volume: usize,
    },
    /// It replaces any volume, and is of use where that was not.
    Spare,
}

/// A file of a bundle that media carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its name.
    pub file: String,
    /// Its size, in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
    /// What it is for.
    pub kind: PieceKind,
    /// Whether it can be carried: a recovery file that has rotted on this side is not.
    pub is_good: bool,
}

/// All pieces, the volumes first, so that a volume has the place that it has in the manifest. With recovery files that are
/// left out, and why.
pub(super) fn pieces(bundle: &Bundle) -> (Vec<Piece>, BTreeMap<String, &'static str>) {
    let volumes = &bundle.manifest.volumes;
    let piece = |file: &str, size, sha256, kind| Piece { file: file.to_owned(), size, sha256, kind, is_good: true };
    let mut pieces: Vec<_> =
        volumes.iter().map(|volume| piece(&volume.file, volume.size, volume.sha256, PieceKind::Volume)).collect();
    let text = unsigned_file(&bundle.folder, names::SHA256SUMS, MAX_SUMS_BYTES).unwrap_or_default();
    let sums: BTreeMap<&str, Sha256> = text.lines().filter_map(sum).collect();
    let own = VolumeNumber::all().take(volumes.len());
    let own = own.map(|number| (names::recovery(number), PieceKind::Recovery { volume: number.index() }));
    let spares = (1..=u64::from(MAX_SPARES)).map(|number| (names::spare(number), PieceKind::Spare));
    let mut left_out = BTreeMap::new();
    for (file, kind) in own.chain(spares) {
        let size =
            bundle.folder.join(&file).symlink_metadata().ok().filter(|data| data.is_file()).map(|data| data.len());
        match (size, sums.get(file.as_str())) {
            (Some(size), Some(sha256)) => pieces.push(piece(&file, size, *sha256, kind)),
            (Some(_), None) => drop(left_out.insert(file, "SHA256SUMS does not name it")),
            (None, Some(_)) => drop(left_out.insert(file, "it is not beside the manifest")),
            (None, None) => {}
        }
    }
    (pieces, left_out)
}

/// Leaves volumes out that are not beside the manifest, with all that would repair them: `recut` wrote only what was asked for.
pub(super) fn only_what_is_here(bundle: &Bundle, pieces: &mut [Piece], left_out: &mut BTreeMap<String, &'static str>) {
    let missing = bundle.missing_volumes();
    if missing.is_empty() {
        return;
    }
    pieces.iter_mut().filter(|piece| missing.contains(&piece.file)).for_each(|piece| piece.is_good = false);
    left_out.clear();
}

/// The command that makes the bundle's recovery data again, as much as there was, as far as their sizes and names tell.
pub(super) fn protect_again(
    bundle: &Bundle,
    pieces: &[Piece],
    left_out: &BTreeMap<String, &'static str>,
) -> ShellCommand {
    let sizes = pieces.iter().filter_map(|piece| match piece.kind {
        PieceKind::Recovery { volume } => Some((pieces.get(volume)?.size, piece.size)),
        PieceKind::Volume | PieceKind::Spare => None,
    });
    let percent = percent_of(&sizes.collect::<Vec<_>>());
    let is_spare = |file: &String| (1..=u64::from(MAX_SPARES)).any(|number| *file == names::spare(number));
    let spares = pieces.iter().map(|piece| &piece.file).chain(left_out.keys()).filter(|file| is_spare(file));
    let spares: BTreeSet<&String> = spares.collect();
    let has_own = left_out.keys().any(|file| !is_spare(file));
    let percent = percent.or((has_own || spares.is_empty()).then_some(USUAL_PERCENT));
    next_command::protect(&bundle.folder, percent, spares.len() as u32)
}

/// The share that docs/recovery.md recommends, in percent.
const USUAL_PERCENT: u32 = 5;

/// A line of `SHA256SUMS`: file and digest.
fn sum(line: &str) -> Option<(&str, Sha256)> {
    let (digest, file) = line.split_once("  ")?;
    Some((file, digest.parse().ok()?))
}

/// Whether the bundle has the recovery file as `SHA256SUMS` says; if not, why it is left out.
pub(super) fn rotten(bundle: &Bundle, piece: &Piece) -> Result<Option<&'static str>, BundleError> {
    let path = bundle.folder.join(&piece.file);
    let read = || {
        let (_, mut file, size) = bundle.open_beside(&piece.file)?;
        let (digest, _) = Sha256::of_reader(&mut file).map_err(BundleError::io("read", &path))?;
        Ok::<_, BundleError>((digest, size))
    };
    match read() {
        Ok(found) => Ok((found != (piece.sha256, piece.size)).then_some("it is damaged on this side")),
        Err(_) => gone(&path).map_or(Ok(Some("it cannot be read on this side")), Err),
    }
}
