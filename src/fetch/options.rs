//! How the downloader behaves towards slow, broken and hostile servers.

use std::path::PathBuf;
use std::time::Duration;

use super::access::Access;

/// Most files that are ever fetched side by side; bounds memory and manners.
pub const MAX_CONCURRENCY: usize = 64;

/// Settings of a [`Fetcher`](super::Fetcher). Proxies are not among them: they come from the environment
/// (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`).
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Files fetched side by side; taken as at least 1 and at most [`MAX_CONCURRENCY`].
    pub concurrency: usize,
    /// Further attempts after the first, per address, for faults that may pass. A mebibyte of progress starts
    /// the count anew.
    pub retries: u32,
    /// Wait before the first further attempt; doubled for each one after it, up to 30 s, give or take half.
    pub backoff: Duration,
    /// Longest wait that a server can ask for with `Retry-After`.
    pub longest_wait: Duration,
    /// Time to set up a connection, TLS included.
    pub connect_timeout: Duration,
    /// Time without a single byte after which an attempt has failed.
    pub stall_timeout: Duration,
    /// Least rate in bytes per second, averaged over `rate_window`; a server that drips slower has failed.
    pub min_rate: u64,
    /// Time spent waiting for the server over which `min_rate` is averaged.
    pub rate_window: Duration,
    /// PEM file of certificates to trust in addition to the platform's.
    pub ca_file: Option<PathBuf>,
    /// Credentials and TLS settings of servers.
    pub access: Access,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            concurrency: 8,
            retries: 5,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(30),
            min_rate: 1000,
            rate_window: Duration::from_secs(30),
            ca_file: None,
            access: Access::default(),
        }
    }
}
