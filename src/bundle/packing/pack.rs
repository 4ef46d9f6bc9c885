//! Writes the volumes of a packing: blobs from a depot in the order of the item lists, and beside each volume its index.
//!
//! Each blob is read once. Its own digest is checked while its bytes go into the volume, so that a blob that rotted on disk
//! is found here and not on the other side of the gap; one that this process has just hashed and written is not hashed again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

use super::index::{MAX_BLOB_PARTS, PartLine, VOLUME_INDEX_CAPS, member_name};
use super::{MIN_VOLUME_SIZE, PackedVolume};
use crate::bundle::delta_base::{Compressible, DeltaBase};
use crate::bundle::format_error::FormatError;
use crate::bundle::layout::{BLOCK, TRAILER, header_length};
use crate::bundle::packing::index::{Encoding, MAX_PART_BYTES, MAX_ZSTD_SLICE_BYTES};
use crate::bundle::state::blob_table::{BlobMark, BlobTable};
use crate::bundle::state::lists::{PlacedBlob, StateLists};
use crate::bundle::stored_list::ListWriter;
use crate::bundle::volume::VolumeWriter;
use crate::bundle::zstd_frame::FrameCompressor;
use crate::bundle::{BundleError, names};
use crate::depot::{BlobReader, Depot, DepotError};
use crate::digest::{Hashing, Sha256};
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::storage::modes;

/// Size of the sample from a blob's middle that shows if the blob shrinks, in bytes.
const SAMPLE_BYTES: u64 = 16 << 10;
/// Smaller blobs are not worth a patch, in bytes.
pub const LEAST_PATCHED_BYTES: u64 = 256 << 10;

/// The content of the volumes of a packing.
pub struct VolumeContent<'a> {
    /// The state's item lists.
    pub lists: &'a StateLists,
    /// The state's blobs; those that are marked as held do not travel.
    pub blobs: &'a BlobTable,
    /// By blob that travels, an older revision that the other side holds: patches are tried against it.
    pub older: &'a BTreeMap<Sha256, Sha256>,
    /// The size that no volume exceeds, in bytes.
    pub volume_size: u64,
}

/// Writes volumes and indexes into `folder`, which is empty. Returns what the packing has to say of them.
pub fn write_volumes(
    content: &VolumeContent<'_>,
    depot: &Depot,
    folder: &Path,
    progress: &Progress,
) -> Result<Vec<PackedVolume>, BundleError> {
    if content.volume_size < MIN_VOLUME_SIZE {
        return Err(BundleError::VolumeTooSmall { size: content.volume_size, least: MIN_VOLUME_SIZE });
    }
    let compressor = |made: io::Result<_>| made.map_err(BundleError::io("start zstd for", folder));
    let (frames, samples) = (compressor(FrameCompressor::new())?, compressor(FrameCompressor::fastest())?);
    let (older, volume_size, open, volumes) = (content.older, content.volume_size, None, Vec::new());
    let mut packer = Packer { depot, older, folder, volume_size, frames, samples, open, volumes, progress };
    let mut walk = content.lists.walk(content.blobs);
    let in_lists = BundleError::in_file(folder);
    loop {
        let blob = match walk.next_blob() {
            Ok(Some(blob)) => blob,
            Ok(None) => break,
            Err(reason) => return Err(in_lists(reason)),
        };
        if content.blobs.get(&blob.sha256).is_some_and(|entry| entry.has(BlobMark::Held)) {
            continue;
        }
        // Where the writing thread has stopped, closing the volume tells why.
        packer.blob(blob).or_else(|error| packer.close().and(Err(error)))?;
    }
    packer.finish()
}

struct Packer<'a> {
    depot: &'a Depot,
    older: &'a BTreeMap<Sha256, Sha256>,
    folder: &'a Path,
    volume_size: u64,
    /// Makes the frames that travel.
    frames: FrameCompressor,
    /// Compresses samples, as fast as it goes.
    samples: FrameCompressor,
    open: Option<OpenVolume>,
    volumes: Vec<PackedVolume>,
    progress: &'a Progress,
}

/// A volume and its index, being written.
struct OpenVolume {
    content: VolumeWriter,
    index: ListWriter<BufWriter<File>>,
    index_path: PathBuf,
}

impl OpenVolume {
    fn create(folder: &Path, number: VolumeNumber, volume_size: u64) -> Result<Self, BundleError> {
        let content = VolumeWriter::create(folder, number, volume_size)?;
        let index_path = folder.join(names::volume_index(number));
        let file = modes::create_public_file(&index_path).map_err(BundleError::io("create", &index_path))?;
        let index = ListWriter::new(BufWriter::new(file), VOLUME_INDEX_CAPS);
        let index = index.map_err(BundleError::in_file(&index_path))?;
        Ok(Self { content, index, index_path })
    }

    /// Copies `length` bytes of a blob. Returns their digest if `digest` is given.
    fn copy(
        &mut self,
        length: u64,
        source: &mut BlobSource<'_>,
        mut digest: Option<Hashing<()>>,
        progress: &Progress,
    ) -> Result<Option<Sha256>, BundleError> {
        let mut left = length;
        while left > 0 {
            let read = self.content.fill(left, |piece| {
                source.read(piece)?;
                digest.iter_mut().for_each(|digest| digest.absorb(piece));
                Ok(())
            })?;
            left -= read as u64;
            progress.add(read as u64);
        }
        self.content.end(length)?;
        Ok(digest.map(|digest| digest.finish().1))
    }

    fn note(&mut self, line: &PartLine) -> Result<(), BundleError> {
        self.index.push(line).map_err(BundleError::in_file(&self.index_path))
    }

    fn finish(self) -> Result<PackedVolume, BundleError> {
        let Self { content, index, index_path } = self;
        let volume = content.finish()?;
        let (file, index) = index.finish().map_err(BundleError::in_file(&index_path))?;
        let file = file.into_inner().map_err(|error| BundleError::io("write", &index_path)(error.into_error()))?;
        file.sync_all().map_err(BundleError::io("write", &index_path))?;
        Ok(PackedVolume { index, sha256: volume.sha256, size: volume.size })
    }
}

/// A blob being read: its bytes are hashed as they pass, unless this process has just hashed them.
struct BlobSource<'a> {
    blob: &'a PlacedBlob,
    path: PathBuf,
    file: BlobReader,
    digest: Option<Hashing<()>>,
}

impl BlobSource<'_> {
    /// Reads the next bytes.
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), BundleError> {
        self.file.read_exact(bytes).map_err(BundleError::io("read", &self.path))?;
        if let Some(digest) = &mut self.digest {
            digest.absorb(bytes);
        }
        Ok(())
    }

    /// Returns `Yes` if a sample from the blob's middle shrinks by a tenth or more.
    fn compressible(&self, samples: &mut FrameCompressor) -> Result<Compressible, BundleError> {
        let length = SAMPLE_BYTES.min(self.blob.size);
        let mut sample = vec![0; length as usize];
        let read = self.file.read_exact_at(&mut sample, (self.blob.size - length) / 2);
        read.map_err(BundleError::io("read", &self.path))?;
        let frame = samples.compress(&sample).map_err(BundleError::io("compress", &self.path))?;
        let shrinks = frame.len() as u64 * 10 <= length * 9 && length > 0;
        Ok(if shrinks { Compressible::Yes } else { Compressible::No })
    }
}

/// A slice of a blob, as it is stored.
struct StoredSlice {
    base: Option<crate::bundle::packing::index::Slice>,
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl Packer<'_> {
    fn blob(&mut self, blob: &PlacedBlob) -> Result<(), BundleError> {
        let path = self.depot.place(&blob.sha256);
        let file = self.depot.open_blob(&blob.sha256)?;
        if !self.depot.has(&blob.sha256, blob.size)? {
            return Err(DepotError::DigestMismatch { path }.into());
        }
        let digest = (!self.depot.hashed_by_this_process(&blob.sha256)).then(|| Hashing::new(()));
        let mut source = BlobSource { blob, path, file, digest };
        let compressible = source.compressible(&mut self.samples)?;
        match self.delta_base(&source, compressible)? {
            None if compressible == Compressible::No => self.raw(&mut source)?,
            base => self.slices(&mut source, base.as_ref(), compressible)?,
        }
        let found = source.digest.map_or(blob.sha256, |hashing| hashing.finish().1);
        match found == blob.sha256 {
            true => Ok(()),
            false => Err(DepotError::DigestMismatch { path: source.path }.into()),
        }
    }

    /// Returns the older revision that patches build on, if they pay.
    fn delta_base(
        &self,
        source: &BlobSource<'_>,
        compressible: Compressible,
    ) -> Result<Option<DeltaBase>, BundleError> {
        let blob = source.blob;
        let digest = self.older.get(&blob.sha256).filter(|_| blob.size >= LEAST_PATCHED_BYTES);
        match digest.map(|digest| DeltaBase::open(self.depot, digest)).transpose()?.flatten() {
            Some(base) if base.pays(&source.file, blob.size, compressible)? => Ok(Some(base)),
            _ => Ok(None),
        }
    }

    /// Writes one frame per slice. A slice that does not fit into what is left of the volume goes into the next one.
    fn slices(
        &mut self,
        source: &mut BlobSource<'_>,
        base: Option<&DeltaBase>,
        compressible: Compressible,
    ) -> Result<(), BundleError> {
        let (blob, most) = (source.blob, MAX_ZSTD_SLICE_BYTES.min(self.volume_size / 4));
        let count = blob.size.div_ceil(most);
        self.check_parts(blob, count)?;
        for index in 0..count {
            let start = index * most;
            let mut content = vec![0; most.min(blob.size - start) as usize];
            source.read(&mut content)?;
            let length = content.len() as u64;
            let StoredSlice { base, encoding, bytes } = match base {
                Some(base) => {
                    let slice = base.around(blob.size, &(start..start + length), most);
                    match base.patch(&content, &slice, compressible)? {
                        Some(bytes) => StoredSlice { base: Some(slice), encoding: Encoding::Patch, bytes },
                        None => self.compressed(content, &source.path)?,
                    }
                }
                None => self.compressed(content, &source.path)?,
            };
            let name = member_name(&blob.name, (count > 1).then_some(index + 1), encoding);
            let is_blob = encoding == Encoding::Raw && count == 1;
            let sha256 = (!is_blob).then(|| Sha256::of(&bytes));
            let stored = bytes.len() as u64;
            let volume = self.volume_with_room(&name, stored)?;
            let offset = volume.content.begin(&name, stored)?;
            volume.content.write(&bytes)?;
            volume.content.end(stored)?;
            let stored = (encoding != Encoding::Raw).then_some(stored);
            volume.note(&PartLine {
                base,
                blob: blob.sha256,
                encoding,
                length,
                name,
                offset,
                sha256,
                start,
                stored,
            })?;
            self.progress.add(length);
        }
        Ok(())
    }

    /// Compresses a slice, or leaves it as it is if that is no longer.
    fn compressed(&mut self, content: Vec<u8>, path: &Path) -> Result<StoredSlice, BundleError> {
        let frame = self.frames.compress(&content).map_err(BundleError::io("compress", path))?;
        Ok(match frame.len() < content.len() {
            true => StoredSlice { base: None, encoding: Encoding::Zstd, bytes: frame },
            false => StoredSlice { base: None, encoding: Encoding::Raw, bytes: content },
        })
    }

    /// Writes the blob as it is, cut where volumes end.
    fn raw(&mut self, source: &mut BlobSource<'_>) -> Result<(), BundleError> {
        let blob = source.blob;
        let cuts = self.cuts(blob)?;
        self.check_parts(blob, cuts.len() as u64)?;
        let (mut start, progress) = (0, self.progress);
        for (number, &length) in (1..).zip(&cuts) {
            let is_cut = cuts.len() > 1;
            let name = member_name(&blob.name, is_cut.then_some(number), Encoding::Raw);
            let volume = self.volume_with_room(&name, length)?;
            let offset = volume.content.begin(&name, length)?;
            let sha256 = volume.copy(length, source, is_cut.then(|| Hashing::new(())), progress)?;
            volume.note(&PartLine {
                base: None,
                blob: blob.sha256,
                encoding: Encoding::Raw,
                length,
                name,
                offset,
                sha256,
                start,
                stored: None,
            })?;
            start += length;
        }
        Ok(())
    }

    /// Returns the lengths of the parts of a raw blob: one if it fits into the open volume, else cut at the volumes' ends.
    fn cuts(&mut self, blob: &PlacedBlob) -> Result<Vec<u64>, BundleError> {
        let name = member_name(&blob.name, Some(1), Encoding::Raw); // as long as any part's name
        let fresh = self.volume_size - header_length(&name) - TRAILER;
        let fresh = (fresh - fresh % BLOCK).min(MAX_PART_BYTES);
        let least = (self.volume_size / 16).min(4 << 20); // not worth a part of its own
        let room = match self.open.as_ref().and_then(|volume| volume.content.room(&name)) {
            Some(room) if blob.size <= room && blob.size <= MAX_PART_BYTES => return Ok(vec![blob.size]),
            room => room.unwrap_or(0).min(MAX_PART_BYTES),
        };
        let (mut cuts, mut left) = (Vec::new(), blob.size);
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

    fn check_parts(&self, blob: &PlacedBlob, count: u64) -> Result<(), BundleError> {
        match count > MAX_BLOB_PARTS {
            true => Err(self.too_many(MAX_BLOB_PARTS, "parts of a blob", &blob.name)),
            false => Ok(()),
        }
    }

    fn too_many(&self, cap: u64, what: &'static str, of: &str) -> BundleError {
        BundleError::in_file(&self.folder.join(of))(FormatError::TooMany { cap, what })
    }

    fn volume_with_room(&mut self, name: &str, stored: u64) -> Result<&mut OpenVolume, BundleError> {
        if self.open.as_ref().is_some_and(|volume| volume.content.room(name).is_none_or(|room| room < stored)) {
            self.close()?;
        }
        if self.open.is_none() {
            let too_many = || self.too_many(VolumeNumber::MAX.get(), "volumes of this size", names::PACKING);
            let number = VolumeNumber::at(self.volumes.len()).ok_or_else(too_many)?;
            self.open = Some(OpenVolume::create(self.folder, number, self.volume_size)?);
        }
        self.open.as_mut().ok_or(BundleError::VolumeTooSmall { size: self.volume_size, least: MIN_VOLUME_SIZE })
    }

    fn close(&mut self) -> Result<(), BundleError> {
        if let Some(volume) = self.open.take() {
            self.volumes.push(volume.finish()?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<PackedVolume>, BundleError> {
        self.close()?;
        Ok(self.volumes)
    }
}
