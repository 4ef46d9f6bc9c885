//! Threads that serve. Each accepts connections and keeps what it has accepted: handing requests from one thread to another
//! costs more than answering most of them.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle, available_parallelism};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::timeout;

use super::client::Shared;
use super::connection::Listener;
use super::metrics::AnswerCounters;

/// How long answers that are under way may take when the server ends.
const GRACE: Duration = Duration::from_secs(3);

/// A socket that listens, with settings for TLS if that is spoken there.
pub(super) type Listening = (TcpListener, Option<Arc<ServerConfig>>);

/// The threads; they end when this value is dropped.
#[derive(Debug)]
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    /// Says true for an end with grace, and nothing more when it is dropped.
    closing: Option<watch::Sender<bool>>,
}

impl Workers {
    /// Returns how many threads make use of this machine: as many as there are processors, but two at least, and eight at most.
    pub(super) fn wanted() -> usize {
        available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8))
    }

    /// Starts this many threads.
    pub(super) fn start(threads: usize, listening: &[Listening], shared: &Arc<Shared>) -> io::Result<Self> {
        let (closing, closed) = watch::channel(false);
        let mut workers = Self { threads: Vec::new(), closing: Some(closing) };
        for number in 0..threads {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let copy = |(listener, tls): &Listening| Ok((listener.try_clone()?, tls.clone()));
            let listening = listening.iter().map(copy).collect::<io::Result<Vec<_>>>()?;
            let (shared, closed) = (shared.clone(), closed.clone());
            let counters = shared.metrics.of_thread(number);
            let work = move || runtime.block_on(work(listening, shared, counters, closed));
            workers.threads.push(thread::Builder::new().name(format!("serve-{number}")).spawn(work)?);
        }
        Ok(workers)
    }

    /// Accepts no more, and lets answers that are under way be completed, if that does not take long.
    pub(super) fn end(self) {
        if let Some(closing) = &self.closing {
            let _ = closing.send(true); // without threads nobody listens
        }
        drop(self);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.closing = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // however it ended, it has
        }
    }
}

async fn work(
    listening: Vec<Listening>,
    shared: Arc<Shared>,
    counters: Arc<AnswerCounters>,
    mut closing: watch::Receiver<bool>,
) {
    for (listener, tls) in listening {
        if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
            let (shared, counters, closing) = (shared.clone(), counters.clone(), closing.clone());
            tokio::spawn(Listener { listener, tls, shared, counters, closing }.run());
        }
    }
    if closing.wait_for(|closing| *closing).await.is_ok() {
        // All connections have ended when all permits are back.
        let all = u32::try_from(shared.limits.connections).unwrap_or(u32::MAX);
        let _ = timeout(GRACE, shared.free.acquire_many(all)).await;
    }
}
