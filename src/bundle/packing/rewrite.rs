//! Writes a volume again, byte for byte, from its index and the blobs in a depot.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use super::found::FoundPacking;
use super::index::PartLine;
use crate::bundle::layout::{TRAILER, header, padding};
use crate::bundle::packing::index::{Encoding, Slice};
use crate::bundle::state::lists::BlobWalk;
use crate::bundle::zstd_frame::FrameCompressor;
use crate::bundle::{BundleError, names, patch};
use crate::depot::{Depot, DepotError};
use crate::digest::{Hashing, Sha256};
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::storage::modes;

const BUFFER_BYTES: u64 = 1 << 20;

/// A reason not to write a volume again.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    #[error("{volume} cannot be made again byte for byte by this version of gapferry")]
    Differs { volume: String },
    #[error("{volume} has patches against blob {base}, which the workspace no longer holds")]
    BaseGone { volume: String, base: Sha256 },
    #[error("there is no index of {volume}")]
    NoIndex { volume: String },
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// The blobs that volumes are written from.
#[derive(Clone, Copy)]
pub struct RewriteSource<'a> {
    /// Holds the blobs.
    pub depot: &'a Depot,
    /// The folder for what is restored on the way.
    pub scratch: &'a Path,
    /// Shows how far it is.
    pub progress: &'a Progress,
}

/// Writes volume `number` of the packing to `path`.
pub fn rewrite_volume(
    packing: &FoundPacking,
    number: VolumeNumber,
    walk: &mut BlobWalk<'_>,
    source: RewriteSource<'_>,
    path: &Path,
) -> Result<(), RewriteError> {
    let RewriteSource { depot, scratch, progress } = source;
    let name = names::volume(number);
    let no_index = || RewriteError::NoIndex { volume: name.clone() };
    let index = number.index();
    let copy = packing.index(index, scratch)?.ok_or_else(no_index)?;
    let mut parts = packing.parts(index, copy, walk)?;
    let file = modes::create_public_file(path).map_err(BundleError::io("create", path))?;
    let frames = FrameCompressor::new().map_err(BundleError::io("start zstd for", path))?;
    let mut volume = RewrittenVolume { path, to: Hashing::new(file), depot, frames, progress };
    while let Some(part) = parts.next_part().map_err(BundleError::in_file(path))? {
        let line = &part.line;
        volume.bytes(&header(&line.name, line.stored_bytes()))?;
        volume.content(line).map_err(|error| match (error, &line.base) {
            (BundleError::Depot(DepotError::Missing { digest }), Some(base)) if digest == base.sha256 => {
                RewriteError::BaseGone { volume: name.clone(), base: digest }
            }
            (other, _) => other.into(),
        })?;
        volume.bytes(&vec![0; padding(line.stored_bytes()) as usize])?;
    }
    volume.bytes(&[0; TRAILER as usize])?;
    let (file, sha256, _) = volume.to.finish();
    file.sync_all().map_err(BundleError::io("sync", path))?;
    match packing.packing.volumes.get(index).is_some_and(|volume| volume.sha256 == sha256) {
        true => Ok(()),
        false => Err(RewriteError::Differs { volume: name }),
    }
}

struct RewrittenVolume<'a> {
    path: &'a Path,
    to: Hashing<File>,
    depot: &'a Depot,
    frames: FrameCompressor,
    progress: &'a Progress,
}

impl RewrittenVolume<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.to.write_all(bytes).map_err(BundleError::io("write", self.path))?;
        self.progress.add(bytes.len() as u64);
        Ok(())
    }

    fn content(&mut self, line: &PartLine) -> Result<(), BundleError> {
        if line.encoding != Encoding::Raw {
            let bytes = self.slice(&Slice { length: line.length, sha256: line.blob, start: line.start })?;
            let frame = match &line.base {
                None => self.frames.compress(&bytes),
                Some(base) => patch::compress(&bytes, &self.slice(base)?),
            };
            return self.bytes(&frame.map_err(BundleError::io("compress", &self.depot.place(&line.blob)))?);
        }
        let (mut done, mut length) = (0, line.length);
        while length > 0 {
            let piece = length.min(BUFFER_BYTES);
            let bytes = self.slice(&Slice { length: piece, sha256: line.blob, start: line.start + done })?;
            (done, length) = (done + piece, length - piece);
            self.bytes(&bytes)?;
        }
        Ok(())
    }

    fn slice(&self, slice: &Slice) -> Result<Vec<u8>, BundleError> {
        Ok(self.depot.read_range(&slice.sha256, slice.start, slice.length)?)
    }
}
