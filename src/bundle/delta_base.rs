//! The older revision of a blob that is being packed: whether patches against it pay, and which slice of it is for which.

use std::ops::Range;
use std::path::PathBuf;

use super::packing::index::{MAX_BASE_BYTES, Slice};
use super::zstd_frame::FrameCompressor;
use super::{BundleError, patch};
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

/// The answer of a sample to whether a blob is compressed if no patch of it pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compressible {
    Yes,
    No,
}

impl DeltaBase {
    /// Opens the blob; none if it is no longer here, or not what it was, since then the other side's is another.
    pub(super) fn open(depot: &Depot, digest: &Sha256) -> Result<Option<Self>, BundleError> {
        match if depot.hashed_by_this_process(digest) { Ok(()) } else { depot.verify(digest) } {
            Err(DepotError::Missing { .. } | DepotError::DigestMismatch { .. }) => return Ok(None),
            other => other?,
        }
        let (file, path) = (depot.open_blob(digest)?, depot.place(digest));
        let size = depot.expect_size(digest)?;
        Ok((size > 0).then_some(Self { digest: *digest, size, file, path }))
    }

    /// Returns `true` if pieces from all over the new blob of `size` bytes in `file` are smaller as a patch.
    pub(super) fn pays(&self, file: &BlobReader, size: u64, otherwise: Compressible) -> Result<bool, BundleError> {
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
        Ok(self.try_patch(&sample, &around, otherwise)?.is_some())
    }

    /// Returns the slice of this blob for a slice of the new blob, of which slices have at most `slice` bytes.
    pub(super) fn around(&self, size: u64, of: &Range<u64>, slice: u64) -> Slice {
        let most = (slice * BASE_TO_SLICE).clamp(LEAST_BASE_BYTES, MAX_BASE_BYTES);
        let (start, length) = patch::window(self.size, size, of.start + (of.end - of.start) / 2, most);
        Slice { length, sha256: self.digest, start }
    }

    /// `content` as a patch against the slice, if that saves a tenth of what it would cost otherwise.
    pub(super) fn patch(
        &self,
        content: &[u8],
        slice: &Slice,
        otherwise: Compressible,
    ) -> Result<Option<Vec<u8>>, BundleError> {
        self.try_patch(content, &self.read(slice.start, slice.length)?, otherwise)
    }

    fn try_patch(&self, content: &[u8], base: &[u8], otherwise: Compressible) -> Result<Option<Vec<u8>>, BundleError> {
        let failed = |error| BundleError::io("compress", &self.path)(error);
        let frame = patch::compress(content, base).map_err(failed)?;
        let is_less = |of: usize| frame.len() * 10 <= of * 9;
        let plain = match otherwise == Compressible::Yes && is_less(content.len()) {
            true => FrameCompressor::new()
                .and_then(|mut frames| frames.compress(content))
                .map_err(failed)?
                .len()
                .min(content.len()),
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
