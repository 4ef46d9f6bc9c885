//! Checks a bundle without unpacking it: every byte of it, and which files no signature covers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::folder::read_small;
use super::packing::byte_ranges::ByteRanges;
use super::packing::found::{FoundPacking, PackingSearch};
use super::packing::unpack::{CheckOnly, unpack};
use super::state::OpenState;
use super::state::blob_table::{BlobMark, BlobTable};
use super::verify_text::MAX_VERIFY_BYTES;
use super::{BundleError, Damage, names, trust_files};
use crate::digest::Sha256;
use crate::numbers::VolumeNumber;
use crate::progress::Progress;

/// The most files of a bundle's folder that are looked at: a medium is not trusted to have an end.
const MAX_ENTRIES: usize = 100_000;

/// A bundle whose every byte is good, or can be restored.
#[derive(Debug)]
pub struct BundleCheck {
    /// The packings.
    pub packings: Vec<FoundPacking>,
    /// Volumes that are not here, by their paths in the bundle's folder. Other packings carry all that they have.
    pub absent: Vec<String>,
    /// Damage that recovery data, or another medium, can restore.
    pub damage: Vec<Damage>,
    /// The versions of the trust files that it carries.
    pub trust_files: Vec<u64>,
    /// Files on the media that no signature covers, sorted.
    pub uncovered: Vec<PathBuf>,
}

impl BundleCheck {
    /// The number of volumes that are here.
    pub fn volumes(&self) -> usize {
        self.here().count()
    }

    /// The sizes of all volumes that are here, in bytes.
    pub fn bytes(&self) -> u64 {
        self.here().sum()
    }

    fn here(&self) -> impl Iterator<Item = u64> {
        let volumes = self.packings.iter().flat_map(|packing| {
            packing.files.volumes().iter().map(|volume| (packing.files.name(&volume.file), volume.size))
        });
        volumes.filter(|(name, _)| !self.absent.contains(name)).map(|(_, size)| size)
    }
}

/// Checks the item lists, the packings and their volumes. These must be at hand, except where other packings carry all that a volume
/// has. A packing that is not valid is an error here: on a good medium there is none.
pub fn check_bundle(state: &OpenState, search: PackingSearch, progress: &Progress) -> Result<BundleCheck, BundleError> {
    if let Some(error) = search.absent.into_iter().next() {
        return Err(error);
    }
    let packings = search.found;
    let scratch = std::env::temp_dir();
    let (lists, mut blobs) = state.lists(&scratch, |_, _| Ok(()))?;
    let verify_texts = check_verify_texts(state, &packings)?;
    // Before anything large is read. Spare volumes may stand in for others.
    let without_spares = packings.iter().filter(|packing| !packing.files.has_spares());
    let absent: Vec<String> = without_spares.flat_map(|packing| packing.files.missing()).collect();
    refuse(state, &packings, needed(&absent, &packings, &mut blobs, &scratch)?)?;
    let bytes = packings.iter().flat_map(|packing| &packing.packing.volumes).map(|volume| volume.size).sum();
    let progress = progress.phase("checking", bytes);
    let (mut damage, mut absent) = (Vec::new(), Vec::new());
    for packing in &packings {
        let read = unpack(packing, &mut lists.walk(&blobs), &CheckOnly, &scratch, &progress)?;
        damage.extend(read.repaired);
        absent.extend(read.missing);
    }
    progress.finish();
    refuse(state, &packings, needed(&absent, &packings, &mut blobs, &scratch)?)?;
    let uncovered = uncovered(state, &packings, &verify_texts)?;
    let trust_files = trust_files::consistent(&state.expected())?.iter().map(|signed| signed.file.version).collect();
    Ok(BundleCheck { packings, absent, damage, trust_files, uncovered })
}

/// Refuses a bundle of which volumes are missing.
fn refuse(state: &OpenState, packings: &[FoundPacking], missing: Vec<String>) -> Result<(), BundleError> {
    if missing.is_empty() {
        return Ok(());
    }
    packings.iter().try_for_each(|packing| packing.files.can_be_read())?;
    Err(BundleError::VolumesMissing { folder: state.expected(), missing })
}

/// Returns those of the volumes that are `absent` of which a volume that is here lacks something.
fn needed(
    absent: &[String],
    packings: &[FoundPacking],
    blobs: &mut BlobTable,
    scratch: &Path,
) -> Result<Vec<String>, BundleError> {
    if absent.is_empty() {
        return Ok(Vec::new());
    }
    let volumes = packings.iter().flat_map(|packing| {
        let files = packing.files.volumes().iter().enumerate();
        files.map(move |(index, volume)| (packing, index, packing.files.name(&volume.file)))
    });
    let (gone, here): (Vec<_>, Vec<_>) = volumes.partition(|(.., name)| absent.contains(name));
    blobs.mark_where(BlobMark::Carried, |_| false);
    let mut cut: BTreeMap<Sha256, ByteRanges> = BTreeMap::new();
    for (packing, index, _) in here {
        packing.each_part(index, scratch, |part| match blobs.get(&part.blob) {
            Some(blob) if part.length == blob.size => drop(blobs.mark(&part.blob, BlobMark::Carried)),
            _ => cut.entry(part.blob).or_default().add(part.start, part.end()),
        })?;
    }
    for (blob, ranges) in cut {
        if blobs.get(&blob).is_some_and(|entry| ranges.has(0, entry.size)) {
            blobs.mark(&blob, BlobMark::Carried);
        }
    }
    let is_carried = |blob: &Sha256| blobs.get(blob).is_some_and(|entry| entry.has(BlobMark::Carried));
    let mut needed = Vec::new();
    for (packing, index, name) in gone {
        let mut is_needed = false;
        let is_known = packing.each_part(index, scratch, |part| is_needed |= !is_carried(&part.blob))?;
        if is_needed || !is_known {
            needed.push(name);
        }
    }
    Ok(needed)
}

/// Compares each `VERIFY.txt` with the digest in a packing. Returns those that one names.
fn check_verify_texts(state: &OpenState, packings: &[FoundPacking]) -> Result<BTreeSet<PathBuf>, BundleError> {
    let mut good = BTreeSet::new();
    if packings.is_empty() {
        return Ok(good);
    }
    for folder in &state.folders {
        let Some(text) = read_small(folder, names::VERIFY, MAX_VERIFY_BYTES)? else { continue };
        let (path, digest) = (folder.join(names::VERIFY), Sha256::of(&text));
        match packings.iter().any(|packing| packing.packing.verify == digest) {
            true => drop(good.insert(path)),
            false => return Err(BundleError::WrongVerifyText { path }),
        }
    }
    Ok(good)
}

/// Returns the files in the bundle's folders that no signature covers.
fn uncovered(
    state: &OpenState,
    packings: &[FoundPacking],
    verify_texts: &BTreeSet<PathBuf>,
) -> Result<Vec<PathBuf>, BundleError> {
    let mut covered: BTreeSet<String> = [names::MANIFEST, names::SIGNATURE].map(str::to_owned).into();
    covered.extend(state.manifest.collections.iter().map(|collection| collection.list_file()));
    for packing in packings {
        let numbers = VolumeNumber::all().take(packing.packing.volumes.len());
        let volumes = numbers.flat_map(|number| [names::volume(number), names::volume_index(number)]);
        let own = [names::PACKING, names::PACKING_SIGNATURE].map(str::to_owned);
        covered.extend(own.into_iter().chain(volumes).map(|file| packing.files.name(&file)));
    }
    let mut uncovered = Vec::new();
    for folder in &state.folders {
        let trust: BTreeSet<String> = trust_files::consistent(folder)?.iter().flat_map(trust_files::names_of).collect();
        let is_covered = |folder: &Path, path: &Path| {
            let name = path.strip_prefix(folder).ok().and_then(Path::to_str);
            let is_named = |name| covered.contains(name) || trust.contains(name);
            name.is_some_and(is_named) || verify_texts.contains(path)
        };
        for entry in walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().take(MAX_ENTRIES) {
            let entry = entry.map_err(|error| BundleError::io("look into", folder)(error.into()))?;
            if !entry.file_type().is_dir() && !is_covered(folder, entry.path()) {
                uncovered.push(entry.into_path());
            }
        }
    }
    Ok(uncovered)
}
