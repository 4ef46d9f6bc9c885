//! Writes a bundle: the small files of a state, and packings of it.
//!
//! All of it goes into a folder that ends in `.part`, which gets its name at the end in one step.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek as _};
use std::path::{Path, PathBuf};

use super::packing::pack::{VolumeContent, write_volumes};
use super::packing::{PACKING_FORMAT, Packing, PackingParameters};
use super::recovery::write::WrittenFile;
use super::recovery::{self, Amount};
use super::state::blob_table::{BlobMark, BlobTable};
use super::state::lists::StateLists;
use super::state::manifest::StateCollection;
use super::state::{ItemListWriter, ListSummary, Manifest};
use super::verify_text::verify_text;
use super::{BundleError, FormatError, names};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::kind::Kind;
use crate::label::Label;
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::storage::capacity::{Capacity, FreeSpace};
use crate::storage::{self, modes, sync_folder, sync_folders};

/// Bytes of headers, padding and index for each blob that travels, at most about.
const BLOB_OVERHEAD_BYTES: u64 = 2048 + 512;

/// A bundle that is being written.
#[derive(Debug)]
pub struct BundleDraft {
    out: PathBuf,
    folder: PathBuf,
}

/// An item list that is being written.
pub type ListFile = ItemListWriter<BufWriter<File>>;

/// A packing that is to be written.
pub struct PackingPlan<'a> {
    /// Its parameters.
    pub parameters: PackingParameters,
    /// The state's item lists.
    pub lists: &'a StateLists,
    /// The state's blobs; those that are marked as held do not travel.
    pub blobs: &'a BlobTable,
    /// By blob that travels, an older revision that the other side holds: patches are tried against it.
    pub older: &'a BTreeMap<Sha256, Sha256>,
    /// Recovery data, against damage and loss.
    pub recovery: Amount,
    /// Checks the free space of the target first, or ignores it.
    pub free_space: FreeSpace,
}

/// A packing that was written.
#[derive(Clone, Debug)]
pub struct WrittenPacking {
    /// Its folder.
    pub folder: PathBuf,
    /// Its content.
    pub packing: Packing,
    /// Its text, exactly as it is to be signed.
    pub text: String,
    /// Its recovery files, by their paths in the bundle's folder, with their digests.
    pub recovery: Vec<WrittenFile>,
}

impl BundleDraft {
    /// Starts afresh in a folder in `out`, which gets the name of a bundle at the end.
    pub fn begin(out: &Path, name: &str) -> Result<Self, BundleError> {
        modes::create_public_folders(out).map_err(BundleError::io("create", out))?;
        let folder = out.join(format!("{name}.part"));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(BundleError::io("remove", &folder)(error));
            }
            _ => modes::create_public_folders(&folder.join("items")).map_err(BundleError::io("create", &folder))?,
        }
        Ok(Self { out: out.to_owned(), folder })
    }

    /// The folder, as long as it is not finished.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the item list of a collection. Returns what the manifest has to say of it, and the file, which is read from its
    /// beginning.
    pub fn list(
        &self,
        kind: Kind,
        name: &Label,
        fill: impl FnOnce(&mut ListFile) -> Result<(), FormatError>,
    ) -> Result<(ListSummary, File), BundleError> {
        let path = self.folder.join(names::item_list(kind, name));
        let mut options = File::options();
        let file = modes::open_with(options.read(true).write(true).create_new(true), &path, modes::PUBLIC_FILE);
        let file = file.map_err(BundleError::io("create", &path))?;
        write_list(file, fill).map_err(BundleError::in_file(&path))
    }

    /// Copies the item list of a collection, which was written elsewhere.
    pub fn copy_list(&self, collection: &StateCollection, from: &mut impl Read) -> Result<(), BundleError> {
        let path = self.folder.join(collection.list_file());
        let mut copy = || {
            let mut file = modes::create_public_file(&path)?;
            std::io::copy(from, &mut file)?;
            file.sync_all()
        };
        copy().map_err(BundleError::io("write", &path))
    }

    /// Writes the manifest. Returns its text, exactly as it is to be signed.
    pub fn manifest(&self, manifest: &Manifest) -> Result<String, BundleError> {
        let path = self.folder.join(names::MANIFEST);
        let text = manifest.to_text().map_err(BundleError::in_file(&path))?;
        write_file(&path, text.as_bytes())?;
        write_file(&self.folder.join(names::VERIFY), verify_text(manifest).as_bytes())?;
        Ok(text)
    }

    /// Writes the signature of a file that was written, such as `manifest.json`.
    pub fn signature(&self, file: &Path, signature: &str) -> Result<(), BundleError> {
        let mut path = file.as_os_str().to_owned();
        path.push(".sig");
        write_file(Path::new(&path), signature.as_bytes())
    }

    /// Writes a packing: volumes, indexes, recovery files and the text that is to be signed.
    pub fn packing(
        &self,
        plan: PackingPlan<'_>,
        depot: &Depot,
        progress: &Progress,
    ) -> Result<WrittenPacking, BundleError> {
        write_packing(&self.folder, plan, depot, progress)
    }

    /// Gives the bundle its name in one step. `recovery` has the digests of its recovery files. Returns its folder.
    pub fn finish(self, name: &str, recovery: &[WrittenFile]) -> Result<PathBuf, BundleError> {
        write_sums(&self.folder, recovery)?;
        let target = self.out.join(name);
        fs::rename(&self.folder, &target).map_err(BundleError::io("rename", &target))?;
        sync_folder(&self.out).map_err(BundleError::io("sync", &self.out))?;
        Ok(target)
    }

    /// Removes what was written: half a bundle is of no use.
    pub fn abandon(self) {
        let _ = fs::remove_dir_all(&self.folder); // the first error is what matters
    }
}

/// Writes an item list. Returns what the manifest has to say of it, and the file, which is read from its beginning.
pub fn write_list(
    file: File,
    fill: impl FnOnce(&mut ListFile) -> Result<(), FormatError>,
) -> Result<(ListSummary, File), FormatError> {
    let mut list = ItemListWriter::new(BufWriter::new(file))?;
    fill(&mut list)?;
    let (file, summary) = list.finish()?;
    let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()?;
    file.rewind()?;
    Ok((summary, file))
}

/// Writes a packing into a bundle's folder that has the small files of its state.
pub fn write_packing(
    bundle: &Path,
    plan: PackingPlan<'_>,
    depot: &Depot,
    progress: &Progress,
) -> Result<WrittenPacking, BundleError> {
    let PackingPlan { parameters, lists, blobs, older, recovery, free_space } = plan;
    let travels = || blobs.iter().filter(|blob| !blob.has(BlobMark::Held));
    let carried = travels().map(|blob| blob.size).sum::<u64>();
    // People know the folder that they gave; the bundle's own is removed if there is not enough room.
    let out = bundle.parent().unwrap_or(bundle);
    let bytes = carried.saturating_add((travels().count() as u64).saturating_mul(BLOB_OVERHEAD_BYTES));
    preflight(out, bytes, parameters.volume_size, recovery, free_space)?;
    let below = format!("{}/{}", names::PACKINGS, parameters.id().map_err(BundleError::in_file(bundle))?);
    let (target, folder) = (bundle.join(&below), bundle.join(format!("{below}.part")));
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(BundleError::io("remove", &folder)(error));
        }
        _ => modes::create_public_folders(&folder).map_err(BundleError::io("create", &folder))?,
    }
    let content = VolumeContent { lists, blobs, older, volume_size: parameters.volume_size };
    let phase = progress.phase("packing", carried);
    let volumes = write_volumes(&content, depot, &folder, &phase);
    phase.finish();
    let verify = read_all(&bundle.join(names::VERIFY))?;
    let packing = Packing { format: PACKING_FORMAT, parameters, verify: Sha256::of(&verify), volumes: volumes? };
    let made = recovery::write::write(&packing.volumes(), &folder, recovery, progress)?;
    let recovery = made.into_iter().map(|(file, digest)| (format!("{below}/{file}"), digest)).collect();
    let path = folder.join(names::PACKING);
    let text = packing.to_text().map_err(BundleError::in_file(&path))?;
    write_file(&path, text.as_bytes())?;
    sync_folders(&folder).map_err(BundleError::io("sync", &folder))?;
    // An older packing of the same parameters stays until this one is complete.
    match fs::remove_dir_all(&target) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(BundleError::io("remove", &target)(error));
        }
        _ => fs::rename(&folder, &target).map_err(BundleError::io("rename to", &target))?,
    }
    Ok(WrittenPacking { folder: target, packing, text, recovery })
}

/// Refuses a target that cannot hold volumes of `volumes` bytes in all, before anything is written.
fn preflight(
    out: &Path,
    volumes: u64,
    volume_size: u64,
    recovery: Amount,
    free_space: FreeSpace,
) -> Result<(), BundleError> {
    let room = Capacity::of(out)?.with(free_space);
    let largest = volume_size.min(volumes);
    if !room.holds(largest) {
        return Err(BundleError::FileLimit { path: out.to_owned(), size: volume_size });
    }
    let needed = volumes.saturating_add(recovery.about(volumes, largest)).saturating_add(1 << 20);
    match room.free < needed {
        true => Err(BundleError::NoSpace { path: out.to_owned(), needed, free: room.free }),
        false => Ok(()),
    }
}

/// Writes `SHA256SUMS` of a bundle's folder anew, and syncs all of the folder. `recovery` has the digests of recovery files that were
/// just made; those of others are taken from the old `SHA256SUMS`. No volume is read.
pub fn write_sums(folder: &Path, recovery: &[WrittenFile]) -> Result<(), BundleError> {
    let path = folder.join(names::SHA256SUMS);
    let text = sums(folder, recovery)?;
    storage::place_atomically(&path, text.as_bytes(), modes::PUBLIC_FILE).map_err(BundleError::io("write", &path))?;
    sync_folders(folder).map_err(BundleError::io("sync", folder))
}

/// Returns the text of `SHA256SUMS`: the manifest, the item lists and the packings' files, but no signatures.
fn sums(folder: &Path, recovery: &[WrittenFile]) -> Result<String, BundleError> {
    let old = fs::read_to_string(folder.join(names::SHA256SUMS)).unwrap_or_default();
    let mut known: BTreeMap<&str, Sha256> = old.lines().filter_map(sum_line).collect();
    known.extend(recovery.iter().map(|(name, digest)| (name.as_str(), *digest)));
    let mut text = String::new();
    let mut add = |digest: Sha256, name: &str| {
        let _ = writeln!(text, "{digest}  {name}"); // a String takes all
    };
    let path = folder.join(names::MANIFEST);
    let bytes = read_all(&path)?;
    let digest = Sha256::of(&bytes);
    let manifest = Manifest::parse(&bytes).map_err(BundleError::in_file(&path))?;
    add(digest, names::MANIFEST);
    manifest.collections.iter().for_each(|list| add(list.list.stored.sha256, &list.list_file()));
    for id in files_in(&folder.join(names::PACKINGS))? {
        let below = format!("{}/{id}", names::PACKINGS);
        let path = folder.join(&below).join(names::PACKING);
        let Ok(bytes) = fs::read(&path) else { continue }; // it was not written to its end
        let packing = Packing::parse(&bytes, &digest).map_err(BundleError::in_file(&path))?;
        add(Sha256::of(&bytes), &format!("{below}/{}", names::PACKING));
        for (number, volume) in VolumeNumber::all().zip(&packing.volumes) {
            add(volume.index.stored.sha256, &format!("{below}/{}", names::volume_index(number)));
            add(volume.sha256, &format!("{below}/{}", names::volume(number)));
        }
        let files = files_in(&folder.join(&below))?.into_iter().filter(|file| file.ends_with(".rec"));
        for name in files.map(|file| format!("{below}/{file}")) {
            match known.get(name.as_str()) {
                Some(digest) => add(*digest, &name),
                None => add(digest_of(&folder.join(&name))?, &name),
            }
        }
    }
    Ok(text)
}

/// A line of `SHA256SUMS`: file and digest.
fn sum_line(line: &str) -> Option<(&str, Sha256)> {
    let (digest, file) = line.split_once("  ")?;
    Some((file, digest.parse().ok()?))
}

fn digest_of(path: &Path) -> Result<Sha256, BundleError> {
    let read = || Ok(Sha256::of_reader(&mut File::open(path)?)?.0);
    read().map_err(BundleError::io("read", path))
}

/// Returns the sorted names in a folder of ours. Returns an empty list if there is no such folder.
pub(crate) fn files_in(folder: &Path) -> Result<Vec<String>, BundleError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(BundleError::io("look into", folder))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        files.extend(entry.map_err(BundleError::io("look into", folder))?.file_name().into_string().ok());
    }
    files.sort();
    Ok(files)
}

/// The folders of the complete packings in a bundle's folder of ours, sorted.
pub(crate) fn packing_folders(bundle: &Path) -> Result<Vec<PathBuf>, BundleError> {
    let below = bundle.join(names::PACKINGS);
    let folders = files_in(&below)?.into_iter().filter(|name| !name.ends_with(".part")).map(|name| below.join(name));
    Ok(folders.filter(|folder| folder.join(names::PACKING).exists()).collect())
}

fn read_all(path: &Path) -> Result<Vec<u8>, BundleError> {
    fs::read(path).map_err(BundleError::io("read", path))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let create = || {
        let mut file = modes::create_public_file(path)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    };
    create().map_err(BundleError::io("write", path))
}
