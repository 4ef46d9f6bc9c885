//! Knows when a connection is at rest, so that the server can drop its buffers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// The state of a connection between its requests.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// A request is being answered.
    answering: AtomicBool,
    /// A request has begun since [`Activity::was_asked`] was called last.
    asked: AtomicBool,
    /// A request was answered, and none has begun since.
    answered: AtomicBool,
    /// The last attempt to read found nothing.
    reader_waits: AtomicBool,
    /// Not all that was written has gone out, or the connection is being closed.
    unsent: AtomicBool,
}

impl Activity {
    /// Notes that the connection has a new reader, which waits for a request.
    pub(super) fn begin_reading(&self) {
        self.answered.store(false, Ordering::Relaxed);
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Notes that a request has begun.
    pub(super) fn begin(&self) {
        self.answering.store(true, Ordering::Relaxed);
        self.begin_reading();
    }

    /// Notes that the answer is done, or was given up.
    pub(super) fn end_answer(&self) {
        self.answering.store(false, Ordering::Relaxed);
    }

    /// Returns true if a request has begun since the last call.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }

    /// Notes that all of an answer was handed over, to be sent. After a request with a body this must not be said: what is left of it
    /// may still be read.
    pub(super) fn finish(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Notes an attempt to read.
    pub(super) fn note_read<T>(&self, read: &Poll<T>) {
        self.reader_waits.store(read.is_pending(), Ordering::Relaxed);
    }

    /// Notes that there is something that has not gone out.
    pub(super) fn note_unsent(&self) {
        self.unsent.store(true, Ordering::Relaxed);
    }

    /// Notes an attempt to send all that has not gone out.
    pub(super) fn note_flush<T>(&self, flushed: &Poll<T>) {
        self.unsent.store(flushed.is_pending(), Ordering::Relaxed);
    }

    /// Returns true if the next thing to come is the head of a request, or the rest of one.
    pub(super) fn waits_for_head(&self) -> bool {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        !is(&self.answering) && !is(&self.unsent)
    }

    /// Returns true if the last answer has gone out and nothing of another request has come.
    pub(super) fn is_at_rest(&self) -> bool {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        is(&self.answered) && is(&self.reader_waits) && !is(&self.unsent)
    }
}
