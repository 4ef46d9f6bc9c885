//! A bundle that arrives as a stream: read forwards only.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::layout::{BLOCK, header, padding};
use super::manifest::MAX_MANIFEST_BYTES;
use super::{BundleError, names};
use crate::trust::MAX_SIGNATURE_BYTES;

/// The name of a stream in messages, in the place of a path.
pub const STREAM_NAME: &str = "-";

/// A stream that is being read: forwards only.
pub(super) struct Incoming(Mutex<IncomingState>);

struct IncomingState {
    from: Box<dyn Read + Send>,
    /// Offset of the next byte in the current volume.
    position: u64,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

impl Incoming {
    /// Begins to read. Returns the stream with the manifest and its signature, of which nothing is checked yet.
    pub(super) fn begin(from: Box<dyn Read + Send>) -> Result<(Self, Vec<u8>, Vec<u8>), BundleError> {
        let mut state = IncomingState { from, position: 0 };
        let manifest = state.small_file(names::MANIFEST, MAX_MANIFEST_BYTES)?;
        let signature = state.small_file(names::SIGNATURE, MAX_SIGNATURE_BYTES)?;
        Ok((Self(Mutex::new(state)), manifest, signature))
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
        Err(BundleError::Damaged { path: PathBuf::from(STREAM_NAME), what: "the header", member, offset: 0 })
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

impl IncomingState {
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
        let path = Path::new(STREAM_NAME);
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
        _ => BundleError::io("read", Path::new(STREAM_NAME))(error),
    }
}

const _: () = assert!(BLOCK == 512, "tar::Header is one block");
