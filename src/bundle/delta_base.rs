//! The older revision of a blob that is being packed: whether patches against it pay, and which slice of it is for which.

use std::path::PathBuf;

use super::packing::index::{MAX_BASE_BYTES, Slice};
use super::{BundleError, patch, zstd_frame};
use crate::depot::{BlobReader, Depot, DepotError};
use crate::digest::Sha256;

/// How many pieces of a blob are tried before all of it is, and how large each one is, in bytes.
const PIECES: u64 = 4;
const PIECE_BYTES: u64 = 512 << 10;
/// How much of the older blob is tried for each piece, in bytes.
const AROUND_BYTES: u64 = MAX_BASE_BYTES / PIECES;
/// For slices that are small because volumes are, the base is so many times as large, and at least so many bytes.
const BASE_TO_SLICE: u64 = 2;
const LEAST_BASE_BYTES: u64 = 4 << 20;

/// An older revision.
pub(super) struct DeltaBase {
    digest: Sha256,
    size: u64,
    file: BlobReader,
    path: PathBuf,
}

impl DeltaBase {
    /// Opens the blob; none if it is no longer here, or not what it was, since then the other side's is another.
    pub(super) fn open(depot: &Depot, digest: &Sha256) -> Result<Option<Self>, BundleError> {
        match if depot.hashed_by_this_process(digest) { Ok(()) } else { depot.verify(digest) } {
            Err(DepotError::Missing { .. } | DepotError::DigestMismatch { .. }) => return Ok(None),
            other => other?,
        }
        let (file, path) = (depot.open_blob(digest)?, depot.place(digest));
        let size = depot.size(digest).ok_or(DepotError::Missing { digest: *digest })?;
        Ok((size > 0).then_some(Self { digest: *digest, size, file, path }))
    }

    /// Whether pieces from all over the new blob of `size` bytes in `file` are smaller as a patch. `shrinks` says whether they
    /// would be compressed otherwise.
    pub(super) fn pays(&self, file: &BlobReader, size: u64, shrinks: bool) -> Result<bool, BundleError> {
        let (mut sample, mut around) = (Vec::new(), Vec::new());
        let length = PIECE_BYTES.min(size / PIECES);
        for index in 0..PIECES {
            let start = (size - length) * index / (PIECES - 1);
            let mut piece = vec![0; length as usize];
            file.read_exact_at(&mut piece, start).map_err(BundleError::io("read", &self.path))?;
            sample.extend(piece);
            if index == 0 || self.size > MAX_BASE_BYTES {
                let most = if self.size > MAX_BASE_BYTES { AROUND_BYTES } else { MAX_BASE_BYTES };
                let (from, most) = patch::window(self.size, size, start + length / 2, most);
                around.extend(self.read(from, most)?);
            }
        }
        Ok(self.try_patch(&sample, &around, shrinks)?.is_some())
    }

    /// The slice of this blob for the new blob's slice from `start`, which has `length` bytes of at most `slice`.
    pub(super) fn around(&self, size: u64, (start, length): (u64, u64), slice: u64) -> Slice {
        let most = (slice * BASE_TO_SLICE).clamp(LEAST_BASE_BYTES, MAX_BASE_BYTES);
        let (start, length) = patch::window(self.size, size, start + length / 2, most);
        Slice { length, sha256: self.digest, start }
    }

    /// `content` as a patch against the slice, if that saves a tenth of what it would cost otherwise.
    pub(super) fn patch(&self, content: &[u8], slice: &Slice, shrinks: bool) -> Result<Option<Vec<u8>>, BundleError> {
        self.try_patch(content, &self.read(slice.start, slice.length)?, shrinks)
    }

    fn try_patch(&self, content: &[u8], base: &[u8], shrinks: bool) -> Result<Option<Vec<u8>>, BundleError> {
        let failed = |error| BundleError::io("compress", &self.path)(error);
        let frame = patch::compress(content, base).map_err(failed)?;
        let is_less = |of: usize| frame.len() * 10 <= of * 9;
        let plain = match shrinks && is_less(content.len()) {
            true => zstd_frame::compress(content).map_err(failed)?.len().min(content.len()),
            false => content.len(),
        };
        Ok(is_less(plain).then_some(frame))
    }

    fn read(&self, start: u64, length: u64) -> Result<Vec<u8>, BundleError> {
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, start).map_err(BundleError::io("read", &self.path))?;
        Ok(bytes)
    }
}
