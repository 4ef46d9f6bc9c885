//! A packing that was found on media, signed by a builder.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::index::{PartLine, VOLUME_INDEX_CAPS};
use super::totals::each_part;
use super::volume_files::{VolumeFiles, WrongSize};
use super::volume_parts::{VolumeParts, VolumePlace};
use super::{MAX_PACKING_BYTES, MAX_PACKINGS, MAX_VOLUMES, Packing};
use crate::bundle::folder::{gone_folder, open, read_small};
use crate::bundle::format_error::{FormatError, contradiction};
use crate::bundle::state::lists::BlobWalk;
use crate::bundle::stored_list::private_copy;
use crate::bundle::{BundleError, names};
use crate::digest::Sha256;
use crate::trust::{MAX_SIGNATURE_BYTES, PACKING_NAMESPACE, PublicKey, verify};

/// The most entries of `packings/` that are looked at: a medium is not trusted to have an end.
const MAX_ENTRIES: usize = 10_000;

/// A packing that was found.
#[derive(Clone, Debug)]
pub struct FoundPacking {
    /// The bundle's name, such as `dc1-base-000042`.
    pub bundle: String,
    /// Its ID.
    pub id: String,
    /// Its content.
    pub packing: Packing,
    /// Its text.
    pub bytes: Vec<u8>,
    /// The signature over that text.
    pub signature: Vec<u8>,
    /// The key that made the signature.
    pub signer: PublicKey,
    /// Its files.
    pub files: VolumeFiles,
}

/// Packings of a state, and those that count as absent, with the reasons.
#[derive(Debug, Default)]
pub struct PackingSearch {
    /// The packings, sorted by ID.
    pub found: Vec<FoundPacking>,
    /// The reason for each packing that counts as absent.
    pub absent: Vec<BundleError>,
}

/// The state whose packings are looked for.
#[derive(Clone, Copy, Debug)]
pub struct PackedState<'a> {
    /// The bundle's name, such as `dc1-base-000042`.
    pub bundle: &'a str,
    /// The digest of its manifest.
    pub manifest: &'a Sha256,
    /// The bundle's folder on each medium.
    pub folders: &'a [PathBuf],
    /// The treatment of volumes of a wrong size.
    pub wrong_size: WrongSize,
}

impl PackedState<'_> {
    /// Looks for packings that a key signed which `is_builder`. A packing may be on several media, in copies that differ: the first
    /// one that is valid counts.
    pub fn search(
        &self,
        mut is_builder: impl FnMut(&PublicKey) -> Result<(), BundleError>,
    ) -> Result<PackingSearch, BundleError> {
        let (mut search, mut volumes) = (PackingSearch::default(), 0);
        for id in self.ids()? {
            let mut failures = Vec::new();
            for folder in self.folders.iter().map(|folder| folder.join(names::PACKINGS).join(&id)) {
                match self.open(&id, &folder, &mut is_builder) {
                    Ok(Some(found)) => {
                        volumes += found.packing.volumes.len();
                        if volumes > MAX_VOLUMES {
                            return Err(self.too_many(MAX_VOLUMES, "volumes in all packings"));
                        }
                        search.found.push(found);
                        failures.clear();
                        break;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        // Nothing is known of a packing on a medium that was pulled.
                        self.folders.iter().find_map(|folder| gone_folder(folder)).map_or(Ok(()), Err)?;
                        failures.push(error);
                    }
                }
            }
            search.absent.extend(failures);
        }
        Ok(search)
    }

    /// The names of folders in `packings/` on all media, sorted.
    fn ids(&self) -> Result<Vec<String>, BundleError> {
        let mut ids = std::collections::BTreeSet::new();
        for folder in self.folders.iter().map(|folder| folder.join(names::PACKINGS)) {
            let entries = match std::fs::read_dir(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(BundleError::io("look into", &folder))?,
            };
            for entry in entries.take(MAX_ENTRIES) {
                let entry = entry.map_err(BundleError::io("look into", &folder))?;
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                // A packing that was not written to its end is in a folder that ends so.
                let name = entry.file_name().into_string().ok().filter(|name| is_folder && !name.ends_with(".part"));
                ids.extend(name);
            }
        }
        match ids.len() > MAX_PACKINGS {
            true => Err(self.too_many(MAX_PACKINGS, "packings")),
            false => Ok(ids.into_iter().collect()),
        }
    }

    fn too_many(&self, cap: usize, what: &'static str) -> BundleError {
        let path = self.folders.first().map(|folder| folder.join(names::PACKINGS)).unwrap_or_default();
        BundleError::in_file(&path)(FormatError::TooMany { cap: cap as u64, what })
    }

    fn open(
        &self,
        id: &str,
        folder: &Path,
        is_builder: &mut impl FnMut(&PublicKey) -> Result<(), BundleError>,
    ) -> Result<Option<FoundPacking>, BundleError> {
        let Some(bytes) = read_small(folder, names::PACKING, MAX_PACKING_BYTES)? else { return Ok(None) };
        let signature = read_small(folder, names::PACKING_SIGNATURE, MAX_SIGNATURE_BYTES)?;
        let signature = signature.ok_or_else(|| BundleError::PackingUnsigned { folder: folder.to_owned() })?;
        self.of_bytes(Some(id), folder, bytes, signature, is_builder).map(Some)
    }

    /// Takes a packing that was read from elsewhere, as if it were in `folder`.
    pub fn of_bytes(
        &self,
        id: Option<&str>,
        folder: &Path,
        bytes: Vec<u8>,
        signature: Vec<u8>,
        is_builder: &mut impl FnMut(&PublicKey) -> Result<(), BundleError>,
    ) -> Result<FoundPacking, BundleError> {
        let signer = verify(&signature, PACKING_NAMESPACE, &bytes)?;
        is_builder(&signer)?;
        let path = folder.join(names::PACKING);
        let parsed = Packing::parse(&bytes, self.manifest).and_then(|packing| {
            let own = packing.parameters.id()?;
            match id.is_none_or(|id| id == own) {
                true => Ok((packing, own)),
                false => contradiction(format!("its folder is not called {own}")),
            }
        });
        let (packing, id) = parsed.map_err(BundleError::in_file(&path))?;
        let below = format!("{}/{id}", names::PACKINGS);
        let files = VolumeFiles::new(self.folders.to_vec(), below, packing.volumes(), self.wrong_size);
        Ok(FoundPacking { bundle: self.bundle.to_owned(), id, packing, bytes, signature, signer, files })
    }
}

/// Copies the index of volume `index`, counted from 0, into a nameless file in the folder `scratch`, from where it has the right
/// digest. Returns `None` if that is nowhere.
pub(in crate::bundle) fn index_copy(
    packing: &Packing,
    files: &VolumeFiles,
    index: usize,
    scratch: &Path,
) -> Result<Option<File>, BundleError> {
    let Some(volume) = packing.volumes.get(index) else { return Ok(None) };
    for path in files.beside(&names::volume_index_at(index)) {
        let (file, _) = open(&path)?;
        match private_copy(file, &volume.index.stored, scratch) {
            Err(FormatError::WrongDigest) => {}
            other => return other.map(Some).map_err(BundleError::in_file(&path)),
        }
    }
    Ok(None)
}

impl FoundPacking {
    pub(super) fn index(&self, index: usize, scratch: &Path) -> Result<Option<File>, BundleError> {
        index_copy(&self.packing, &self.files, index, scratch)
    }

    /// Hands each line of the index of volume `index`, counted from 0, to `part`. Returns `false` if the index is nowhere. The lines are
    /// not joined with the item lists.
    pub fn each_part(&self, index: usize, scratch: &Path, part: impl FnMut(&PartLine)) -> Result<bool, BundleError> {
        let Some((copy, volume)) = self.index(index, scratch)?.zip(self.packing.volumes.get(index)) else {
            return Ok(false);
        };
        let path = self.files.expected(&names::volume_index_at(index));
        each_part(copy, volume.index, part).map(|()| true).map_err(BundleError::in_file(&path))
    }

    /// Starts to go through the parts of volume `index`, counted from 0, of which `copy` is the index.
    pub(in crate::bundle) fn parts<'a, 'w>(
        &self,
        index: usize,
        copy: File,
        walk: &'a mut BlobWalk<'w>,
    ) -> Result<VolumeParts<'a, 'w, File>, BundleError> {
        let path = self.files.expected(&names::volume_index_at(index));
        let none = || BundleError::Inconsistent(format!("there is no volume {}", index + 1));
        let volume = *self.packing.volumes.get(index).ok_or_else(none)?;
        VOLUME_INDEX_CAPS.check(&volume.index).map_err(BundleError::in_file(&path))?;
        let is_last = index + 1 == self.packing.volumes.len();
        let place = if is_last { VolumePlace::Last } else { VolumePlace::Inner };
        VolumeParts::new(copy, volume, place, walk).map_err(BundleError::in_file(&path))
    }
}
