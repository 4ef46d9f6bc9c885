//! Many finished blobs, synced and named together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::{Depot, DepotError};
use crate::digest::Sha256;
use crate::storage::NewObject;

/// After this many bytes a flush starts by itself, so that dirty data and what a crash costs stay bounded.
const FLUSH_BYTES: u64 = 128 << 20;
/// After this many blobs a flush starts by itself. A debug build does so early, so that tests see many.
const FLUSH_BLOBS: usize = if cfg!(debug_assertions) { 8 } else { 4096 };

/// Blobs by digest, with their sizes in bytes.
type FinishedBlobs = BTreeMap<Sha256, u64>;

/// Blobs whose partial files are complete and hashed, but not yet under their names.
///
/// While some are flushed, which means synced and named, the caller goes on with others: the disk and the processor work side by
/// side. Dropping a batch without [`Batch::commit`] starts no flush; the partial files stay for a later run.
#[must_use]
pub struct Batch<'a> {
    depot: &'a Depot,
    waiting: FinishedBlobs,
    bytes: u64,
    running: Option<RunningFlush>,
}

/// Blobs that a thread is flushing.
struct RunningFlush {
    blobs: Arc<FinishedBlobs>,
    /// `None` once it was waited for.
    thread: Option<JoinHandle<Result<(), DepotError>>>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(depot: &'a Depot) -> Self {
        Self { depot, waiting: BTreeMap::new(), bytes: 0, running: None }
    }

    /// Adds the blob whose partial file is complete and has been found to have this digest. Fails if an earlier flush did.
    pub fn add(&mut self, digest: Sha256, size: u64) -> Result<(), DepotError> {
        if self.waiting.insert(digest, size).is_none() {
            self.bytes += size;
        }
        if self.bytes >= FLUSH_BYTES || self.waiting.len() >= FLUSH_BLOBS { self.start_flush() } else { Ok(()) }
    }

    /// Returns `true` if the blob was added and may not have its name yet.
    pub fn holds(&self, digest: &Sha256) -> bool {
        self.waiting.contains_key(digest)
            || self.running.as_ref().is_some_and(|running| running.blobs.contains_key(digest))
    }

    /// Syncs and names everything added, and syncs the names.
    pub fn commit(mut self) -> Result<(), DepotError> {
        self.end_flush()?;
        flush(self.depot, &std::mem::take(&mut self.waiting))?;
        Ok(self.depot.store.sync(&format!("{}sha256", self.depot.prefix))?)
    }

    /// Flushes what was added on a thread of its own. Waits for the flush before: at most one runs.
    fn start_flush(&mut self) -> Result<(), DepotError> {
        self.end_flush()?;
        self.bytes = 0;
        let blobs = Arc::new(std::mem::take(&mut self.waiting));
        let (depot, flushed) = (self.depot.clone(), Arc::clone(&blobs));
        let thread = thread::Builder::new().name("flush".to_owned()).spawn(move || flush(&depot, &flushed));
        let thread = thread.map_err(DepotError::io("start a thread for", self.depot.root()))?;
        self.running = Some(RunningFlush { blobs, thread: Some(thread) });
        Ok(())
    }

    fn end_flush(&mut self) -> Result<(), DepotError> {
        let Some(thread) = self.running.take().and_then(|mut running| running.thread.take()) else { return Ok(()) };
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for RunningFlush {
    fn drop(&mut self) {
        // The depot's owner may let go of its lock next. Whoever drops a batch has another error to tell.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Gives the store the blobs, and looks whether they are there.
fn flush(depot: &Depot, blobs: &FinishedBlobs) -> Result<(), DepotError> {
    let object = |digest: &Sha256| NewObject { key: depot.key(digest), file: depot.partial_path(digest) };
    depot.store.put_files(&blobs.keys().map(object).collect::<Vec<_>>())?;
    for (digest, size) in blobs {
        if depot.store.size(&depot.key(digest))? != Some(*size) {
            return Err(DepotError::WriteLost { path: depot.store.place(&depot.key(digest)) });
        }
        depot.note_fresh(*digest);
    }
    Ok(())
}
