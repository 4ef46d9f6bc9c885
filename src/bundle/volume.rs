//! Writes one volume: a thread hashes and writes what it is sent, so that reading and checking blobs goes on beside it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::layout::{TRAILER, header, padding};
use super::packing::Volume;
use super::{BundleError, names};
use crate::digest::Hashing;
use crate::numbers::VolumeNumber;
use crate::storage::modes;

/// Buffers under way between the two threads; with buffers of 1 MiB this bounds the memory of packing.
const BUFFERS_UNDER_WAY: usize = 8;

/// Bytes on their way into a volume, shared with whoever else looks at them.
pub(super) type Chunk = Arc<Vec<u8>>;

/// A volume being written.
pub(super) struct VolumeWriter {
    path: PathBuf,
    position: u64,
    limit: u64,
    chunks: SyncSender<Chunk>,
    thread: JoinHandle<io::Result<Volume>>,
}

impl VolumeWriter {
    /// Starts volume `number` in `folder`; it will not grow above `limit` bytes.
    pub(super) fn create(folder: &Path, number: VolumeNumber, limit: u64) -> Result<Self, BundleError> {
        let file_name = names::volume(number);
        let path = folder.join(&file_name);
        let file = modes::open_with(File::options().write(true).create_new(true), &path, modes::PUBLIC_FILE)
            .map_err(BundleError::io("create", &path))?;
        let (chunks, received) = sync_channel::<Chunk>(BUFFERS_UNDER_WAY);
        let thread = thread::spawn(move || {
            let mut out = Hashing::new(file);
            for chunk in received {
                out.write_all(&chunk)?;
            }
            let (file, sha256, size) = out.finish();
            file.sync_all()?;
            Ok(Volume { file: file_name, sha256, size })
        });
        Ok(Self { path, position: 0, limit, chunks, thread })
    }

    /// The longest content that still fits behind a member's header; none if not even the header does.
    pub(super) fn room(&self, name: &str) -> Option<u64> {
        let taken = self.position + header(name, 0).len() as u64 + TRAILER;
        let room = self.limit.checked_sub(taken)?;
        Some(room - room % super::layout::BLOCK)
    }

    /// Writes a member's header; returns where its content starts.
    pub(super) fn begin(&mut self, name: &str, stored: u64) -> Result<u64, BundleError> {
        self.send(Arc::new(header(name, stored)))?;
        Ok(self.position)
    }

    /// Writes the zeros after a member of `stored` bytes.
    pub(super) fn end(&mut self, stored: u64) -> Result<(), BundleError> {
        self.send(Arc::new(vec![0; padding(stored) as usize]))
    }

    /// Writes a piece of content.
    pub(super) fn send(&mut self, chunk: Chunk) -> Result<(), BundleError> {
        self.position += chunk.len() as u64;
        // The thread stops early only on an error of its own, and finish() tells which.
        self.chunks.send(chunk).map_err(|_| BundleError::io("write", &self.path)(io::ErrorKind::BrokenPipe.into()))
    }

    /// Ends the volume, syncs it, and says what it became.
    pub(super) fn finish(mut self) -> Result<Volume, BundleError> {
        let _ = self.send(Arc::new(vec![0; TRAILER as usize]));
        drop(self.chunks);
        let result = self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread stopped")));
        result.map_err(BundleError::io("write", &self.path))
    }
}
