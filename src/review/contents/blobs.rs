//! Takes wanted blobs out of volumes: each one in a nameless file, whole and verified.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::wanted::WantedBlobs;
use crate::bundle::BundleError;
use crate::bundle::packing::byte_ranges::ByteRanges;
use crate::bundle::packing::index::Slice;
use crate::bundle::packing::unpack::{ContentSink, PartSink};
use crate::bundle::packing::volume_parts::VolumePart;
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;

/// A package in a file, or in an object.
pub(in crate::review) trait PackageFile: Read + Seek + Send {}

impl<T: Read + Seek + Send> PackageFile for T {}

/// Looks at a blob whose bytes are verified.
pub(in crate::review) type BlobLook<'a> = dyn Fn(&Sha256, &mut dyn PackageFile) -> Result<(), BundleError> + Sync + 'a;

/// Collects the wanted blobs of volumes.
pub(super) struct BlobSink<'a> {
    wanted: &'a WantedBlobs,
    /// Has what patches build on.
    bases: Option<&'a Depot>,
    scratch: &'a Path,
    look: &'a BlobLook<'a>,
    /// The wanted blobs that were found; `None` while some of their parts are missing.
    found: Mutex<HashMap<Sha256, Option<PartialBlob>>>,
}

/// A blob of which some parts are here.
#[derive(Clone, Debug)]
struct PartialBlob {
    file: Arc<File>,
    ranges: ByteRanges,
}

/// A part that is being written.
pub(super) struct BlobPart {
    file: Arc<File>,
    position: u64,
    scratch: std::path::PathBuf,
}

impl<'a> BlobSink<'a> {
    pub(super) fn new(
        wanted: &'a WantedBlobs,
        bases: Option<&'a Depot>,
        scratch: &'a Path,
        look: &'a BlobLook<'a>,
    ) -> Self {
        Self { wanted, bases, scratch, look, found: Mutex::default() }
    }

    /// Returns whether the blob was found and looked at.
    pub(super) fn has(&self, blob: &Sha256) -> bool {
        matches!(self.lock().get(blob), Some(None))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sha256, Option<PartialBlob>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_file(&self) -> Result<Arc<File>, BundleError> {
        tempfile::tempfile_in(self.scratch).map(Arc::new).map_err(BundleError::io("write into", self.scratch))
    }

    /// Takes note of a part of a blob. Returns the blob's file once all of it is there.
    fn add_part(&self, part: &VolumePart) -> Option<Arc<File>> {
        let mut found = self.lock();
        let cut = found.get_mut(&part.line.blob)?.as_mut()?;
        cut.ranges.add(part.line.start, part.line.end());
        cut.ranges.has(0, part.blob_size).then(|| cut.file.clone())
    }

    fn look_at(&self, blob: &Sha256, file: &File) -> Result<(), BundleError> {
        let mut file = file;
        file.rewind().map_err(BundleError::io("read", self.scratch))?;
        (self.look)(blob, &mut file)?;
        self.lock().insert(*blob, None);
        Ok(())
    }
}

impl ContentSink for BlobSink<'_> {
    type Part = BlobPart;

    fn wants(&self, part: &VolumePart) -> bool {
        self.wanted.contains_key(&part.line.blob) && !self.has(&part.line.blob)
    }

    fn base(&self, base: &Slice) -> Result<Option<Vec<u8>>, BundleError> {
        let Some(depot) = self.bases else { return Ok(None) };
        match depot.read_range(&base.sha256, base.start, base.length) {
            Ok(bytes) => Ok(Some(bytes)),
            // Then the patch is not used, and the blob counts as not looked into.
            Err(DepotError::Missing { .. } | DepotError::File(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn is_rotten(&self, _: &Slice) -> Result<bool, BundleError> {
        Ok(true)
    }

    fn begin(&self, part: &VolumePart) -> Result<BlobPart, BundleError> {
        let file = self.new_file()?;
        let file = match part.is_whole() {
            true => file,
            false => {
                let mut found = self.lock();
                let cut = found.entry(part.line.blob).or_default();
                cut.get_or_insert_with(|| PartialBlob { file, ranges: ByteRanges::default() }).file.clone()
            }
        };
        Ok(BlobPart { file, position: part.line.start, scratch: self.scratch.to_owned() })
    }

    fn done(&self, part: &VolumePart, content: BlobPart) -> Result<(), BundleError> {
        let blob = part.line.blob;
        if part.is_whole() {
            return self.look_at(&blob, &content.file);
        }
        let Some(file) = self.add_part(part) else { return Ok(()) };
        let mut whole = &*file;
        whole.rewind().map_err(BundleError::io("read", self.scratch))?;
        let (digest, _) = Sha256::of_reader(&mut whole).map_err(BundleError::io("read", self.scratch))?;
        match digest == blob {
            true => self.look_at(&blob, &file),
            false => Err(BundleError::WrongBlob { digest: blob }),
        }
    }

    fn bad(&self, _: &VolumePart, _: BlobPart) {}
}

impl PartSink for BlobPart {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.file.write_all_at(bytes, self.position).map_err(BundleError::io("write into", &self.scratch))?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}
