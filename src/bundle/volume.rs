//! Writes one volume: a thread hashes and writes what it is sent, so that reading and checking blobs goes on beside it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use super::layout::{TRAILER, header, padding};
use super::packing::Volume;
use super::{BundleError, names};
use crate::digest::Hashing;
use crate::numbers::VolumeNumber;
use crate::storage::{WriteBehind, modes};

/// Bytes that one buffer holds: several small members, so that the threads meet rarely.
const BUFFER_BYTES: usize = 256 << 10;
/// Buffers under way between the two threads, which bounds the memory of packing.
const BUFFERS_UNDER_WAY: usize = 32;

/// Bytes on their way into a volume.
struct VolumeBuffer {
    bytes: Vec<u8>,
    filled: usize,
}

/// A volume being written.
pub(super) struct VolumeWriter {
    path: PathBuf,
    position: u64,
    limit: u64,
    buffer: VolumeBuffer,
    full: SyncSender<VolumeBuffer>,
    spare: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<Volume>>,
}

impl VolumeWriter {
    /// Starts volume `number` in `folder`; it will not grow above `limit` bytes.
    pub(super) fn create(folder: &Path, number: VolumeNumber, limit: u64) -> Result<Self, BundleError> {
        let file_name = names::volume(number);
        let path = folder.join(&file_name);
        let file = modes::open_with(File::options().write(true).create_new(true), &path, modes::PUBLIC_FILE)
            .map_err(BundleError::io("create", &path))?;
        let (full, buffers) = sync_channel(BUFFERS_UNDER_WAY);
        let (used, spare) = channel();
        let thread = thread::spawn(move || write(file_name, file, &buffers, &used));
        Ok(Self { path, position: 0, limit, buffer: VolumeBuffer::new(), full, spare, thread })
    }

    /// The longest content that still fits behind a member's header; none if not even the header does.
    pub(super) fn room(&self, name: &str) -> Option<u64> {
        let taken = self.position + header(name, 0).len() as u64 + TRAILER;
        let room = self.limit.checked_sub(taken)?;
        Some(room - room % super::layout::BLOCK)
    }

    /// Writes a member's header; returns where its content starts.
    pub(super) fn begin(&mut self, name: &str, stored: u64) -> Result<u64, BundleError> {
        self.write(&header(name, stored))?;
        Ok(self.position)
    }

    /// Writes the zeros after a member of `stored` bytes.
    pub(super) fn end(&mut self, stored: u64) -> Result<(), BundleError> {
        self.write(&vec![0; padding(stored) as usize])
    }

    /// Writes a piece of content.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), BundleError> {
        while !bytes.is_empty() {
            let written = self.fill(bytes.len() as u64, |room| {
                room.copy_from_slice(&bytes[..room.len()]);
                Ok(())
            })?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Writes a piece of content, of up to `most` bytes, that `read` puts into the buffer. Returns its length.
    pub(super) fn fill(
        &mut self,
        most: u64,
        read: impl FnOnce(&mut [u8]) -> Result<(), BundleError>,
    ) -> Result<usize, BundleError> {
        if self.buffer.filled == BUFFER_BYTES {
            self.pass_on()?;
        }
        let free = &mut self.buffer.bytes[self.buffer.filled..];
        let length = free.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        read(&mut free[..length])?;
        self.buffer.filled += length;
        self.position += length as u64;
        Ok(length)
    }

    /// Hands the buffer to the writing thread.
    fn pass_on(&mut self) -> Result<(), BundleError> {
        let next =
            self.spare.try_recv().map_or_else(|_| VolumeBuffer::new(), |bytes| VolumeBuffer { bytes, filled: 0 });
        // The thread stops early only on an error of its own, and finish() tells which.
        let full = std::mem::replace(&mut self.buffer, next);
        self.full.send(full).map_err(|_| BundleError::io("write", &self.path)(io::ErrorKind::BrokenPipe.into()))
    }

    /// Ends the volume, syncs it, and says what it became.
    pub(super) fn finish(mut self) -> Result<Volume, BundleError> {
        let _ = self.write(&[0; TRAILER as usize]).and_then(|()| self.pass_on()); // the thread tells what failed
        drop(self.full);
        let result = self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread stopped")));
        result.map_err(BundleError::io("write", &self.path))
    }
}

impl VolumeBuffer {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFER_BYTES], filled: 0 }
    }
}

/// Hashes and writes buffers until the sender is dropped. Sends each one back through `used`.
fn write(
    file_name: String,
    file: File,
    buffers: &Receiver<VolumeBuffer>,
    used: &Sender<Vec<u8>>,
) -> io::Result<Volume> {
    let (mut digest, mut behind) = (Hashing::new(()), WriteBehind::default());
    for VolumeBuffer { bytes, filled } in buffers {
        behind.write(&file, &bytes[..filled], digest.length())?;
        digest.absorb(&bytes[..filled]);
        let _ = used.send(bytes); // at the end nobody needs it
    }
    behind.finish()?;
    file.sync_all()?;
    let ((), sha256, size) = digest.finish();
    Ok(Volume { file: file_name, sha256, size })
}
