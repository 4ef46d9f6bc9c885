//! Puts a bundle onto media: looks, plans, writes, and reads everything back when all has been written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::device::Device;
use super::files::{CopyFailure, copy as copy_file, digest_on_medium, write};
use super::job::CopyJob;
use super::piece::{Piece, PieceKind, protect_again};
use super::plan::{AdditionalMedia, more};
use super::prepare::{Prepared, prepare};
use super::register::{MediaJournal, MediumEntry, Register};
use super::sheet::{MEDIUM, label, sheet};
use super::small_part::{SmallFile, open_source};
use super::target::CopyTarget;
use super::{MediaError, NotMounted, reinsert};
use crate::bundle::BundleError;
use crate::bundle::folder::gone_folder;
use crate::bundle::state::Manifest;
use crate::digest::Sha256;
use crate::next_command::{self, LostVolumes};
use crate::progress::Progress;
use crate::storage::RunMode;
use crate::storage::modes;

/// What was copied, or would be.
#[derive(Debug)]
pub struct Copied {
    /// The media of this run: what is on them.
    pub media: Vec<OnMedium>,
    /// The files that are on no medium yet: volumes, their recovery files, spare volumes.
    pub rest: Vec<String>,
    /// What they need.
    pub more: Option<AdditionalMedia>,
    /// Recovery files that cannot be carried, and why.
    pub left_out: BTreeMap<String, &'static str>,
}

/// A medium of this run.
#[derive(Debug)]
pub struct OnMedium {
    /// Where it is mounted.
    pub target: PathBuf,
    /// What people call it.
    pub name: String,
    /// What to print and stick on it.
    pub label: Vec<String>,
    /// The files that were written.
    pub written: Vec<String>,
    /// The files that were there already.
    pub kept: Vec<String>,
}

/// The files of a medium that are read back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadBack {
    /// The small files: nothing else was written.
    SmallFiles,
    /// The pieces too.
    Everything,
}

/// Says what [`copy`] would do, without reading what is on the media. `register` is as it is known.
pub fn dry_run(job: &CopyJob<'_>, register: Register) -> Result<Copied, MediaError> {
    let prepared = prepare(job, register, RunMode::DryRun)?;
    Ok(prepared.result(&job.state.manifest))
}

/// Copies. The same call again finishes what was interrupted, and goes on with the volumes that are on no medium yet.
pub fn copy(job: &CopyJob<'_>, journal: &impl MediaJournal) -> Result<Copied, MediaError> {
    let bundle = &job.bundle();
    let mut known = journal.media(bundle, &job.state.digest)?;
    if job.again {
        known.media.clear();
    }
    let prepared = prepare(job, known.clone(), RunMode::Apply)?;
    // Until they have been read back, the media of this run have nothing.
    for (index, entry) in prepared.register.media.iter().enumerate() {
        let fresh = MediumEntry { files: BTreeSet::new(), reinserted: false, ..entry.clone() };
        match known.media.get_mut(index) {
            Some(known) if prepared.places.contains(&Some(index)) => *known = fresh,
            Some(_) => {}
            None => known.media.push(fresh),
        }
    }
    journal.note_media(bundle, &known)?;
    for (target, on, place) in prepared.used() {
        journal.log_medium("copy", bundle, &prepared.custody(place, &job.state.digest))?;
        prepared.clear(target, on)?;
    }
    prepared.write(job)?;
    let mut first = None;
    for (target, on, place) in prepared.used() {
        let verified = prepared.read_back(job, target, on, place);
        let (now, then) = (known.media.get_mut(place), prepared.register.media.get(place));
        match (verified, now.zip(then)) {
            (Err(error), _) => first = first.or(Some(error)),
            (Ok(()), Some((now, then))) => {
                now.files.clone_from(&then.files);
                now.reinserted = then.reinserted;
                journal.note_media(bundle, &known)?;
                journal.log_medium("copied", bundle, &prepared.custody(place, &job.state.digest))?;
            }
            (Ok(()), None) => {}
        }
    }
    first.map_or_else(|| Ok(prepared.result(&job.state.manifest)), Err)
}

impl Prepared {
    /// The targets that get something or have something, what they get, and their places in the register.
    fn used(&self) -> impl Iterator<Item = (&CopyTarget, &BTreeSet<usize>, usize)> {
        let all = self.targets.iter().zip(&self.plan.on).zip(&self.places);
        all.filter_map(|((target, on), place)| Some((target, on, (*place)?)))
    }

    fn name(&self, target: &CopyTarget, place: usize) -> String {
        format!("{} in {}", self.register.name(place), target.path.display())
    }

    /// One line for the audit log: no paths.
    fn custody(&self, place: usize, manifest: &Sha256) -> String {
        let Some(entry) = self.register.media.get(place) else { return String::new() };
        let files = entry.files.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        format!("{manifest}: {}: {} by {}: {files}", self.register.name(place), entry.device.description(), entry.by)
    }

    fn clear(&self, target: &CopyTarget, on: &BTreeSet<usize>) -> Result<(), MediaError> {
        // It may have been unmounted while what is there was read.
        if fs::metadata(&target.path).map_or(true, |data| data.dev() != target.space.disk) {
            return Err(NotMounted { path: target.path.clone() }.into());
        }
        let pieces = || on.iter().filter_map(|index| self.pieces.get(*index));
        let files = self.small.iter().map(|small| &small.file).chain(pieces().map(|piece| &piece.file));
        let folders: BTreeSet<PathBuf> = files.map(|file| parent(&target.folder.join(file))).collect();
        for folder in &folders {
            modes::create_public_folders(folder).map_err(|source| MediaError::Unwritable {
                file: format!("the folder {}", folder.display()),
                medium: target.path.display().to_string(),
                left: pieces().map(|piece| piece.size).sum(),
                source,
            })?;
        }
        for path in &target.stale {
            match path.symlink_metadata() {
                Ok(data) if data.is_dir() => fs::remove_dir_all(path),
                Ok(_) => fs::remove_file(path),
                Err(_) => Ok(()),
            }
            .map_err(MediaError::io("remove", path))?;
        }
        Ok(())
    }

    /// Returns the transfer sheet of a medium.
    fn sheet(&self, place: usize, manifest: &Manifest) -> String {
        sheet(manifest, &self.pieces, &self.register, place)
    }

    /// Writes what is missing. The small part goes first, onto all media.
    fn write(&self, job: &CopyJob<'_>) -> Result<(), MediaError> {
        let small = |target: &CopyTarget| -> Vec<&SmallFile> {
            let all = self.small.iter().enumerate();
            all.filter(|(index, _)| !target.small_there.contains(index)).map(|(_, small)| small).collect()
        };
        let bytes = self.plan.on.iter().flatten().filter_map(|index| self.pieces.get(*index)).map(|piece| piece.size);
        let small_bytes = self.used().flat_map(|(target, _, _)| small(target)).map(|small| small.size);
        let progress = job.progress.phase("writing", bytes.chain(small_bytes).sum());
        for (target, _, place) in self.used() {
            let text = self.sheet(place, &job.state.manifest);
            let medium = self.name(target, place);
            let unwritable =
                |source| MediaError::Unwritable { file: MEDIUM.into(), medium, left: text.len() as u64, source };
            write(&target.folder.join(MEDIUM), text.as_bytes()).map_err(unwritable)?;
            for file in small(target) {
                self.copy_file(job, &Source::of_small(job, file)?, target, place, &progress)?;
            }
        }
        for (target, on, place) in self.used() {
            for piece in on.iter().filter_map(|index| self.pieces.get(*index)) {
                self.copy_file(job, &Source::of_piece(job, piece)?, target, place, &progress)?;
            }
        }
        progress.finish();
        Ok(())
    }

    fn copy_file(
        &self,
        job: &CopyJob<'_>,
        source: &Source<'_>,
        target: &CopyTarget,
        place: usize,
        progress: &Progress,
    ) -> Result<(), MediaError> {
        let medium = self.name(target, place);
        progress.message(&format!("{} to {medium}", source.file));
        let copied = copy_file(&source.from, &target.folder.join(source.file), source.sha256, progress);
        copied.map_err(|failure| self.failed(job, source, medium, failure))
    }

    /// Reads all that is of the bundle on the medium; twice, if it is to be pulled in between.
    fn read_back(
        &self,
        job: &CopyJob<'_>,
        target: &CopyTarget,
        on: &BTreeSet<usize>,
        place: usize,
    ) -> Result<(), MediaError> {
        // What was there has been read already, unless something was written since.
        let extent = if on.is_empty() { ReadBack::SmallFiles } else { ReadBack::Everything };
        self.verify(job, target, place, "reading back", extent)?;
        let Some(within) = job.reinsert else { return Ok(()) };
        let medium = self.name(target, place);
        (job.say)(&format!("unmount {medium}, pull it, put it back, and mount it there again; waiting for that"));
        let not = |what| MediaError::NotReinserted { medium: medium.clone(), what, within };
        let gone = || (job.say)(&format!("{medium} is gone: put it back, and mount it there again"));
        reinsert::wait(&target.folder, within, gone).map_err(not)?;
        self.verify(job, target, place, "reading again", ReadBack::Everything)
    }

    fn verify(
        &self,
        job: &CopyJob<'_>,
        target: &CopyTarget,
        place: usize,
        title: &str,
        extent: ReadBack,
    ) -> Result<(), MediaError> {
        let medium = self.name(target, place);
        let empty = BTreeSet::new();
        let there = self.register.media.get(place).map_or(&empty, |entry| &entry.files);
        let pieces = self.pieces.iter().filter(|piece| extent == ReadBack::Everything && there.contains(&piece.file));
        let text = self.sheet(place, &job.state.manifest);
        let mut wanted = vec![(MEDIUM, Sha256::of(text.as_bytes()))];
        wanted.extend(self.small.iter().map(|small| (small.file.as_str(), small.sha256)));
        wanted.extend(pieces.clone().map(|piece| (piece.file.as_str(), piece.sha256)));
        Device::drop_cache(&target.path);
        let progress = job.progress.phase(title, pieces.map(|p| p.size).chain(self.small.iter().map(|s| s.size)).sum());
        for (file, digest) in wanted {
            progress.message(&format!("{file} from {medium}"));
            let path = target.folder.join(file);
            if digest_on_medium(&path, &progress).map_err(target.unreadable(file, &medium))? != digest {
                return Err(target.not_as_written(file, &medium, job));
            }
        }
        progress.finish();
        Ok(())
    }

    fn result(&self, manifest: &Manifest) -> Copied {
        let file = |index: &usize| self.pieces.get(*index).map(|piece| piece.file.clone());
        let mut media = Vec::new();
        for (target, on, place) in self.used() {
            media.push(OnMedium {
                target: target.path.clone(),
                name: self.register.name(place),
                label: label(&self.sheet(place, manifest)).into_iter().map(str::to_owned).collect(),
                written: on.iter().filter_map(file).collect(),
                kept: target.space.there.iter().filter_map(file).collect(),
            });
        }
        let whole = |target: &&CopyTarget| {
            let there = target.space.there.iter().filter_map(|index| self.pieces.get(*index));
            target.space.free.saturating_add(there.map(|piece| piece.size).sum())
        };
        let largest = self.targets.iter().max_by_key(whole);
        let more = largest.and_then(|target| more(&self.pieces, &self.plan.rest, whole(&target), &target.space));
        Copied { media, rest: self.plan.rest.iter().filter_map(file).collect(), more, left_out: self.left_out.clone() }
    }

    /// Returns the error for a file that could not be copied, with the command that helps.
    fn failed(&self, job: &CopyJob<'_>, from: &Source<'_>, medium: String, failure: CopyFailure) -> MediaError {
        let source = match failure {
            CopyFailure::To(source, done) => {
                let (file, left) = (from.file.to_owned(), from.size.saturating_sub(done));
                return MediaError::Unwritable { file, medium, left, source };
            }
            CopyFailure::From(error) => Some(error),
            CopyFailure::Digest => None,
        };
        if let Some(error) = source.is_some().then(|| gone_folder(job.folder())).flatten() {
            return error.into();
        }
        let (path, folder) = (from.path.clone(), job.folder());
        let recut = |volumes: Option<LostVolumes<'_>>| {
            next_command::recut(folder, volumes, &parent(folder), job.named_workspace)
        };
        let piece = from.piece.and_then(|piece| Some((piece, job.packings.get(piece.packing)?)));
        match piece.map(|(piece, packing)| (piece.kind, packing)) {
            Some((PieceKind::Volume { number }, packing)) => {
                let again = recut(Some(LostVolumes { packing: &packing.id, numbers: &[number].into() }));
                MediaError::SourceDamaged { path, medium, again, source }
            }
            Some((PieceKind::Recovery { .. } | PieceKind::Spare, _)) => {
                let again = protect_again(job, &self.pieces, &self.left_out);
                MediaError::RecoveryDamaged { path, medium, again, source }
            }
            None => MediaError::SourceDamaged { path, medium, again: recut(None), source },
        }
    }
}

/// A file of the bundle that is copied.
struct Source<'a> {
    /// Its path in the bundle's folder.
    file: &'a str,
    size: u64,
    sha256: &'a Sha256,
    /// The piece that it is; `None` for a file of the small part.
    piece: Option<&'a Piece>,
    path: PathBuf,
    from: File,
}

impl<'a> Source<'a> {
    fn of_small(job: &CopyJob<'_>, small: &'a SmallFile) -> Result<Self, BundleError> {
        let (path, from) = open_source(job, &small.file)?;
        Ok(Self { file: &small.file, size: small.size, sha256: &small.sha256, piece: None, path, from })
    }

    fn of_piece(job: &CopyJob<'_>, piece: &'a Piece) -> Result<Self, BundleError> {
        let nowhere = || BundleError::Inconsistent(format!("{} is nowhere", piece.file));
        let (path, from) = match (piece.kind, job.packings.get(piece.packing)) {
            (PieceKind::Volume { number }, Some(packing)) => {
                packing.files.open_copies(number.index())?.into_iter().next().ok_or_else(nowhere)?
            }
            _ => open_source(job, &piece.file)?,
        };
        Ok(Self { file: &piece.file, size: piece.size, sha256: &piece.sha256, piece: Some(piece), path, from })
    }
}

/// The folder that `folder` is in.
fn parent(folder: &Path) -> PathBuf {
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && folder.file_name().is_some() => parent.to_owned(),
        Some(_) if folder.file_name().is_some() => PathBuf::from("."),
        _ => folder.join(".."),
    }
}
