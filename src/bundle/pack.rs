//! Writes a bundle: blobs from a depot into volumes, then the manifest over them.
//!
//! Each blob is read once. Its own digest is checked while its bytes go into the volume, so that a blob that rotted on disk
//! is found here and not on the other side of the gap; one that this process has just hashed and written is not hashed again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::delta_base::DeltaBase;
use super::layout::{blob_names, member_name};
use super::manifest::{Blob, Encoding, MAX_PART_BYTES, MAX_ZSTD_SLICE_BYTES, Manifest, Part, Volume};
use super::recovery::write::WrittenFile;
use super::recovery::{self, Amount};
use super::volume::VolumeWriter;
use super::zstd_frame::compress;
use super::{BundleError, names, sidecars};
use crate::depot::{BlobReader, Depot, DepotError};
use crate::digest::{Hashing, Sha256};
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::storage;
use crate::storage::capacity::{Capacity, FreeSpace};
use crate::storage::modes;

/// The smallest volume size, in bytes.
pub const MIN_VOLUME_BYTES: u64 = 64 << 10;
const BUFFER_BYTES: usize = 1 << 20;
/// How much of a blob's middle is compressed to see whether it shrinks, in bytes.
const SAMPLE_BYTES: u64 = 16 << 10;
/// Smaller blobs are not worth a patch, in bytes.
pub const LEAST_PATCHED_BYTES: u64 = 256 << 10;

/// What is to be packed. The manifest's blobs and volumes are filled in by [`pack`].
#[derive(Debug)]
pub struct PackPlan {
    /// The manifest, with no blobs and no volumes yet.
    pub manifest: Manifest,
    /// Blobs that the other side is known to hold: listed in the manifest, but not carried.
    pub held: BTreeSet<Sha256>,
    /// Of blobs to carry, an older revision among those that the other side holds: patches are tried against it.
    pub older: BTreeMap<Sha256, Sha256>,
    /// The size that no volume exceeds, in bytes.
    pub volume_bytes: u64,
    /// What is made beside the volumes, against damage and loss.
    pub recovery: Amount,
    /// Checks the free space of the target first, or ignores it.
    pub free_space: FreeSpace,
}

/// A bundle on disk, not yet under its final name.
#[derive(Debug)]
pub struct Packed {
    /// The finished manifest.
    pub manifest: Manifest,
    /// Its text, exactly as it is to be signed.
    pub text: String,
    staging: PathBuf,
    target: PathBuf,
}

/// Packs into a staging folder in `out`: volumes, manifest, SHA256SUMS and VERIFY.txt.
pub fn pack(plan: PackPlan, depot: &Depot, out: &Path, progress: &Progress) -> Result<Packed, BundleError> {
    let PackPlan { mut manifest, held, older, volume_bytes, recovery, free_space } = plan;
    if volume_bytes < MIN_VOLUME_BYTES {
        return Err(BundleError::VolumeTooSmall { size: volume_bytes, least: MIN_VOLUME_BYTES });
    }
    let sizes = blob_sizes(&manifest, depot)?;
    let carried: u64 = sizes.iter().filter(|(digest, _)| !held.contains(*digest)).map(|(_, size)| size).sum();
    modes::create_public_folders(out).map_err(BundleError::io("create", out))?;
    let room = Capacity::of(out)?.with(free_space);
    preflight(out, room, (carried, sizes.len() as u64), volume_bytes, recovery)?;
    let target = out.join(manifest.folder());
    let staging = out.join(format!("{}.part", manifest.folder()));
    fresh_folder(&staging)?;
    let packing = progress.phase("packing", carried);
    let packed = fill(&mut manifest, &sizes, (&held, &older), depot, &staging, volume_bytes, &packing)
        .and_then(|()| manifest.to_text());
    packing.finish();
    let protect = |text: String| {
        let made = recovery::write::write(&manifest.volumes, &staging, recovery, progress)?;
        write(&staging.join(names::MANIFEST), text.as_bytes())?;
        write_sidecars(&staging, &manifest, Sha256::of(text.as_bytes()), &made)?;
        Ok(text)
    };
    match packed.and_then(protect) {
        Ok(text) => Ok(Packed { manifest, text, staging, target }),
        Err(error) => {
            let _ = fs::remove_dir_all(&staging); // half a bundle is of no use; the first error is what matters
            Err(error)
        }
    }
}

/// Writes the volumes and completes the manifest.
fn fill(
    manifest: &mut Manifest,
    sizes: &BTreeMap<Sha256, u64>,
    (held, older): (&BTreeSet<Sha256>, &BTreeMap<Sha256, Sha256>),
    depot: &Depot,
    folder: &Path,
    volume_bytes: u64,
    progress: &Progress,
) -> Result<(), BundleError> {
    let mut packer = Packer { depot, older, folder, volume_bytes, open: None, volumes: Vec::new(), progress };
    let mut blobs = BTreeMap::new();
    for (name, digest) in in_tree_order(manifest) {
        let size = sizes.get(&digest).copied().unwrap_or_default();
        let parts = match held.contains(&digest) {
            true => Vec::new(),
            // Where the writing thread has stopped, closing the volume tells why.
            false => packer.blob(&name, &digest, size).or_else(|error| packer.close().and(Err(error)))?,
        };
        blobs.insert(digest, Blob { parts, sha256: digest, size });
    }
    manifest.volumes = packer.finish()?;
    manifest.blobs = blobs.into_values().collect();
    Ok(())
}

/// Writes SHA256SUMS, with recovery files too, and VERIFY.txt; those that are there stay until the new ones are complete.
pub(super) fn write_sidecars(
    folder: &Path,
    manifest: &Manifest,
    digest: Sha256,
    recovery: &[WrittenFile],
) -> Result<(), BundleError> {
    let replace = |name: &str, text: String| {
        let (part, path) = (folder.join(format!("{name}.part")), folder.join(name));
        write(&part, text.as_bytes())?;
        fs::rename(&part, &path).map_err(BundleError::io("give its name to", &path))
    };
    replace(names::SHA256SUMS, sidecars::sha256sums(manifest, digest, recovery))?;
    replace(names::VERIFY, sidecars::verify_text(manifest))
}

fn fresh_folder(path: &Path) -> Result<(), BundleError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(BundleError::io("remove", path)(e)),
        _ => modes::create_public_folders(path).map_err(BundleError::io("create", path)),
    }
}

impl Packed {
    /// Adds the signature, if there is one, and gives the bundle its final name in one step; returns its folder, the manifest,
    /// and the manifest's text.
    pub fn publish(self, signature: Option<&str>) -> Result<(PathBuf, Manifest, String), BundleError> {
        if let Some(signature) = signature {
            write(&self.staging.join(names::SIGNATURE), signature.as_bytes())?;
        }
        sync_folder(&self.staging)?;
        fs::rename(&self.staging, &self.target).map_err(BundleError::io("give its name to", &self.target))?;
        sync_folder(self.target.parent().unwrap_or(Path::new(".")))?;
        Ok((self.target, self.manifest, self.text))
    }
}

/// The digests with their names, in the order of the names: so a volume reads like a listing of the tree.
fn in_tree_order(manifest: &Manifest) -> Vec<(String, Sha256)> {
    let mut order: Vec<_> =
        blob_names(&manifest.collections).into_iter().map(|(digest, name)| (name, digest)).collect();
    order.sort();
    order
}

fn blob_sizes(manifest: &Manifest, depot: &Depot) -> Result<BTreeMap<Sha256, u64>, BundleError> {
    let size = |digest: Sha256| Ok((digest, depot.size(&digest).ok_or(DepotError::Missing { digest })?));
    blob_names(&manifest.collections).into_keys().map(size).collect()
}

/// Refuses a target that cannot hold the bundle, before anything is written.
fn preflight(
    out: &Path,
    room: Capacity,
    (carried, members): (u64, u64),
    volume_bytes: u64,
    recovery: Amount,
) -> Result<(), BundleError> {
    let largest = volume_bytes.min(carried + members * 2048);
    if !room.holds(largest) {
        return Err(BundleError::FileLimit { path: out.to_owned(), size: volume_bytes });
    }
    let volumes = carried + members * 2048;
    let needed = volumes + recovery.about(volumes, largest) + (1 << 20);
    let free = room.free;
    if free < needed { Err(BundleError::NoSpace { path: out.to_owned(), needed, free }) } else { Ok(()) }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let create = || {
        let mut file = modes::create_public_file(path)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    };
    create().map_err(BundleError::io("write", path))
}

pub(super) fn sync_folder(path: &Path) -> Result<(), BundleError> {
    storage::sync_folder(path).map_err(BundleError::io("sync", path))
}

struct Packer<'a> {
    depot: &'a Depot,
    older: &'a BTreeMap<Sha256, Sha256>,
    folder: &'a Path,
    volume_bytes: u64,
    open: Option<VolumeWriter>,
    volumes: Vec<Volume>,
    progress: &'a Progress,
}

/// A blob being read: its bytes are hashed as they pass, unless it is fresh.
struct BlobSource {
    path: PathBuf,
    file: BlobReader,
    digest: Option<Hashing<()>>,
}

impl BlobSource {
    fn read(&mut self, length: usize) -> Result<Vec<u8>, BundleError> {
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes).map_err(BundleError::io("read", &self.path))?;
        if let Some(digest) = &mut self.digest {
            digest.absorb(&bytes);
        }
        Ok(bytes)
    }
}

impl Packer<'_> {
    fn blob(&mut self, name: &str, digest: &Sha256, size: u64) -> Result<Vec<Part>, BundleError> {
        let path = self.depot.place(digest);
        let hashing = (!self.depot.hashed_by_this_process(digest)).then(|| Hashing::new(()));
        let mut source = BlobSource { file: self.depot.open_blob(digest)?, path, digest: hashing };
        let shrinks = shrinks(&source, size)?;
        let parts = match self.older(digest, size, &source.file, shrinks)? {
            None if !shrinks => self.raw(name, digest, size, &mut source)?,
            older => self.compressed(name, digest, size, &mut source, (older.as_ref(), shrinks))?,
        };
        let found = source.digest.map_or(*digest, |hashing| hashing.finish().1);
        if found == *digest { Ok(parts) } else { Err(DepotError::DigestMismatch { path: source.path }.into()) }
    }

    /// The older revision that patches build on, where they pay.
    fn older(
        &self,
        digest: &Sha256,
        size: u64,
        file: &BlobReader,
        shrinks: bool,
    ) -> Result<Option<DeltaBase>, BundleError> {
        let digest = self.older.get(digest).filter(|_| size >= LEAST_PATCHED_BYTES);
        match digest.map(|digest| DeltaBase::open(self.depot, digest)).transpose()?.flatten() {
            Some(older) if older.pays(file, size, shrinks)? => Ok(Some(older)),
            _ => Ok(None),
        }
    }

    /// One zstd frame per slice; a slice that does not fit into what is left of the volume goes into the next one.
    fn compressed(
        &mut self,
        name: &str,
        digest: &Sha256,
        size: u64,
        source: &mut BlobSource,
        (older, shrinks): (Option<&DeltaBase>, bool),
    ) -> Result<Vec<Part>, BundleError> {
        let slice = MAX_ZSTD_SLICE_BYTES.min(self.volume_bytes / 4);
        let count = size.div_ceil(slice);
        let mut parts = Vec::new();
        for index in 0..count {
            let start = index * slice;
            let bytes = source.read(slice.min(size - start) as usize)?;
            let length = bytes.len() as u64;
            let base = older.map(|older| (older, older.around(size, (start, length), slice)));
            let patch = base.map(|(older, base)| Ok::<_, BundleError>((older.patch(&bytes, &base, shrinks)?, base)));
            let (encoding, base, stored) = match patch.transpose()? {
                Some((Some(patch), base)) => (Encoding::Patch, Some(base), patch),
                _ => match compress(&bytes).map_err(BundleError::io("compress", &source.path))? {
                    frame if frame.len() < bytes.len() => (Encoding::Zstd, None, frame),
                    _ => (Encoding::Raw, None, bytes),
                },
            };
            let stored = Arc::new(stored);
            let name = member_name(name, index as usize, count as usize, encoding);
            let volume = self.volume_with_room(&name, stored.len() as u64)?;
            let offset = volume.begin(&name, stored.len() as u64)?;
            let sha256 = if encoding != Encoding::Raw || count > 1 { Sha256::of(&stored) } else { *digest };
            let number = volume.number();
            let stored_length = stored.len() as u64;
            volume.send(stored)?;
            volume.end(stored_length)?;
            self.progress.add(length);
            let stored = stored_length;
            parts.push(Part { base, encoding, length, offset, sha256, start, stored, volume: number });
        }
        Ok(parts)
    }

    /// As it is; cut where the volume ends.
    fn raw(
        &mut self,
        name: &str,
        digest: &Sha256,
        size: u64,
        source: &mut BlobSource,
    ) -> Result<Vec<Part>, BundleError> {
        let cuts = self.cuts(name, size)?;
        let mut parts = Vec::new();
        let mut start = 0;
        for (index, &length) in cuts.iter().enumerate() {
            let name = member_name(name, index, cuts.len(), Encoding::Raw);
            let volume = self.volume_with_room(&name, length)?;
            let (number, offset) = (volume.number(), volume.begin(&name, length)?);
            let sha256 = self.copy(length, source, cuts.len() > 1)?.unwrap_or(*digest);
            let encoding = Encoding::Raw;
            parts.push(Part { base: None, encoding, length, offset, sha256, start, stored: length, volume: number });
            start += length;
        }
        Ok(parts)
    }

    /// Copies `length` bytes into the open volume; returns their digest where it is asked for.
    fn copy(&mut self, length: u64, source: &mut BlobSource, hash: bool) -> Result<Option<Sha256>, BundleError> {
        let mut digest = hash.then(|| Hashing::new(()));
        let mut left = length;
        while left > 0 {
            let chunk = Arc::new(source.read(left.min(BUFFER_BYTES as u64) as usize)?);
            left -= chunk.len() as u64;
            self.progress.add(chunk.len() as u64);
            if let Some(volume) = &mut self.open {
                volume.send(Arc::clone(&chunk))?;
            }
            if let Some(digest) = &mut digest {
                digest.absorb(&chunk);
            }
        }
        if let Some(volume) = &mut self.open {
            volume.end(length)?;
        }
        Ok(digest.map(|digest| digest.finish().1))
    }

    /// The lengths of the parts of a raw blob: whole if it fits into the open volume, else cut at the volumes' ends.
    fn cuts(&mut self, name: &str, size: u64) -> Result<Vec<u64>, BundleError> {
        let name = member_name(name, 0, 2, Encoding::Raw); // as long as any part's name
        let fresh = self.volume_bytes - super::layout::header_length(&name) - super::layout::TRAILER;
        let fresh = (fresh - fresh % super::layout::BLOCK).min(MAX_PART_BYTES);
        let least = (self.volume_bytes / 16).min(4 << 20); // not worth a part of its own
        let room = match self.open.as_ref().and_then(|volume| volume.room(&name)) {
            Some(room) if size <= room && size <= MAX_PART_BYTES => return Ok(vec![size]),
            room => room.unwrap_or(0).min(MAX_PART_BYTES),
        };
        let mut cuts = Vec::new();
        let mut left = size;
        if room >= least && left > room {
            cuts.push(room);
            left -= room;
        } else {
            self.close()?;
        }
        while left > fresh {
            cuts.push(fresh);
            left -= fresh;
        }
        if left > 0 || cuts.is_empty() {
            cuts.push(left);
        }
        Ok(cuts)
    }

    fn volume_with_room(&mut self, name: &str, stored: u64) -> Result<&mut VolumeWriter, BundleError> {
        if self.open.as_ref().is_some_and(|volume| volume.room(name).is_none_or(|room| room < stored)) {
            self.close()?;
        }
        if self.open.is_none() {
            let too_many = || BundleError::Inconsistent("it has too many volumes".to_owned());
            let number = VolumeNumber::at(self.volumes.len()).ok_or_else(too_many)?;
            self.open = Some(VolumeWriter::create(self.folder, number, self.volume_bytes)?);
        }
        self.open.as_mut().ok_or(BundleError::VolumeTooSmall { size: self.volume_bytes, least: MIN_VOLUME_BYTES })
    }

    fn close(&mut self) -> Result<(), BundleError> {
        if let Some(volume) = self.open.take() {
            self.volumes.push(volume.finish()?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Volume>, BundleError> {
        self.close()?;
        Ok(self.volumes)
    }
}

/// Whether a sample from the blob's middle shrinks by a tenth or more.
fn shrinks(source: &BlobSource, size: u64) -> Result<bool, BundleError> {
    let length = SAMPLE_BYTES.min(size);
    let mut sample = vec![0; length as usize];
    let read = source.file.read_exact_at(&mut sample, (size - length) / 2);
    read.map_err(BundleError::io("read", &source.path))?;
    let frame = zstd::bulk::compress(&sample, 1).map_err(BundleError::io("compress", &source.path))?;
    Ok(frame.len() as u64 * 10 <= length * 9 && size > 0)
}
