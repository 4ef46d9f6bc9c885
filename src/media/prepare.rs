//! Looks at the targets of a copy, and plans what goes where.

use std::collections::BTreeSet;

use super::MediaError;
use super::copy::Job;
use super::plan::{Plan, plan};
use super::register::{Entry, Register, user};
use super::target::Target;
use crate::bundle::{Bundle, BundleError, Manifest};
use crate::time::Time;

/// Targets that were looked at, and what is to be done.
pub(super) struct Prepared {
    /// The media.
    pub(super) targets: Vec<Target>,
    /// What goes where.
    pub(super) plan: Plan,
    /// The register as it will be.
    pub(super) register: Register,
    /// The place of each target in the register; none of one that gets nothing.
    pub(super) places: Vec<Option<usize>>,
}

/// Looks at the targets, and plans.
pub(super) fn prepare(job: &Job<'_>, mut register: Register, write: bool) -> Result<Prepared, MediaError> {
    let manifest = &job.bundle.manifest;
    let mut targets = Vec::new();
    for path in job.targets {
        let same =
            |other: &Target| other.path.canonicalize().is_ok_and(|other| path.canonicalize().is_ok_and(|p| p == other));
        if targets.iter().any(same) {
            return Err(MediaError::SameTarget { path: path.clone() });
        }
        targets.push(Target::look(path, job.bundle, write)?);
    }
    if write {
        let bytes = targets
            .iter()
            .flat_map(|t| &t.there)
            .filter_map(|index| manifest.volumes.get(*index))
            .map(|v| v.size)
            .sum();
        let progress = job.progress.phase("checking what is there", bytes);
        targets.iter_mut().try_for_each(|target| target.check(job.bundle, &progress))?;
        progress.finish();
    }
    // What was on a medium that is here again counts only if it still is.
    let known: Vec<_> = targets.iter().map(|target| target.id.as_ref().and_then(|id| register.known(id))).collect();
    for index in known.iter().flatten() {
        register.media.iter_mut().skip(*index).take(1).for_each(|entry| entry.volumes.clear());
    }
    let here = |index: &usize| targets.iter().any(|target| target.there.contains(index));
    let elsewhere = |file: &str| register.holder(file).is_some();
    let wanted = manifest.volumes.iter().enumerate().filter(|(index, v)| !here(index) && !elsewhere(&v.file));
    let wanted: Vec<_> = wanted.map(|(index, volume)| (index, volume.size)).collect();
    let spaces: Vec<_> = targets.iter().map(|target| target.space.clone()).collect();
    let plan = plan(&wanted, &spaces);
    refuse_nothing(manifest, &register, &targets, &wanted, &plan)?;
    needed_are_there(job.bundle, &plan)?;
    let mut places = Vec::new();
    for ((target, known), on) in targets.iter().zip(known).zip(&plan.on) {
        let indexes: Vec<_> = target.there.iter().chain(on).collect();
        let files =
            indexes.into_iter().filter_map(|index| manifest.volumes.get(*index)).map(|volume| volume.file.clone());
        let volumes: BTreeSet<String> = files.collect();
        // A bundle without volumes is a manifest, which goes everywhere.
        if volumes.is_empty() && !manifest.volumes.is_empty() {
            places.push(None);
            continue;
        }
        let id = known.and_then(|index| register.media.get(index)).map_or_else(new_id, |entry| entry.id.clone());
        let (time, by, reinserted) = (Time::now(), user(), job.reinsert.is_some());
        let entry = Entry { id, device: target.device.clone(), volumes, time, by, reinserted };
        places.push(Some(known.unwrap_or(register.media.len())));
        match known.and_then(|index| register.media.get_mut(index)) {
            Some(known) => *known = entry,
            None => register.media.push(entry),
        }
    }
    Ok(Prepared { targets, plan, register, places })
}

fn new_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// Refuses to do nothing, and says why nothing can be done.
fn refuse_nothing(
    manifest: &Manifest,
    register: &Register,
    targets: &[Target],
    wanted: &[(usize, u64)],
    plan: &Plan,
) -> Result<(), MediaError> {
    if !targets.iter().all(|target| target.there.is_empty()) || !plan.on.iter().all(Vec::is_empty) {
        return Ok(());
    }
    let Some((index, size)) = wanted.first() else {
        if manifest.volumes.is_empty() {
            return Ok(());
        }
        let media = (0..register.media.len()).map(|index| register.name(index)).collect::<Vec<_>>().join(", ");
        return Err(MediaError::AllCopied { bundle: manifest.folder(), media });
    };
    let volume = manifest.volumes.get(*index).map(|volume| volume.file.clone()).unwrap_or_default();
    let room = |target: &&Target| target.space.free.saturating_sub(target.space.small);
    let Some(most) = targets.iter().max_by_key(room) else { return Ok(()) };
    let (path, size) = (most.path.clone(), *size);
    Err(match most.space.file_limit.filter(|limit| size > *limit) {
        Some(limit) => MediaError::FileLimit { path, volume, size, limit },
        None => MediaError::NoRoom { volume, size, path, free: room(&most) },
    })
}

fn needed_are_there(bundle: &Bundle, plan: &Plan) -> Result<(), BundleError> {
    let volumes = plan.on.iter().flatten().filter_map(|index| bundle.manifest.volumes.get(*index));
    let gone = bundle.missing_volumes();
    let missing: Vec<String> = volumes.map(|volume| volume.file.clone()).filter(|file| gone.contains(file)).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(BundleError::VolumesMissing { folder: bundle.folder.clone(), missing }),
    }
}
