//! The files of a packing, on one medium or several: which volumes are at hand, and what else is there.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::folder::{gone_folder, open};
use crate::bundle::packing::Volume;
use crate::bundle::{BundleError, names};
use crate::numbers::VolumeNumber;
use crate::units::MAX_SPARES;

/// The most files of a folder that are looked at: a medium is not trusted to have an end.
const MAX_ENTRIES: usize = 100_000;

/// The treatment of a volume of a wrong size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongSize {
    /// It is refused.
    Refused,
    /// It counts as missing: it was not written to its end, or is of another bundle.
    Missing,
}

/// The files of a packing, in the bundle's folder on each medium.
#[derive(Clone, Debug)]
pub struct VolumeFiles {
    /// The bundle's folder on each medium; at least one.
    folders: Vec<PathBuf>,
    /// The packing's folder below it, such as `packings/0123456789ab`.
    below: String,
    volumes: Vec<Volume>,
    wrong_size: WrongSize,
}

impl VolumeFiles {
    /// The files of a packing with these volumes.
    pub fn new(folders: Vec<PathBuf>, below: String, volumes: Vec<Volume>, wrong_size: WrongSize) -> Self {
        Self { folders, below, volumes, wrong_size }
    }

    /// The volumes, in order.
    pub fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// The bundle's folder on each medium.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Returns the path of a file in the first folder, whether it is there or not.
    pub fn expected(&self, name: &str) -> PathBuf {
        self.folders.first().map_or_else(|| PathBuf::from(name), |folder| folder.join(&self.below).join(name))
    }

    /// Returns the paths at which there is something of this name, regular file or not.
    pub fn beside(&self, name: &str) -> Vec<PathBuf> {
        let paths = self.folders.iter().map(|folder| folder.join(&self.below).join(name));
        paths.filter(|path| path.symlink_metadata().is_ok()).collect()
    }

    /// Returns the paths of the volume. Anything but a regular file comes last, so that it is refused and not passed over.
    fn copies(&self, volume: &Volume) -> Vec<PathBuf> {
        let there =
            self.beside(&volume.file).into_iter().filter_map(|path| Some((path.symlink_metadata().ok()?, path)));
        let is_right =
            |data: &Metadata| self.wrong_size == WrongSize::Refused || !data.is_file() || data.len() == volume.size;
        let mut right: Vec<_> = there.filter(|(data, _)| is_right(data)).collect();
        right.sort_by_key(|(data, _)| !data.is_file());
        right.into_iter().map(|(_, path)| path).collect()
    }

    /// Returns the path of a file of the packing in the bundle's folder, such as `packings/0123456789ab/volume-001.tar`.
    pub fn name(&self, file: &str) -> String {
        format!("{}/{file}", self.below)
    }

    /// The volumes that are not here, by their paths in the bundle's folder.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.volumes.iter().filter(|volume| self.copies(volume).is_empty());
        missing.map(|volume| self.name(&volume.file)).collect()
    }

    /// Opens volume `index`, counted from 0, everywhere where it is; a file of another size, or none at all, is refused. One that
    /// was cut short is taken if there may be recovery data for the rest. What cannot be opened is no obstacle if another
    /// copy can.
    pub fn open_copies(&self, index: usize) -> Result<Vec<(PathBuf, File)>, BundleError> {
        let Some(volume) = self.volumes.get(index) else {
            return Err(BundleError::Inconsistent(format!("there is no volume {}", index + 1)));
        };
        let mut paths = self.copies(volume);
        if paths.is_empty() {
            paths.push(self.expected(&volume.file));
        }
        let open_copy = |path: PathBuf| {
            let (file, found) = open(&path).map_err(|error| self.gone(&path).unwrap_or(error))?;
            match found == volume.size || (found < volume.size && self.has_recovery(index)) {
                true => Ok((path, file)),
                false => Err(BundleError::VolumeSize { path, found, wanted: volume.size }),
            }
        };
        let (mut opened, mut failed) = (Vec::new(), Vec::new());
        for copy in paths.into_iter().map(open_copy) {
            copy.map_or_else(|error| failed.push(error), |copy| opened.push(copy));
        }
        match failed.into_iter().next() {
            Some(error) if opened.is_empty() => Err(error),
            _ => Ok(opened),
        }
    }

    /// Returns `true` if a recovery file of volume `index`, counted from 0, or a spare is there by its name.
    pub fn has_recovery(&self, index: usize) -> bool {
        self.has_spares()
            || VolumeNumber::at(index).is_some_and(|number| !self.beside(&names::recovery(number)).is_empty())
    }

    /// Returns `true` if a spare volume is there by its name.
    pub fn has_spares(&self) -> bool {
        (1..=u64::from(MAX_SPARES)).map(names::spare).any(|name| !self.beside(&name).is_empty())
    }

    /// Returns the error of the first medium that was pulled.
    pub fn can_be_read(&self) -> Result<(), BundleError> {
        self.folders.iter().find_map(|folder| gone_folder(folder)).map_or(Ok(()), Err)
    }

    fn gone(&self, file: &Path) -> Option<BundleError> {
        self.folders.iter().find(|folder| file.starts_with(folder)).and_then(|folder| gone_folder(folder))
    }

    /// Returns notes about files that look like volumes and are none. Nothing of them is read.
    pub fn strays(&self) -> io::Result<Vec<String>> {
        let mut notes = Vec::new();
        for folder in &self.folders {
            let folder = folder.join(&self.below);
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?.take(MAX_ENTRIES),
            };
            let files = entries.filter_map(|entry| {
                let entry = entry.ok()?;
                Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?))
            });
            let is_like_one =
                |name: &str| name.starts_with("volume-") && !name.ends_with(".rec") && !name.ends_with(".idx");
            let mut files: Vec<_> = files.filter(|(name, _)| is_like_one(name)).collect();
            files.sort_by(|(a, _), (b, _)| a.cmp(b));
            notes.extend(files.iter().filter_map(|(name, data)| self.stray(&folder, name, data)));
        }
        Ok(notes)
    }

    fn stray(&self, folder: &Path, name: &str, data: &Metadata) -> Option<String> {
        let why = match self.volumes.iter().find(|volume| volume.file == name) {
            _ if name.ends_with(".part") => "was not written to its end".to_owned(),
            None => "is not of this packing".to_owned(),
            Some(volume) if data.is_file() && data.len() != volume.size => {
                format!("has {} bytes instead of {}: it counts as missing", data.len(), volume.size)
            }
            Some(_) => return None,
        };
        Some(format!("{} {why}; it is left alone", folder.join(name).display()))
    }
}
