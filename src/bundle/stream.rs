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
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::layout::{BLOCK, TRAILER, header, padding};
use super::manifest::MAX_MANIFEST_BYTES;
use super::{BundleError, Signed, names};
use crate::progress::Progress;
use crate::trust::MAX_SIGNATURE_BYTES;

/// What stands in messages where a path would.
pub const NAME: &str = "-";
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
        let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(BundleError::io("write to", Path::new(NAME)));
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
    end.map_err(BundleError::io("write to", Path::new(NAME)))
}

/// A stream that is being read: forwards only.
pub struct Incoming(Mutex<State>);

struct State {
    from: Box<dyn Read + Send>,
    /// Where in the volume that is read now the next byte stands.
    position: u64,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

impl Incoming {
    /// Reads what is signed, and checks the signature.
    pub fn open(from: Box<dyn Read + Send>) -> Result<Signed, BundleError> {
        let mut state = State { from, position: 0 };
        let manifest = state.small_file(names::MANIFEST, MAX_MANIFEST_BYTES)?;
        let signature = state.small_file(names::SIGNATURE, MAX_SIGNATURE_BYTES)?;
        Signed::of_stream(manifest, &signature, Self(Mutex::new(state)))
    }

    /// Goes on to the next volume, which must be this file of this size.
    pub(super) fn next_volume(&self, folder: &str, file: &str, size: u64) -> Result<(), BundleError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = header(&format!("{folder}/{file}"), size);
        let mut found = vec![0; wanted.len()];
        state.read(&mut found).map_err(failure)?;
        state.position = 0;
        if found == wanted {
            return Ok(());
        }
        let member = file.to_owned();
        Err(BundleError::Damaged { path: PathBuf::from(NAME), what: "the header", member, offset: 0 })
    }

    /// Reads from the volume at `offset`, which is not before what was read last.
    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = offset.checked_sub(state.position).ok_or(io::ErrorKind::NotSeekable)?;
        state.skip(skip)?;
        state.read(bytes)?;
        state.position = offset + bytes.len() as u64;
        Ok(())
    }
}

impl State {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.from.read_exact(bytes)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match io::copy(&mut (&mut self.from).take(bytes), &mut io::sink())? == bytes {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// A file before the volumes: its name ends so, and it is not larger than `cap`.
    fn small_file(&mut self, name: &'static str, cap: u64) -> Result<Vec<u8>, BundleError> {
        let path = Path::new(NAME);
        let no_bundle = || BundleError::NotABundle { folder: path.to_owned(), file: name };
        let mut block = tar::Header::new_ustar();
        self.read(block.as_mut_bytes()).map_err(|_| no_bundle())?;
        let path_bytes = block.path_bytes();
        let full = std::str::from_utf8(&path_bytes).ok().filter(|path| path.ends_with(&format!("/{name}")));
        let (full, size) = full.zip(block.size().ok()).ok_or_else(no_bundle)?;
        if header(full, size) != block.as_bytes() {
            return Err(no_bundle());
        }
        if size > cap {
            return Err(BundleError::TooLarge { path: path.join(name), cap });
        }
        let mut bytes = Vec::new();
        let whole = size + padding(size);
        let read = (&mut self.from).take(whole).read_to_end(&mut bytes).map_err(failure)?;
        if read as u64 != whole {
            return Err(BundleError::StreamEnded);
        }
        if bytes.split_off(size as usize).iter().any(|byte| *byte != 0) {
            let (path, member) = (path.to_owned(), name.to_owned());
            return Err(BundleError::Damaged { path, what: "the padding", member, offset: size });
        }
        Ok(bytes)
    }
}

/// A failure to read a stream.
pub(super) fn failure(error: io::Error) -> BundleError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BundleError::StreamEnded,
        _ => BundleError::io("read", Path::new(NAME))(error),
    }
}

const _: () = assert!(BLOCK == 512, "tar::Header is one block");
