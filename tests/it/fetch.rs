//! The downloader against a hostile server: what it takes, what it refuses, and what it leaves behind.

mod environment;
mod faults;
mod plain;
mod resume;
mod speed;

use std::path::PathBuf;
use std::time::Duration;

use gapferry::digest::Sha256;
use gapferry::fetch::{FetchError, FetchErrors, FetchOptions, Fetcher, Finished, Wanted};
use gapferry::formats::signed_digest::SignedDigest;
use gapferry::progress::Progress;
use tempfile::TempDir;
use url::Url;

use super::support::desk::PATIENCE;
use super::support::port::port;
use super::support::server::Server;

/// A server over one folder, a downloader into another.
struct Bench {
    folder: TempDir,
    server: Server,
    fetcher: Fetcher,
}

/// Options in a test's time scale, for a server that is never too slow.
fn quick() -> FetchOptions {
    FetchOptions {
        retries: 3,
        backoff: Duration::from_millis(2),
        longest_wait: Duration::from_millis(1500),
        connect_timeout: PATIENCE,
        stall_timeout: PATIENCE,
        min_rate: 1000,
        rate_window: PATIENCE,
        ..FetchOptions::default()
    }
}

/// Bytes that do not repeat within a file and differ from file to file.
fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

impl Bench {
    fn new() -> Self {
        Self::with(quick())
    }

    fn with(options: FetchOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["up", "down"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let server = Server::start(&folder.path().join("up"));
        Self { folder, server, fetcher: Fetcher::new(options).unwrap() }
    }

    fn upstream(&self, name: &str) -> PathBuf {
        self.folder.path().join("up").join(name)
    }

    fn to(&self, name: &str) -> PathBuf {
        self.folder.path().join("down").join(name)
    }

    /// Puts a file upstream; returns what to ask for.
    fn put(&self, name: &str, bytes: &[u8]) -> Wanted {
        std::fs::write(self.upstream(name), bytes).unwrap();
        let (size, sha256) = (bytes.len() as u64, Sha256::of(bytes));
        Wanted { urls: vec![self.server.url(name)], size, digest: sha256.into(), to: self.to(name) }
    }

    fn fetch(&self, wanted: &[Wanted]) -> Result<Vec<Finished>, FetchErrors> {
        let mut done = Vec::new();
        self.fetcher.fetch_all(wanted.to_vec(), &Progress::hidden(), |finished| done.push(finished))?;
        Ok(done)
    }

    /// Fetches one file that must come out right.
    #[track_caller]
    fn fetch_good(&self, wanted: &Wanted) -> Finished {
        let done = self.fetch(std::slice::from_ref(wanted)).unwrap();
        assert_eq!(SignedDigest::Sha256(Sha256::of(&std::fs::read(&wanted.to).unwrap())), wanted.digest);
        done.into_iter().next().expect("one file")
    }

    /// Fetches one file that must not.
    #[track_caller]
    fn fetch_bad(&self, wanted: &Wanted) -> FetchError {
        let errors = self.fetch(std::slice::from_ref(wanted)).expect_err("must fail").errors;
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.into_iter().next().expect("one error")
    }

    /// Ranges asked for of `name`, one entry per request.
    fn ranges(&self, name: &str) -> Vec<Option<String>> {
        self.server.requests(name).iter().map(|request| request.header("range").map(str::to_owned)).collect()
    }
}

/// An address on which nobody listens.
fn dead_url() -> Url {
    format!("http://127.0.0.1:{}/x", port()).parse().unwrap()
}
