//! A bundle whose volumes are on several media: which of them are at hand, and what else is there.

use std::fs::{self, File, Metadata};
use std::path::PathBuf;

use super::folder::{gone, gone_folder, open, read_file};
use super::manifest::{MAX_MANIFEST_BYTES, Volume};
use super::{Bundle, BundleError, names};
use crate::numbers::VolumeNumber;
use crate::units::MAX_SPARES;

/// How many files of a folder are looked at: a medium is not trusted to have an end.
const MAX_ENTRIES: usize = 100_000;

impl Bundle {
    /// The same bundle, with its volumes looked for in all of `folders`. A file of another size than the manifest says counts
    /// as not there from now on: it was not written to its end, or is of another bundle.
    pub fn at_hand(self, folders: Vec<PathBuf>) -> Self {
        Self { places: Some(folders), ..self }
    }

    /// The same bundle, with its volumes looked for in these folders too, each of which must have the same manifest.
    pub fn also_in(self, folders: &[PathBuf]) -> Result<Self, BundleError> {
        if folders.is_empty() {
            return Ok(self);
        }
        for folder in folders {
            if read_file(folder, names::MANIFEST, MAX_MANIFEST_BYTES)? != self.bytes {
                return Err(BundleError::AnotherBundle { folder: folder.clone(), bundle: self.manifest.folder() });
            }
        }
        let places = self.places().iter().chain(folders).cloned().collect();
        Ok(self.at_hand(places))
    }

    /// The folders in which its volumes are looked for.
    pub fn places(&self) -> &[PathBuf] {
        self.places.as_deref().unwrap_or(std::slice::from_ref(&self.folder))
    }

    /// Where the volume is. What is no file counts, so that it is refused and not passed over, but comes last.
    pub(super) fn copies(&self, volume: &Volume) -> Vec<PathBuf> {
        let strict = self.places.is_none();
        let paths = self.places().iter().map(|folder| folder.join(&volume.file));
        let there = paths.filter_map(|path| Some((path.symlink_metadata().ok()?, path)));
        let is_right = |data: &Metadata| strict || !data.is_file() || data.len() == volume.size;
        let mut right: Vec<_> = there.filter(|(data, _)| is_right(data)).collect();
        right.sort_by_key(|(data, _)| !data.is_file());
        right.into_iter().map(|(_, path)| path).collect()
    }

    /// Where a file that stands beside the volumes is, such as one of recovery data; what is no file counts.
    pub(super) fn beside(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        self.places().iter().map(move |folder| folder.join(name)).filter(|path| path.symlink_metadata().is_ok())
    }

    /// Opens a file that stands beside the volumes, such as one of recovery data; returns its size too, in bytes.
    pub fn open_beside(&self, name: &str) -> Result<(PathBuf, File, u64), BundleError> {
        let path = self.beside(name).next().unwrap_or_else(|| self.folder.join(name));
        let (file, size) = open(&path)?;
        Ok((path, file, size))
    }

    /// The volumes that are not here, by file name. Of a stream, all are still to come.
    pub fn missing_volumes(&self) -> Vec<String> {
        let there = |volume: &Volume| self.stream.is_some() || !self.copies(volume).is_empty();
        self.manifest.volumes.iter().filter(|volume| !there(volume)).map(|volume| volume.file.clone()).collect()
    }

    /// Opens volume `index`, counted from 0, where it is first.
    pub fn open_volume(&self, index: usize) -> Result<(PathBuf, File), BundleError> {
        let none = || BundleError::Inconsistent(format!("volume {} is nowhere", index + 1));
        self.open_copies(index)?.into_iter().next().ok_or_else(none)
    }

    /// Opens volume `index`, counted from 0, everywhere where it is; a file of another size, or none at all, is refused. One that
    /// was cut short is taken where there may be recovery data for the rest. What cannot be opened is no obstacle where another
    /// copy can.
    pub fn open_copies(&self, index: usize) -> Result<Vec<(PathBuf, File)>, BundleError> {
        let Some(volume) = self.manifest.volumes.get(index) else {
            return Err(BundleError::Inconsistent(format!("there is no volume {}", index + 1)));
        };
        let mut paths = self.copies(volume);
        if paths.is_empty() {
            paths.push(self.folder.join(&volume.file));
        }
        let open_copy = |path: PathBuf| {
            let (file, found) = open(&path).map_err(|error| gone(&path).unwrap_or(error))?;
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

    /// Returns whether a recovery file of volume `index`, counted from 0, or a spare is there by its name.
    pub(super) fn has_recovery(&self, index: usize) -> bool {
        let is_there = |number| self.beside(&names::recovery(number)).next().is_some();
        self.has_spares() || VolumeNumber::at(index).is_some_and(is_there)
    }

    /// Returns whether a spare volume is there by its name.
    pub(super) fn has_spares(&self) -> bool {
        let mut spares = (1..=u64::from(MAX_SPARES)).map(names::spare);
        self.stream.is_none() && spares.any(|name| self.beside(&name).next().is_some())
    }

    /// What to say of volumes that are not there: that they are missing, if all media can be read that should have them.
    pub fn lacks(&self, missing: Vec<String>) -> BundleError {
        match self.can_be_read() {
            Ok(()) => BundleError::VolumesMissing { folder: self.folder.clone(), missing },
            Err(gone) => gone,
        }
    }

    /// Whether none of its media was pulled.
    pub(super) fn can_be_read(&self) -> Result<(), BundleError> {
        let mut media = self.places().iter().filter(|_| !self.is_stream());
        media.find_map(|folder| gone_folder(folder)).map_or(Ok(()), Err)
    }

    /// What is beside the volumes, looks like one and is none: for a note. Nothing of it is read.
    pub fn strays(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for folder in self.places() {
            let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_ENTRIES).filter_map(Result::ok);
            let files =
                entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?)));
            let is_like_one = |name: &str| name.starts_with("volume-") && !name.ends_with(".rec");
            let mut files: Vec<_> = files.filter(|(name, _)| is_like_one(name)).collect();
            files.sort_by(|(a, _), (b, _)| a.cmp(b));
            for (name, data) in files {
                let volume = self.manifest.volumes.iter().find(|volume| volume.file == name);
                let why = match volume {
                    _ if name.ends_with(".part") => "was not written to its end".to_owned(),
                    None => format!("is not of {}", self.manifest.folder()),
                    Some(volume) if data.is_file() && data.len() != volume.size => {
                        format!("has {} bytes, and the manifest says {}: it counts as missing", data.len(), volume.size)
                    }
                    Some(_) => continue,
                };
                notes.push(format!("{} {why}; it is left alone", folder.join(name).display()));
            }
        }
        notes
    }
}
