//! Tells when a connection is at rest, so that it need not keep what only requests need: hyper has two buffers of 8 KiB for
//! each of its connections, from the first moment to the last.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::client::ClientConnection;
use super::write_timeout::WriteTimeout;

/// A stream that can be waited for without a buffer.
pub(super) trait Endpoint: AsyncRead + AsyncWrite + Unpin {
    /// Waits until the other side has sent something, or has closed the connection.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Endpoint for WriteTimeout {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }
}

/// Only for a connection whose reader has found nothing: what came before was taken out of the session then.
impl Endpoint for TlsStream<WriteTimeout> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_ref().0.poll_read_ready(cx)
    }
}

/// A stream that notes what is done with it.
pub(super) struct WatchedStream<S> {
    stream: S,
    /// Bytes that were read before and are to be read again.
    again: Bytes,
    has_been_read: bool,
    client: Arc<ClientConnection>,
}

impl<S: Endpoint> WatchedStream<S> {
    pub(super) fn new(stream: S, client: Arc<ClientConnection>) -> Self {
        Self { stream, again: Bytes::new(), has_been_read: false, client }
    }

    /// Puts bytes back that were read and not used.
    pub(super) fn put_back(&mut self, again: &[u8]) {
        self.again = Bytes::copy_from_slice(again); // and not the whole buffer that they are in
    }

    /// Waits until there is something to read. Fails if the other side has closed the connection.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        if !self.again.is_empty() {
            return Ok(());
        }
        if self.has_been_read {
            return poll_fn(|cx| self.stream.poll_readable(cx)).await;
        }
        // Of a new stream nothing is known: tokio takes new sockets for readable, and TLS may have the request already.
        self.has_been_read = true;
        self.again = Bytes::copy_from_slice(&[self.stream.read_u8().await?]);
        Ok(())
    }
}

impl<S: Endpoint> AsyncRead for WatchedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = match self.again.is_empty() {
            true => Pin::new(&mut self.stream).poll_read(cx, buf),
            false => {
                let length = self.again.len().min(buf.remaining());
                let taken = self.again.split_to(length);
                buf.put_slice(&taken);
                Poll::Ready(Ok(()))
            }
        };
        self.client.activity.note_read(&read);
        read
    }
}

impl<S: Endpoint> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.client.activity.note_unsent();
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.client.activity.note_unsent();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.client.activity.note_flush(&flushed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.client.activity.note_unsent();
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
