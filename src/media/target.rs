//! A target of a copy: what is on it already, and what it has room for.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::MediaError;
use super::device::Device;
use super::files::digest_on_medium;
use super::job::CopyJob;
use super::piece::Piece;
use super::plan::{Space, taken};
use super::sheet::{self, MAX_SHEET_BYTES, MEDIUM};
use super::small_part::SmallFile;
use crate::bundle::folder::{is_gone, unsigned_file};
use crate::next_command;
use crate::progress::Progress;
use crate::storage::RunMode;
use crate::storage::capacity::Capacity;
use crate::storage::part_path;

/// For folders, journals and the sheet of a bundle of few volumes, in bytes.
const MARGIN: u64 = 64 << 10;
/// What one volume takes up on a sheet, in bytes.
const SHEET_LINE: u64 = 128;

/// A target.
#[derive(Debug)]
pub(super) struct CopyTarget {
    /// Where the medium is mounted, or a folder on it.
    pub(super) path: PathBuf,
    /// The bundle's folder there.
    pub(super) folder: PathBuf,
    /// Whether the bundle that is copied is that one: it was exported straight onto the medium.
    pub(super) is_source: bool,
    /// What the system says of the device.
    pub(super) device: Device,
    /// The id on the sheet that is there.
    pub(super) id: Option<String>,
    /// What it has room for, once what is wrong there has gone, and what is there; of that only the size is known to be right
    /// until [`CopyTarget::check`].
    pub(super) space: Space,
    /// The files of the small part that are on it already, by index. They are not written again. Only their sizes are known to be
    /// right until [`CopyTarget::check`].
    pub(super) small_there: BTreeSet<usize>,
    /// What is to be removed first: half-written files, and those that are wrong.
    pub(super) stale: Vec<PathBuf>,
}

/// Returns the number of folders that the files are in, the bundle's own included. Each takes up a block.
fn folder_count(small: &[SmallFile]) -> u64 {
    let folders: BTreeSet<&Path> = small.iter().flat_map(|file| Path::new(&file.file).ancestors().skip(1)).collect();
    folders.len() as u64
}

impl CopyTarget {
    /// Looks at the folder `path`; nothing is changed.
    pub(super) fn look(
        path: &Path,
        job: &CopyJob<'_>,
        pieces: &[Piece],
        small: &[SmallFile],
        mode: RunMode,
    ) -> Result<Self, MediaError> {
        let not_a_folder = || MediaError::NotAFolder { path: path.to_owned() };
        let data = fs::metadata(path).ok().filter(fs::Metadata::is_dir).ok_or_else(not_a_folder)?;
        let folder = path.join(job.bundle());
        let same = |there: &PathBuf| job.folder().canonicalize().is_ok_and(|source| source == *there);
        let is_source = folder.canonicalize().is_ok_and(|there| same(&there));
        if folder.symlink_metadata().is_ok_and(|data| !data.is_dir()) {
            return Err(MediaError::NotAFolder { path: folder });
        }
        let room = Capacity::of(path)?.with(job.free_space);
        if room.read_only && mode == RunMode::Apply {
            return Err(MediaError::ReadOnly { path: path.to_owned() });
        }
        let parts = small.iter().map(|small| part_path(&folder.join(&small.file)));
        let mut stale: Vec<PathBuf> = parts.filter(|part| part.symlink_metadata().is_ok()).collect();
        let mut there = BTreeSet::new();
        for (index, piece) in pieces.iter().enumerate() {
            let file = folder.join(&piece.file);
            match file.symlink_metadata() {
                Ok(data) if data.is_file() && data.len() == piece.size => drop(there.insert(index)),
                Ok(_) if is_source => {
                    return Err(not_as_exported(&piece.file, &path.display().to_string(), job));
                }
                Ok(_) => stale.push(file.clone()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(MediaError::io("look at", &file)(error)),
            }
            stale.extend(Some(part_path(&file)).filter(|part| part.symlink_metadata().is_ok()));
        }
        let size =
            |file: &str| folder.join(file).symlink_metadata().ok().filter(fs::Metadata::is_file).map(|d| d.len());
        let (small_there, missing): (Vec<_>, Vec<_>) =
            small.iter().enumerate().partition(|(_, small)| size(&small.file) == Some(small.size));
        let folders = folder_count(small);
        let small: u64 = missing.iter().map(|(_, small)| taken(small.size, room.block)).sum();
        let small_there = small_there.into_iter().map(|(index, _)| index).collect();
        let lines = taken(pieces.len() as u64 * SHEET_LINE, room.block);
        let regained: u64 =
            stale.iter().map(|file| file.symlink_metadata().map_or(0, |data| data.blocks() * 512)).sum();
        let space = Space {
            disk: data.dev(),
            free: room.free.saturating_add(regained),
            small: small + lines + MARGIN + folders * room.block,
            block: room.block,
            file_limit: room.file_limit,
            there,
        };
        let text = unsigned_file(&folder, MEDIUM, MAX_SHEET_BYTES).unwrap_or_default();
        let id = sheet::id(&text).map(str::to_owned);
        Ok(Self { path: path.to_owned(), folder, is_source, device: Device::of(path), id, space, small_there, stale })
    }

    /// Reads the pieces that are there; those that are wrong are stale. One that cannot be read is no accident of an earlier
    /// copy: the medium is bad.
    pub(super) fn check(
        &mut self,
        job: &CopyJob<'_>,
        pieces: &[Piece],
        small: &[SmallFile],
        progress: &Progress,
    ) -> Result<(), MediaError> {
        if !self.space.there.is_empty() || !self.small_there.is_empty() {
            Device::drop_cache(&self.path);
        }
        for index in std::mem::take(&mut self.small_there) {
            let Some(small) = small.get(index) else { continue };
            match digest_on_medium(&self.folder.join(&small.file), progress) {
                Ok(found) if found == small.sha256 => drop(self.small_there.insert(index)),
                _ if self.is_source => {
                    return Err(not_as_exported(&small.file, &self.path.display().to_string(), job));
                }
                // It is written anew, and the read-back tells whether the medium takes it.
                _ => self.space.small = self.space.small.saturating_add(taken(small.size, self.space.block)),
            }
        }
        for index in std::mem::take(&mut self.space.there) {
            let Some(piece) = pieces.get(index) else { continue };
            let path = self.folder.join(&piece.file);
            let found = digest_on_medium(&path, progress);
            if found.map_err(self.unreadable(&piece.file, &self.path.display().to_string()))? == piece.sha256 {
                self.space.there.insert(index);
            } else if self.is_source {
                return Err(not_as_exported(&piece.file, &self.path.display().to_string(), job));
            } else {
                self.space.free = self.space.free.saturating_add(piece.size);
                self.stale.push(path);
            }
        }
        Ok(())
    }

    /// The medium gives back something else than was written as `file`. A copy is removed: nobody should take it for good.
    pub(super) fn not_as_written(&self, file: &str, medium: &str, job: &CopyJob<'_>) -> MediaError {
        if self.is_source {
            return not_as_exported(file, medium, job);
        }
        let _ = fs::remove_file(self.folder.join(file)); // that it is wrong is what matters
        MediaError::ReadBackMismatch { file: file.to_owned(), medium: medium.to_owned() }
    }

    /// For `map_err`: the medium does not give back `file`, or has gone altogether.
    pub(super) fn unreadable(&self, file: &str, medium: &str) -> impl FnOnce(io::Error) -> MediaError {
        let (file, medium, folder) = (file.to_owned(), medium.to_owned(), self.folder.clone());
        move |source| match is_gone(&folder) {
            true => MediaError::Gone { medium, source },
            false => MediaError::Unreadable { file, medium, source },
        }
    }
}

/// The bundle's only copy is not what it was made to be. What else is on a medium like that is not to be relied on either.
fn not_as_exported(file: &str, medium: &str, job: &CopyJob<'_>) -> MediaError {
    let again = next_command::recut(Path::new(&job.bundle()), None, Path::new("."), job.named_workspace);
    MediaError::NotAsExported { file: file.to_owned(), medium: medium.to_owned(), again }
}
