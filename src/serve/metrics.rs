//! What the server counts, and `GET /metrics`: Prometheus' text format, version 0.0.4.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::resolve::View;
use crate::collection::Kind;
use crate::time::Time;

/// What a request was answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AnswerKind {
    /// A file of a published archive.
    Apt,
    /// A file of a published image stream.
    Images,
    /// A snap or an assertion as a file.
    Snaps,
    /// An export for an Enterprise Store.
    EnterpriseStore,
    /// An image of another operating system, or a file of their stream.
    OsImages,
    /// Any other file.
    Files,
    /// A file of a published RPM repository.
    Yum,
    /// The site's public key.
    Keys,
    /// The snap store.
    Store,
    /// The state of the server itself.
    Service,
    /// Nothing.
    #[default]
    Nothing,
}

impl AnswerKind {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Apt, "apt"),
        (Self::Images, "images"),
        (Self::Snaps, "snaps"),
        (Self::EnterpriseStore, "enterprise-store"),
        (Self::OsImages, "os-images"),
        (Self::Files, "files"),
        (Self::Yum, "yum"),
        (Self::Keys, "keys"),
        (Self::Store, "store"),
        (Self::Service, "service"),
        (Self::Nothing, "none"),
    ];

    /// What the file at `path` below a generation belongs to.
    pub(super) fn file(path: &str) -> Self {
        match path.split('/').next().unwrap_or_default() {
            top if top == Kind::Apt.as_str() => Self::Apt,
            top if top == Kind::Images.as_str() => Self::Images,
            top if top == Kind::Snaps.as_str() => Self::Snaps,
            top if top == Kind::EnterpriseStore.as_str() => Self::EnterpriseStore,
            top if top == Kind::OsImages.as_str() => Self::OsImages,
            top if top == Kind::Files.as_str() => Self::Files,
            top if top == Kind::Yum.as_str() => Self::Yum,
            _ => Self::Keys,
        }
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    requests: [[AtomicU64; 5]; 11],
    bytes: [AtomicU64; 11],
    /// Answers cut short, because the client went away or took nothing for too long.
    pub(super) aborted: AtomicU64,
    /// Files that only an older generation had.
    pub(super) older: AtomicU64,
    /// Connections that are open.
    pub(super) open: AtomicU64,
    /// Connections that were answered.
    pub(super) accepted: AtomicU64,
    /// Connections that were one too many.
    pub(super) refused: AtomicU64,
    /// Lines that the access log had no room for.
    pub(super) dropped: AtomicU64,
}

impl Metrics {
    /// Counts an answer.
    pub(super) fn answered(&self, of: AnswerKind, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.requests.get(of as usize).and_then(|classes| classes.get(class)) {
            add(counter, 1);
        }
    }

    /// Counts bytes of a body.
    pub(super) fn sent(&self, of: AnswerKind, bytes: u64) {
        self.bytes.get(of as usize).into_iter().for_each(|counter| add(counter, bytes));
    }

    /// The page.
    pub(super) fn page(&self, view: Option<&View>, limit: u64) -> Response {
        let mut page = MetricsPage(String::with_capacity(4096));
        self.of_requests(&mut page);
        page.one("gapferry_responses_aborted_total", "counter", get(&self.aborted));
        page.one("gapferry_older_generation_responses_total", "counter", get(&self.older));
        page.one("gapferry_connections_open", "gauge", get(&self.open));
        page.one("gapferry_connections_limit", "gauge", limit);
        page.one("gapferry_connections_accepted_total", "counter", get(&self.accepted));
        page.one("gapferry_connections_refused_total", "counter", get(&self.refused));
        page.one("gapferry_access_log_dropped_total", "counter", get(&self.dropped));
        of_generation(&mut page, view);
        let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        ([(header::CONTENT_TYPE, content_type)], page.0).into_response()
    }

    fn of_requests(&self, page: &mut MetricsPage) {
        page.head("gapferry_requests_total", "counter");
        for ((_, kind), classes) in AnswerKind::ALL.iter().zip(&self.requests) {
            for (class, counter) in (1..).zip(classes) {
                let labels = format!("{{kind=\"{kind}\",class=\"{class}xx\"}}");
                page.line("gapferry_requests_total", &labels, get(counter));
            }
        }
        page.head("gapferry_response_bytes_total", "counter");
        for ((_, kind), counter) in AnswerKind::ALL.iter().zip(&self.bytes) {
            page.line("gapferry_response_bytes_total", &format!("{{kind=\"{kind}\"}}"), get(counter));
        }
    }
}

fn of_generation(page: &mut MetricsPage, view: Option<&View>) {
    let generation = view.map(|view| &view.tree.generation);
    page.one("gapferry_generation", "gauge", generation.map_or(0, |generation| generation.number));
    let Some(generation) = generation else { return };
    let age = Time::now().unix().saturating_sub(generation.made.unix());
    page.one("gapferry_generation_age_seconds", "gauge", age);
    page.head("gapferry_bundle_expiry_timestamp_seconds", "gauge");
    for (name, state) in &generation.names {
        page.line("gapferry_bundle_expiry_timestamp_seconds", &format!("{{name=\"{name}\"}}"), state.expires.unix());
    }
    page.head("gapferry_metadata_expiry_timestamp_seconds", "gauge");
    for (collection, published) in &generation.published {
        if let Some(until) = published.valid_until {
            let labels = format!("{{collection=\"{collection}\"}}");
            page.line("gapferry_metadata_expiry_timestamp_seconds", &labels, until.unix());
        }
    }
}

/// A page in the making. Label values are names of ours, which need no escapes.
struct MetricsPage(String);

impl MetricsPage {
    fn head(&mut self, name: &str, kind: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}"); // a String takes all
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, value: impl std::fmt::Display) {
        self.head(name, kind);
        self.line(name, "", value);
    }
}

/// Counts; nothing depends on the order in which counters are seen to change.
pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
