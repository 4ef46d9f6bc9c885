//! Reads files: small ones in one go, large ones in pieces with the next one on its way.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::{JoinHandle, spawn_blocking};

use super::KEPT_BYTES;
use super::open::OpenedFile;
use super::pool::{BUFFER_BYTES, Buffer};

/// Returns `length` bytes from `start` on, which must be within the file.
pub(super) async fn whole(file: &OpenedFile, start: u64, length: u64) -> io::Result<Bytes> {
    if file.version.length > KEPT_BYTES {
        return read(file, start, length).await;
    }
    let content = match file.content.get() {
        Some(content) => content.clone(),
        None => {
            let content = read(file, 0, file.version.length).await?;
            file.content.get_or_init(|| content).clone()
        }
    };
    let range = usize::try_from(start).ok().zip(usize::try_from(start + length).ok());
    let within = range.filter(|(start, end)| start <= end && *end <= content.len());
    let (start, end) = within.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(content.slice(start..end))
}

async fn read(file: &OpenedFile, start: u64, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    if cached(&file.file, &mut bytes, start) == bytes.len() {
        return Ok(bytes.into());
    }
    let file = file.file.clone();
    let read = move || file.read_exact_at(&mut bytes, start).map(|()| bytes);
    Ok(spawn_blocking(read).await.map_err(io::Error::other)??.into())
}

/// Reads what is in the page cache, and says how much that is.
pub(in crate::serve) fn cached(file: &File, into: &mut [u8], at: u64) -> usize {
    let mut read = || preadv2(file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT);
    loop {
        match read() {
            Ok(read) => return read,
            Err(Errno::INTR) => {}
            // Nothing of it is; or the file system cannot tell.
            Err(_) => return 0,
        }
    }
}

/// A part of a file as a body, in pieces of at most [`BUFFER_BYTES`].
pub(super) struct Pieces {
    file: Arc<File>,
    at: u64,
    /// How many bytes are still to come.
    left: u64,
    /// A piece that a thread is reading.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Pieces {
    pub(super) fn new(file: &OpenedFile, start: u64, length: u64) -> Self {
        Self { file: file.file.clone(), at: start, left: length, reading: None }
    }

    /// Has a thread read the next piece, and tells the kernel of the one behind it.
    fn read_ahead(&self) -> JoinHandle<io::Result<Bytes>> {
        let (file, at, left) = (self.file.clone(), self.at, self.left);
        spawn_blocking(move || {
            let mut buffer = Buffer::take();
            let room = buffer.room(left);
            file.read_exact_at(room, at)?;
            let read = room.len();
            let behind = NonZeroU64::new(left.saturating_sub(read as u64).min(BUFFER_BYTES as u64));
            if let Some(behind) = behind {
                let _ = fadvise(&*file, at + read as u64, Some(behind), Advice::WillNeed); // only a hint
            }
            Ok(buffer.freeze(read))
        })
    }

    fn piece(&mut self, read: Bytes) -> Frame<Bytes> {
        self.at += read.len() as u64;
        self.left = self.left.saturating_sub(read.len() as u64);
        Frame::data(read)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.reading.is_none() {
            let mut buffer = Buffer::take();
            match cached(&self.file, buffer.room(self.left), self.at) {
                0 => self.reading = Some(self.read_ahead()),
                read => return Poll::Ready(Some(Ok(self.piece(buffer.freeze(read))))),
            }
        }
        let Some(reading) = self.reading.as_mut() else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        match read.map_err(io::Error::other).flatten() {
            Ok(read) => Poll::Ready(Some(Ok(self.piece(read)))),
            Err(error) => {
                self.left = 0;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
