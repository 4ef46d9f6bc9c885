//! A bundle as one stream, for diodes and pipes: a tar file with the bundle's folder in it, what is signed first.
//!
//! ```text
//! BUNDLE/manifest.json, BUNDLE/manifest.json.sig, BUNDLE/volume-001.tar …, BUNDLE/SHA256SUMS, BUNDLE/VERIFY.txt
//! ```
//!
//! There is no way back on a diode, so nothing is asked: whoever reads has all that it needs in the order in which it needs it.
//! Of the headers of the first two files only the folder's name and the size are believed, the latter up to a cap; the manifest
//! determines every other byte. What follows the last volume is for people and is not read.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use super::incoming::{Incoming, STREAM_NAME};
use super::layout::{TRAILER, header, padding};
use super::{BundleError, Signed, names};
use crate::progress::Progress;

const BUFFER_BYTES: usize = 1 << 20;

/// Writes the bundle in `folder` to `out`.
pub fn send(folder: &Path, out: &mut dyn Write, progress: &Progress) -> Result<(), BundleError> {
    let bundle = Signed::open(folder)?.trusted(|_| Ok::<_, BundleError>(()))?;
    let missing = bundle.missing_volumes();
    if !missing.is_empty() {
        return Err(BundleError::VolumesMissing { folder: folder.to_owned(), missing });
    }
    let name = bundle.manifest.folder();
    let total = bundle.manifest.volumes.iter().map(|volume| volume.size).sum();
    let progress = progress.phase("sending", total);
    let volumes = bundle.manifest.volumes.iter().map(|volume| volume.file.as_str());
    let files =
        [names::MANIFEST, names::SIGNATURE].into_iter().chain(volumes).chain([names::SHA256SUMS, names::VERIFY]);
    let mut buffer = vec![0; BUFFER_BYTES];
    for file in files {
        let path = folder.join(file);
        let mut from = File::open(&path).map_err(BundleError::io("open", &path))?;
        let size = from.metadata().map_err(BundleError::io("look at", &path))?.len();
        let mut write =
            |bytes: &[u8]| out.write_all(bytes).map_err(BundleError::io("write to", Path::new(STREAM_NAME)));
        write(&header(&format!("{name}/{file}"), size))?;
        let mut left = size;
        while left > 0 {
            let piece = buffer.get_mut(..left.min(BUFFER_BYTES as u64) as usize).unwrap_or_default();
            from.read_exact(piece).map_err(BundleError::io("read", &path))?;
            write(piece)?;
            left -= piece.len() as u64;
            progress.add(if file.ends_with(".tar") { piece.len() as u64 } else { 0 });
        }
        write(&vec![0; padding(size) as usize])?;
    }
    let end = out.write_all(&[0; TRAILER as usize]).and_then(|()| out.flush());
    progress.finish();
    end.map_err(BundleError::io("write to", Path::new(STREAM_NAME)))
}

/// Reads what is signed from a stream, and checks the signature. The volumes are still to come.
pub fn receive(from: Box<dyn Read + Send>) -> Result<Signed, BundleError> {
    let (stream, manifest, signature) = Incoming::begin(from)?;
    Signed::of_stream(manifest, &signature, stream)
}
