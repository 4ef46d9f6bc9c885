//! Looks at the targets of a copy, and plans what goes where.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::MediaError;
use super::job::CopyJob;
use super::piece::{OmittedFiles, Piece, PieceKind, only_what_is_here, pieces, protect_again, rotten};
use super::plan::{CopyPlan, Space, plan};
use super::register::{MediumEntry, Register, user};
use super::small_part::{SmallFile, small_part};
use super::target::CopyTarget;
use crate::bundle::BundleError;
use crate::storage::RunMode;
use crate::time::Time;

/// Targets that were looked at, and what is to be done.
pub(super) struct Prepared {
    /// What is carried.
    pub(super) pieces: Vec<Piece>,
    /// The files that every medium carries besides.
    pub(super) small: Vec<SmallFile>,
    /// Recovery files that are not, and why.
    pub(super) left_out: OmittedFiles,
    /// The media.
    pub(super) targets: Vec<CopyTarget>,
    /// What goes where.
    pub(super) plan: CopyPlan,
    /// The register as it will be.
    pub(super) register: Register,
    /// The place of each target in the register; none of one that gets nothing.
    pub(super) places: Vec<Option<usize>>,
}

/// Looks at the targets, and plans.
pub(super) fn prepare(job: &CopyJob<'_>, mut register: Register, mode: RunMode) -> Result<Prepared, MediaError> {
    let (mut pieces, mut left_out) = pieces(job);
    let small = small_part(job)?;
    if !register.made_again.is_empty() {
        only_what_is_here(job, &mut pieces, &mut left_out);
    }
    let mut targets = Vec::new();
    for path in job.targets {
        let same = |other: &CopyTarget| {
            other.path.canonicalize().is_ok_and(|other| path.canonicalize().is_ok_and(|p| p == other))
        };
        if targets.iter().any(same) {
            return Err(MediaError::SameTarget { path: path.clone() });
        }
        let target = CopyTarget::look(path, job, &pieces, &small, mode)?;
        if target.is_source && fs::metadata(job.home).is_ok_and(|home| home.dev() == target.space.disk) {
            return Err(MediaError::Source { path: path.clone() });
        }
        job.mount_check.target(path)?;
        targets.push(target);
    }
    if mode == RunMode::Apply {
        let there = targets.iter().flat_map(|target| &target.space.there);
        let bytes: u64 = there.filter_map(|index| pieces.get(*index)).map(|piece| piece.size).sum();
        let there = targets.iter().flat_map(|target| &target.small_there);
        let small_bytes: u64 = there.filter_map(|index| small.get(*index)).map(|small| small.size).sum();
        let progress = job.progress.phase("checking what is there", bytes.saturating_add(small_bytes));
        targets.iter_mut().try_for_each(|target| target.check(job, &pieces, &small, &progress))?;
        progress.finish();
    }
    // What was on a medium that is here again counts only if it still is.
    let known: Vec<_> = targets.iter().map(|target| target.id.as_ref().and_then(|id| register.known(id))).collect();
    for index in known.iter().flatten() {
        register.media.iter_mut().skip(*index).take(1).for_each(|entry| entry.files.clear());
    }
    let has = |entry: &MediumEntry| {
        (0..).zip(&pieces).filter(|(_, p)| entry.files.contains(&p.file)).map(|(i, _)| i).collect()
    };
    let away: Vec<BTreeSet<usize>> = register.media.iter().map(has).collect();
    let spaces: Vec<_> = targets.iter().map(|target| target.space.clone()).collect();
    let plan = plan_good(job, &mut pieces, &mut left_out, &away, &spaces, mode)?;
    for (file, why) in &left_out {
        let protect = protect_again(job, &pieces, &left_out);
        (job.say)(&format!("{file} is not carried: {why}; `{protect}` makes it again"));
    }
    refuse_nothing(&job.bundle(), &pieces, &register, &targets, &plan)?;
    needed_are_there(job, &pieces, &plan)?;
    let mut places = Vec::new();
    for ((target, known), on) in targets.iter().zip(known).zip(&plan.on) {
        let indexes = target.space.there.union(on);
        let files: BTreeSet<String> =
            indexes.filter_map(|index| pieces.get(*index)).map(|piece| piece.file.clone()).collect();
        // A bundle without volumes is a manifest, which goes everywhere.
        if files.is_empty() && !pieces.is_empty() {
            places.push(None);
            continue;
        }
        let id = known.and_then(|index| register.media.get(index)).map_or_else(new_id, |entry| entry.id.clone());
        let (time, by, reinserted) = (Time::now(), user(), job.reinsert.is_some());
        let entry = MediumEntry { id, device: target.device.clone(), files, time, by, reinserted };
        places.push(Some(known.unwrap_or(register.media.len())));
        match known.and_then(|index| register.media.get_mut(index)) {
            Some(known) => *known = entry,
            None => register.media.push(entry),
        }
    }
    Ok(Prepared { pieces, small, left_out, targets, plan, register, places })
}

fn new_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// Plans; recovery files that are to be carried are read first, and those that have rotted are left out. Whatever is wrong with
/// them is no reason not to carry volumes.
fn plan_good(
    job: &CopyJob<'_>,
    pieces: &mut [Piece],
    left_out: &mut OmittedFiles,
    away: &[BTreeSet<usize>],
    spaces: &[Space],
    mode: RunMode,
) -> Result<CopyPlan, BundleError> {
    let mut known = BTreeSet::new();
    loop {
        let plan = plan(pieces, away, spaces);
        let planned: BTreeSet<usize> = plan.on.iter().flatten().copied().filter(|_| mode == RunMode::Apply).collect();
        let before = left_out.len();
        for index in planned.difference(&known.clone()) {
            known.insert(*index);
            let Some(piece) = pieces.get_mut(*index).filter(|piece| !piece.is_volume()) else { continue };
            if let Some(why) = rotten(job, piece)? {
                piece.is_good = false;
                left_out.insert(piece.file.clone(), why);
            }
        }
        if left_out.len() == before {
            return Ok(plan);
        }
    }
}

/// Refuses to do nothing, and says why nothing can be done.
fn refuse_nothing(
    bundle: &str,
    pieces: &[Piece],
    register: &Register,
    targets: &[CopyTarget],
    plan: &CopyPlan,
) -> Result<(), MediaError> {
    let is_idle = targets.iter().all(|target| target.space.there.is_empty()) && plan.on.iter().all(BTreeSet::is_empty);
    if !is_idle || pieces.is_empty() {
        return Ok(());
    }
    let left = plan.rest.iter().filter_map(|index| Some((*index, pieces.get(*index)?)));
    let Some((index, piece)) = left.min_by_key(|(_, piece)| matches!(piece.kind, PieceKind::Recovery { .. })) else {
        let media = (0..register.media.len()).map(|index| register.name(index)).collect::<Vec<_>>().join(", ");
        return Err(MediaError::AllCopied { bundle: bundle.to_owned(), media });
    };
    let file = piece.file.clone();
    if let PieceKind::Recovery { volume } = piece.kind {
        let holder = pieces.get(volume).and_then(|volume| register.holder(&volume.file));
        let medium = holder.map(|index| register.name(index)).unwrap_or_default();
        return Err(MediaError::BesideItsVolume { file, medium });
    }
    let room = |target: &&CopyTarget| target.space.free.saturating_sub(target.space.small);
    let Some(most) = targets.iter().max_by_key(room) else { return Ok(()) };
    let (path, size) = (most.path.clone(), piece.size);
    if let Some(limit) = most.space.file_limit.filter(|limit| size > *limit) {
        return Err(MediaError::FileLimit { path, volume: file, size, limit });
    }
    let own = pieces.iter().find(|own| own.is_good && own.kind == PieceKind::Recovery { volume: index });
    let (volume, size) = match own {
        Some(own) => (format!("{file} with its recovery file"), size.saturating_add(own.size)),
        None => (file, size),
    };
    Err(MediaError::NoRoom { volume, size, path, free: room(&most) })
}

fn needed_are_there(job: &CopyJob<'_>, pieces: &[Piece], plan: &CopyPlan) -> Result<(), BundleError> {
    // Recovery files that are not there are no pieces.
    let volumes = plan.on.iter().flatten().filter_map(|index| pieces.get(*index)).filter(|piece| piece.is_volume());
    let gone = job.missing_volumes();
    let missing: Vec<String> = volumes.map(|volume| volume.file.clone()).filter(|file| gone.contains(file)).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(job.lacks(missing)),
    }
}
