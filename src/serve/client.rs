//! One connection as requests see it, and the state that all connections share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::access_log::AccessLog;
use super::activity::Activity;
use super::limits::Limits;
use super::metrics::{AnswerCounters, Metrics};
use super::resolve::{Resolver, View};
use super::status::WaitingList;

/// State that all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) resolver: Arc<Resolver>,
    pub(super) metrics: Metrics,
    pub(super) log: Option<AccessLog>,
    pub(super) limits: Limits,
    /// One permit for each connection that may yet be opened.
    pub(super) free: Arc<Semaphore>,
    /// The bundles that wait at the site, for the status page.
    pub(super) waiting: WaitingList,
    /// One permit for each connection that may yet keep its buffers between requests.
    pub(super) warm: Semaphore,
}

/// One connection.
#[derive(Debug)]
pub(super) struct ClientConnection {
    pub(super) shared: Arc<Shared>,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) address: IpAddr,
    pub(super) activity: Activity,
    /// The counters of the thread that serves it.
    pub(super) counters: Arc<AnswerCounters>,
    /// The view that answered its last request.
    view: Mutex<Option<Arc<View>>>,
}

impl ClientConnection {
    pub(super) fn new(
        shared: Arc<Shared>,
        counters: Arc<AnswerCounters>,
        scheme: &'static str,
        address: IpAddr,
    ) -> Self {
        Self { shared, scheme, address, activity: Activity::default(), counters, view: Mutex::new(None) }
    }

    /// Returns the view that answers from `now` on. [`Self::keep_view`] is to give it back: the count of references to it is
    /// shared by all threads, so counting one up and down for each request costs more than it looks.
    pub(super) async fn take_view(&self, now: Instant) -> Option<Arc<View>> {
        let before = self.lock_view().take();
        self.shared.resolver.current(before, now).await
    }

    /// Keeps a view for the next request.
    pub(super) fn keep_view(&self, view: Option<Arc<View>>) {
        *self.lock_view() = view;
    }

    fn lock_view(&self) -> MutexGuard<'_, Option<Arc<View>>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
