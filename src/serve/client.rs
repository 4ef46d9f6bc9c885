//! One connection as requests see it, and the state that all connections share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::access_log::AccessLog;
use super::activity::Activity;
use super::limits::Limits;
use super::metrics::Metrics;
use super::resolve::{Resolver, View};

/// State that all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) resolver: Arc<Resolver>,
    pub(super) metrics: Metrics,
    pub(super) log: Option<AccessLog>,
    pub(super) limits: Limits,
    /// One permit for each connection that may yet be opened.
    pub(super) free: Arc<Semaphore>,
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
    /// The view that answered its last request.
    view: Mutex<Option<Arc<View>>>,
}

impl ClientConnection {
    pub(super) fn new(shared: Arc<Shared>, scheme: &'static str, address: IpAddr) -> Self {
        Self { shared, scheme, address, activity: Activity::default(), view: Mutex::new(None) }
    }

    /// Returns the view that answers from `now` on.
    pub(super) async fn view(&self, now: Instant) -> Option<Arc<View>> {
        let before = self.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let view = self.shared.resolver.current(before.as_ref(), now).await;
        let same = before.as_ref().map(Arc::as_ptr) == view.as_ref().map(Arc::as_ptr);
        if !same {
            *self.view.lock().unwrap_or_else(PoisonError::into_inner) = view.clone();
        }
        view
    }
}
