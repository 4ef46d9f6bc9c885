//! What a client may take of the server.

use std::time::Duration;

use super::open_file_cache::MAX_RECENT;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Limits of the server; the defaults stand in docs/serving.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be open at once.
    pub connections: usize,
    /// How many bytes a request's line and header fields may have together.
    pub header_bytes: usize,
    /// How long a connection may be open before the head of a request has come, the first one or the next.
    pub request_head: Duration,
    /// How long agreeing on TLS may take.
    pub handshake: Duration,
    /// How long a client may take not a single byte of an answer.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            header_bytes: 32 << 10,
            request_head: Duration::from_secs(60),
            handshake: Duration::from_secs(20),
            write: Duration::from_secs(300),
        }
    }
}

/// Files that are open besides those of connections.
const SPARE_FILES: u64 = 128 + MAX_RECENT as u64;

impl Limits {
    /// Raises this process's limit of open files as far as needed, and lowers that of connections to what it allows: each
    /// has a socket, and a file that is being sent.
    pub(super) fn fit(self) -> Self {
        let wanted = 2 * self.connections as u64 + SPARE_FILES;
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < wanted) {
            limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
            let _ = setrlimit(Resource::Nofile, limit); // what counts is what it is now
        }
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let room = usize::try_from(files.saturating_sub(SPARE_FILES) / 2).unwrap_or(usize::MAX).max(1);
        Self { connections: self.connections.min(room), ..self }
    }
}
