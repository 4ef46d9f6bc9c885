//! The downloader that every collector uses: concurrent, resumed, capped, checked by digest.
//!
//! Outside it is plain blocking calls; inside there is a small runtime of its own. Addresses may be http, https and
//! file. What is fetched lands under the name that the caller gives, which is where a run that was killed goes on; the
//! caller decides when it becomes a blob. Nothing is fsynced here: the depot does that for many files at once.
//!
//! Trust in the server is nil: a file ends up complete under its name only if size and digest are the signed ones,
//! bytes that an earlier run left are hashed again, and no more than the signed size is ever read or written.
//! Certificates are checked against the platform's and the given ones; proxies come from the environment.

pub mod access;
mod client;
mod digests;
mod download;
mod error;
mod local;
mod options;
mod retry;
mod sink;
pub mod tls;
mod unsigned;
mod validators;
mod writer;

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc};
use url::Url;

use crate::digest::Sha256;
use crate::formats::signed_digest::SignedDigest;
use crate::progress::Progress;

use self::client::HttpClient;
pub(crate) use self::client::http_client;
pub use self::error::{FetchError, FetchErrors, shown};
pub use self::options::{FetchOptions, MAX_CONCURRENCY};
pub use self::unsigned::{UnsignedAnswer, UnsignedFile, UnsignedOffer};
pub use self::validators::FileValidators;

/// Threads for the network; more do not help, since hashing and writing have their own.
const NETWORK_THREADS: usize = 2;
/// Threads for hashing, writing and name look-ups.
const BLOCKING_THREADS: usize = 8;
/// Files that cannot be reached or are refused in a row, as a multiple of the concurrency, after which the rest is not tried.
const GIVE_UP_AFTER: usize = 2;

/// A file to be fetched, with the size and the digest that somebody signed.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it can be had, tried in order: by-hash before the plain name, one mirror before another.
    pub urls: Vec<Url>,
    /// Signed size in bytes.
    pub size: u64,
    /// Signed digest.
    pub digest: SignedDigest,
    /// Where it goes. What lies there already is taken as the beginning of it. Its folder must exist.
    pub to: PathBuf,
}

/// A file that is complete at [`Wanted::to`], with the right size and digest. It is not fsynced.
#[derive(Clone, Debug)]
pub struct Finished {
    /// What was wanted.
    pub wanted: Wanted,
    /// Its SHA-256.
    pub sha256: Sha256,
    /// The address that it came from; `None` if all of it was there already.
    pub from: Option<Url>,
}

/// Something small to be asked of a server; nobody signed the size of the answer.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where.
    pub url: Url,
    /// Headers of the request.
    pub headers: Vec<(&'static str, String)>,
    /// JSON to be sent with POST; none for GET.
    pub body: Option<String>,
    /// The most that is read of the answer, in bytes.
    pub cap: u64,
}

async fn whole(client: &HttpClient, question: &Question) -> Result<Vec<u8>, FetchError> {
    match local::path(&question.url) {
        Some(path) => local::whole(&path?, &question.url, question.cap),
        None => client.whole(question).await,
    }
}

/// Fetches files. Set up once and used for everything, it keeps connections open between calls.
///
/// Its calls block, so they must not be made from asynchronous code.
pub struct Fetcher {
    // Before the runtime, so that connections go before what drives them.
    client: Arc<HttpClient>,
    runtime: Runtime,
}

impl Fetcher {
    /// Sets up a downloader.
    pub fn new(options: FetchOptions) -> Result<Self, FetchError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(NETWORK_THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("fetch")
            .enable_all()
            .build()
            .map_err(|source| FetchError::Setup(source.into()))?;
        Ok(Self { client: Arc::new(HttpClient::new(options)?), runtime })
    }

    /// A small file whose size nobody signed, such as InRelease: the whole of it, at most `cap` bytes.
    pub fn get(&self, url: &Url, cap: u64) -> Result<Vec<u8>, FetchError> {
        let question = Question { url: url.clone(), headers: Vec::new(), body: None, cap };
        self.runtime.block_on(whole(&self.client, &question))
    }

    /// The answers to all of `questions`, in their order. They are asked side by side.
    pub fn ask_all(&self, questions: Vec<Question>) -> Vec<Result<Vec<u8>, FetchError>> {
        let room = Arc::new(Semaphore::new(self.client.options.concurrency.clamp(1, MAX_CONCURRENCY)));
        let asked: Vec<_> = questions
            .into_iter()
            .map(|question| {
                let (client, room) = (self.client.clone(), room.clone());
                self.runtime.spawn(async move {
                    let _place = room.acquire().await.map_err(|closed| FetchError::Setup(closed.into()))?;
                    whole(&client, &question).await
                })
            })
            .collect();
        let answers = asked
            .into_iter()
            .map(|task| self.runtime.block_on(task).unwrap_or_else(|crash| Err(FetchError::Setup(crash.into()))));
        answers.collect()
    }

    /// How many bytes the file at `url` has, as its server says: for a digest that came without a size.
    pub fn length(&self, url: &Url) -> Result<u64, FetchError> {
        match local::path(url) {
            Some(path) => local::length(&path?, url),
            None => self.runtime.block_on(self.client.length(url)),
        }
    }

    /// The same as [`Self::get`], or `None` if the server says that there is no such file.
    pub fn get_optional(&self, url: &Url, cap: u64) -> Result<Option<Vec<u8>>, FetchError> {
        match self.get(url, cap) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(FetchError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches a file of any size whose size and digest nobody signed, unless it is still the one that the caller knows.
    pub fn fetch_unsigned(&self, wanted: &UnsignedFile, progress: &Progress) -> Result<UnsignedAnswer, FetchError> {
        self.runtime.block_on(unsigned::fetch(&self.client, wanted, progress))
    }

    /// Asks whether a file is still the one that the caller knows, and for the size of another one. Nothing is written.
    pub fn look_at_unsigned(&self, wanted: &UnsignedFile) -> Result<UnsignedOffer, FetchError> {
        self.runtime.block_on(unsigned::look(&self.client, wanted))
    }

    /// Fetches all of `wanted` side by side, and tells `on_done` of each file as it is complete, on the calling thread.
    ///
    /// A file that fails does not stop the others; only a full disk and upstreams of which none answers do. Of several
    /// files that go to the same place only the first is fetched and reported. `progress` is told of bytes that were
    /// there as of new ones.
    pub fn fetch_all(
        &self,
        wanted: Vec<Wanted>,
        progress: &Progress,
        mut on_done: impl FnMut(Finished),
    ) -> Result<(), FetchErrors> {
        let mut errors = Vec::new();
        let mut unreachable = 0;
        let concurrency = self.client.options.concurrency.clamp(1, MAX_CONCURRENCY);
        let queue = Queue::new(wanted);
        let mut open = queue.length();
        let mut results = self.start(&queue, concurrency, progress);
        while let Some(result) = results.blocking_recv() {
            open -= 1;
            match result {
                Ok(finished) => {
                    unreachable = 0;
                    on_done(finished);
                }
                Err(error) => {
                    let is_shut = matches!(error, FetchError::Unreachable { .. } | FetchError::Denied { .. });
                    unreachable = if is_shut { unreachable + 1 } else { 0 };
                    let full = matches!(error, FetchError::NoSpace { .. });
                    errors.push(error);
                    if full {
                        open -= queue.clear();
                    } else if unreachable >= GIVE_UP_AFTER * concurrency {
                        let left = queue.clear();
                        open -= left;
                        errors.extend((left > 0).then_some(FetchError::GaveUp { left }));
                    }
                }
            }
        }
        if open > 0 {
            // Never seen; but if a worker dies, its file must not count as fetched.
            errors.push(FetchError::Setup("a worker of the downloader ended early".into()));
        }
        if errors.is_empty() { Ok(()) } else { Err(FetchErrors { errors }) }
    }

    /// Starts workers that empty the queue. The channel closes when the last of them is done.
    fn start(
        &self,
        queue: &Arc<Queue>,
        concurrency: usize,
        progress: &Progress,
    ) -> mpsc::Receiver<Result<Finished, FetchError>> {
        // Room for results while the caller is busy with one, such as a sync of the file system.
        let (sender, receiver) = mpsc::channel(1024);
        for _ in 0..concurrency.min(queue.length()) {
            let (client, queue, sender) = (self.client.clone(), queue.clone(), sender.clone());
            let progress = progress.clone();
            self.runtime.spawn(async move {
                while let Some(wanted) = queue.next() {
                    let result = download::fetch(&client, wanted, progress.clone()).await;
                    if sender.send(result).await.is_err() {
                        return;
                    }
                }
            });
        }
        receiver
    }
}

/// What is still to be fetched.
struct Queue(Mutex<VecDeque<Wanted>>);

impl Queue {
    fn new(wanted: Vec<Wanted>) -> Arc<Self> {
        let mut places = HashSet::with_capacity(wanted.len());
        // Two workers on one file would write it twice over.
        let wanted = wanted.into_iter().filter(|wanted| places.insert(wanted.to.clone())).collect();
        Arc::new(Self(Mutex::new(wanted)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Wanted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Wanted> {
        self.lock().pop_front()
    }

    fn length(&self) -> usize {
        self.lock().len()
    }

    /// Drops what is left; returns how many files that were.
    fn clear(&self) -> usize {
        let mut queue = self.lock();
        let left = queue.len();
        queue.clear();
        left
    }
}
