//! What a client may take of the server.

use crate::error_class::Fault;
use std::time::Duration;

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

/// The most files of the current generation that stay open.
const MAX_CACHED_FILES: u64 = 512;
/// Files that are open besides those of connections, threads and the cache: standard streams, log, signals, sockets of the
/// service manager, and what is open for a moment while a generation or a page is read.
const SPARE_FILES: u64 = 24;
/// Files that one thread holds: its event queue, the event that wakes it, and one to spare for a connection that is refused.
const FILES_OF_THREAD: u64 = 3;
/// Files that one connection holds: its socket, and the file that is being sent.
const FILES_OF_CONNECTION: u64 = 2;
/// The fewest connections with which a server can be of use: clients open several at once.
const MIN_CONNECTIONS: u64 = 4;
/// The number of open files that must be allowed for each thread.
const ALLOWED_FOR_THREAD: u64 = 32;

/// The server's share of the files that the system allows this process to have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileBudget {
    /// The number of threads.
    pub(super) threads: usize,
    /// The number of files of the current generation that stay open.
    pub(super) cached_files: usize,
    /// The number of connections that may be open at once.
    pub(super) connections: usize,
}

/// Makes the error of a system that allows too few open files.
fn too_few_files(allowed: u64, needed: u64) -> Fault {
    Fault::failed(format!(
        "the system allows this process {allowed} open files, and the server needs {needed} at least: raise the limit with `ulimit \
         -n 1024` in its shell, or with LimitNOFILE=1024 in its unit for systemd"
    ))
}

impl FileBudget {
    /// Raises this process's limit of open files as far as needed, and divides what it allows. `threads` and `connections` are
    /// what is wanted; each thread has its own copy of each of the `sockets` on which the server listens.
    pub(super) fn claim(threads: usize, sockets: usize, connections: usize) -> Result<Self, Fault> {
        let reserved = reserved(threads as u64, sockets as u64);
        let wanted = FILES_OF_CONNECTION * connections as u64 + MAX_CACHED_FILES + reserved;
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < wanted) {
            limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
            let _ = setrlimit(Resource::Nofile, limit); // what counts is what it is now
        }
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
        Self::divide(allowed, threads as u64, sockets as u64, connections as u64)
    }

    fn divide(allowed: u64, threads: u64, sockets: u64, connections: u64) -> Result<Self, Fault> {
        let threads = threads.min(allowed / ALLOWED_FOR_THREAD).max(1);
        let reserved = reserved(threads, sockets);
        let least = MIN_CONNECTIONS.min(connections);
        let needed = reserved + FILES_OF_CONNECTION * least;
        let Some(left) = allowed.checked_sub(needed) else { return Err(too_few_files(allowed, needed)) };
        let cached = (left / 4).min(MAX_CACHED_FILES);
        let possible = least + (left - cached) / FILES_OF_CONNECTION;
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            threads: number(threads),
            cached_files: number(cached),
            connections: number(connections.min(possible)),
        })
    }
}

fn reserved(threads: u64, sockets: u64) -> u64 {
    SPARE_FILES + sockets + threads * (FILES_OF_THREAD + sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_stay_within_the_limit() {
        for allowed in 1..3000 {
            for (threads, sockets, connections) in [(2, 1, 4096), (8, 2, 4096), (8, 2, 1), (2, 1, 100)] {
                let Ok(budget) = FileBudget::divide(allowed, threads, sockets, connections) else {
                    assert!(allowed < 64, "{allowed} files are enough");
                    continue;
                };
                let files = reserved(budget.threads as u64, sockets) + budget.cached_files as u64;
                assert!(files + FILES_OF_CONNECTION * budget.connections as u64 <= allowed, "{allowed}: {budget:?}");
                assert!(budget.connections as u64 >= connections.min(MIN_CONNECTIONS), "{allowed}: {budget:?}");
            }
        }
        let ample = FileBudget::divide(100_000, 8, 2, 4096).unwrap();
        assert_eq!(ample, FileBudget { threads: 8, cached_files: 512, connections: 4096 });
    }
}
