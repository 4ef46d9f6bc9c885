//! A body that counts what goes out of it, and tells when it is done.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body as AnyBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::access_log::AccessRecord;
use super::client::Shared;
use super::metrics::AnswerKind;

/// The body of an answer.
pub(super) struct MeteredBody {
    body: AnyBody,
    shared: Arc<Shared>,
    of: AnswerKind,
    bytes: u64,
    /// Whether nothing more is to come; a body that is not asked for is complete from the start.
    complete: bool,
    record: Option<(AccessRecord, Instant)>,
}

impl MeteredBody {
    /// `head` says that only the head is asked for; `record` is logged once the answer is done.
    pub(super) fn new(
        body: AnyBody,
        of: AnswerKind,
        head: bool,
        shared: Arc<Shared>,
        record: Option<AccessRecord>,
    ) -> Self {
        let complete = head || body.is_end_stream();
        Self { body, shared, of, bytes: 0, complete, record: record.map(|record| (record, Instant::now())) }
    }
}

impl Body for MeteredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.complete = self.body.is_end_stream();
            }
            Some(Err(_)) => {}
            None => self.complete = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for MeteredBody {
    fn drop(&mut self) {
        let metrics = &self.shared.metrics;
        metrics.sent(self.of, self.bytes);
        if !self.complete {
            metrics.aborted.fetch_add(1, Ordering::Relaxed);
        }
        if let (Some((record, started)), Some(log)) = (self.record.take(), &self.shared.log) {
            let (bytes, complete) = (self.bytes, self.complete);
            if !log.write(AccessRecord { bytes, complete, duration: record.duration + started.elapsed(), ..record }) {
                metrics.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
