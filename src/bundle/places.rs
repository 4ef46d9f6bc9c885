//! A bundle whose volumes are on several media: which of them are at hand, and what else is there.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{MAX_MANIFEST_BYTES, Volume};
use super::{Bundle, BundleError, names, open};
use crate::storage::read_first_block;

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
            if open::read_file(folder, names::MANIFEST, MAX_MANIFEST_BYTES)? != self.bytes {
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
        let (file, size) = open::open(&path)?;
        Ok((path, file, size))
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

/// A small file beside the manifest which nothing vouches for; none if it is not there, is no file or is larger than `cap` bytes.
pub fn unsigned_file(folder: &Path, name: &'static str, cap: u64) -> Option<String> {
    open::read_file(folder, name, cap).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The medium that `file` is on cannot be read any more at all: it was pulled, or its file system unmounted. Nothing is known
/// of what is on it then, and none of it is damaged.
pub fn gone(file: &Path) -> Option<BundleError> {
    gone_folder(file.parent().unwrap_or(Path::new(".")))
}

/// Whether the medium that a bundle's folder is on cannot be read any more.
pub fn is_gone(folder: &Path) -> bool {
    gone_folder(folder).is_some()
}

fn gone_folder(folder: &Path) -> Option<BundleError> {
    let failed = |source| BundleError::Gone { folder: folder.to_owned(), source };
    read_first_block(&folder.join(names::MANIFEST)).err().map(failed)
}

/// Whether `folder` has a manifest, whatever it is. What nobody may look into, and what is no folder, has none; a medium that
/// cannot be read is an error, or it would seem to be empty.
pub fn is_bundle(folder: &Path) -> io::Result<bool> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match folder.join(names::MANIFEST).symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) => Ok(false),
        Err(error) => Err(error),
    }
}
