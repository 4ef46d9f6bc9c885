//! What the server counts, and `GET /metrics`: Prometheus' text format, version 0.0.4.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::resolve::View;
use crate::kind::Kind;
use crate::time::Time;

/// What a request was answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AnswerKind {
    /// A file of this kind.
    Kind(Kind),
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

/// Answers other than files of a kind.
const OTHERS: [(AnswerKind, &str); 4] = [
    (AnswerKind::Keys, "keys"),
    (AnswerKind::Store, "store"),
    (AnswerKind::Service, "service"),
    (AnswerKind::Nothing, "none"),
];

impl AnswerKind {
    /// All values with their names on the page.
    fn all() -> impl Iterator<Item = (Self, &'static str)> {
        Kind::ALL.iter().map(|kind| (Self::Kind(*kind), kind.as_str())).chain(OTHERS)
    }

    /// Its place among [`Self::all`].
    fn place(self) -> usize {
        Self::all().position(|(other, _)| other == self).unwrap_or(0)
    }

    /// What the file at `path` below a generation belongs to.
    pub(super) fn file(path: &str) -> Self {
        Kind::of_path(path).map_or(Self::Keys, |(kind, _)| Self::Kind(kind))
    }
}

/// The number of kinds.
const KINDS: usize = Kind::ALL.len();

/// The number of sorts of answers.
const SORTS: usize = KINDS + OTHERS.len();

/// The number of classes of status codes.
const CLASSES: usize = 5;

/// Counters of the answers of one sort.
#[derive(Debug, Default)]
struct Counters {
    /// Requests by the class of their status, from 1xx on.
    requests: [AtomicU64; CLASSES],
    /// Bytes of bodies.
    bytes: AtomicU64,
}

/// Counters of the answers that one thread gives. Each thread has its own, on memory that no other writes to: two threads that
/// count in one place wait for each other's caches.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct AnswerCounters([Counters; SORTS]);

impl AnswerCounters {
    /// Counts an answer.
    pub(super) fn answered(&self, of: AnswerKind, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.0.get(of.place()).and_then(|counters| counters.requests.get(class)) {
            add(counter, 1);
        }
    }

    /// Counts bytes of a body.
    pub(super) fn sent(&self, of: AnswerKind, bytes: u64) {
        self.0.get(of.place()).into_iter().for_each(|counters| add(&counters.bytes, bytes));
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// One value for each thread.
    answers: Vec<Arc<AnswerCounters>>,
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
    /// Returns counters for a server of this many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self { answers: (0..threads).map(|_| Arc::default()).collect(), ..Self::default() }
    }

    /// The counters of the thread with this number.
    pub(super) fn of_thread(&self, number: usize) -> Arc<AnswerCounters> {
        self.answers.get(number).cloned().unwrap_or_default()
    }

    fn sum(&self, of: impl Fn(&[Counters; SORTS]) -> u64) -> u64 {
        self.answers.iter().map(|counters| of(&counters.0)).sum()
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
        for (place, (_, kind)) in AnswerKind::all().enumerate() {
            for class in 0..CLASSES {
                let labels = format!("{{kind=\"{kind}\",class=\"{}xx\"}}", class + 1);
                page.line("gapferry_requests_total", &labels, self.sum(|of| get(&of[place].requests[class])));
            }
        }
        page.head("gapferry_response_bytes_total", "counter");
        for (place, (_, kind)) in AnswerKind::all().enumerate() {
            let bytes = self.sum(|of| get(&of[place].bytes));
            page.line("gapferry_response_bytes_total", &format!("{{kind=\"{kind}\"}}"), bytes);
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
