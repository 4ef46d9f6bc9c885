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
use super::client::ClientConnection;
use super::metrics::AnswerKind;

/// The body of an answer.
pub(super) struct MeteredBody {
    body: AnyBody,
    client: Arc<ClientConnection>,
    /// Set if the request had a body. What is left of it may still be read behind this answer.
    asked_with_body: bool,
    of: AnswerKind,
    bytes: u64,
    /// Whether nothing more is to come; a body that is not asked for is complete from the start.
    complete: bool,
    record: Option<(AccessRecord, Instant)>,
}

impl MeteredBody {
    /// `record` is logged once the answer is done.
    pub(super) fn new(
        body: AnyBody,
        asked: RequestForm,
        of: AnswerKind,
        client: Arc<ClientConnection>,
        record: Option<AccessRecord>,
    ) -> Self {
        let complete = asked == RequestForm::ForHead || body.is_end_stream();
        let asked_with_body = asked == RequestForm::WithBody;
        let record = record.map(|record| (record, Instant::now()));
        Self { body, client, asked_with_body, of, bytes: 0, complete, record }
    }
}

/// The form of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestForm {
    /// For the head of the answer alone.
    ForHead,
    /// With a body of its own.
    WithBody,
    /// For the whole, and without a body.
    Plainly,
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
        self.client.activity.end_answer();
        if !self.asked_with_body {
            self.client.activity.finish();
        }
        self.client.counters.sent(self.of, self.bytes);
        let metrics = &self.client.shared.metrics;
        if !self.complete {
            metrics.aborted.fetch_add(1, Ordering::Relaxed);
        }
        if let (Some((record, started)), Some(log)) = (self.record.take(), &self.client.shared.log) {
            let (bytes, complete) = (self.bytes, self.complete);
            if !log.write(AccessRecord { bytes, complete, duration: record.duration + started.elapsed(), ..record }) {
                metrics.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
