//! Hashes and writes on a thread of its own while the next bytes arrive: one batch in work, one being filled.

use std::io;
use std::path::{Path, PathBuf};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::formats::signed_digest::SignedDigest;
use crate::progress::Progress;

use super::error::FetchError;
use super::sink::{BATCH_BYTES, Sink};

/// The sink and the buffer back from a thread that wrote the one to the other.
type ReturnedSink = Result<(Sink, Vec<u8>), FetchError>;

/// A [`Sink`] for asynchronous code. Holds at most two batches in memory.
pub(super) struct AsyncWriter {
    to: PathBuf,
    sink: Option<Sink>,
    busy: Option<JoinHandle<ReturnedSink>>,
    buffer: Vec<u8>,
    spare: Vec<u8>,
    length: u64,
    counted: u64,
    progress: Progress,
}

impl AsyncWriter {
    /// Takes up what lies at `to`; see [`Sink::resume`].
    pub(super) async fn open(
        to: PathBuf,
        size: u64,
        expected: SignedDigest,
        progress: Progress,
    ) -> Result<Self, FetchError> {
        let sink = if Sink::is_there(&to) {
            let to = to.clone();
            run(move || Sink::resume(&to, size, expected)).await?
        } else {
            Sink::empty(&to, expected)
        };
        let length = sink.length();
        let capacity = usize::try_from(size).unwrap_or(BATCH_BYTES).min(BATCH_BYTES);
        let (sink, busy) = (Some(sink), None);
        let (buffer, spare) = (Vec::with_capacity(capacity), Vec::new());
        let mut writer = Self { to, sink, busy, buffer, spare, length, counted: 0, progress };
        writer.count();
        Ok(writer)
    }

    /// Bytes taken so far, on disk or on their way there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Takes `bytes`; waits only while the batch before is still being written.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.buffer.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        self.count();
        if self.buffer.len() >= BATCH_BYTES {
            self.start_batch().await?;
        }
        Ok(())
    }

    /// The sink, once everything taken is on disk.
    pub(super) async fn settled(&mut self) -> Result<&mut Sink, FetchError> {
        if !self.buffer.is_empty() {
            self.start_batch().await?;
        }
        self.idle().await
    }

    /// Drops all bytes, to start from zero.
    pub(super) async fn restart(&mut self) -> Result<(), FetchError> {
        self.buffer.clear();
        self.length = 0;
        self.idle().await?.restart()
    }

    /// Removes the file.
    pub(super) async fn remove(&mut self) -> Result<(), FetchError> {
        self.buffer.clear();
        self.length = 0;
        self.idle().await?.remove()
    }

    async fn start_batch(&mut self) -> Result<(), FetchError> {
        self.idle().await?;
        let Some(mut sink) = self.sink.take() else { return Err(broken(&self.to)) };
        let full = std::mem::replace(&mut self.buffer, std::mem::take(&mut self.spare));
        self.busy = Some(spawn_blocking(move || {
            sink.write(&full)?;
            Ok((sink, full))
        }));
        Ok(())
    }

    async fn idle(&mut self) -> Result<&mut Sink, FetchError> {
        if let Some(busy) = self.busy.take() {
            let ended = busy.await.map_err(|crash| FetchError::disk(&self.to, crash.into()))?;
            let (sink, mut full) = ended?;
            full.clear();
            (self.sink, self.spare) = (Some(sink), full);
        }
        self.sink.as_mut().ok_or_else(|| broken(&self.to))
    }

    /// Tells progress of bytes beyond those it knows: a restart must not count anything twice.
    fn count(&mut self) {
        if self.length > self.counted {
            self.progress.add(self.length - self.counted);
            self.counted = self.length;
        }
    }
}

fn broken(to: &Path) -> FetchError {
    FetchError::disk(to, io::Error::other("an earlier write failed"))
}

/// Runs `work` on a thread that may block.
pub(super) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    spawn_blocking(work).await.map_err(|crash| FetchError::Setup(crash.into()))?
}
