//! One file: its addresses in order, attempts at each of them, and resuming where the bytes stopped.

use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode};
use url::Url;

use crate::digest::Sha256;
use crate::progress::Progress;

use super::client::{HttpClient, is_range, strong_etag};
use super::error::{FetchError, shown};
use super::retry::Retry;
use super::writer::AsyncWriter;
use super::{Finished, Wanted, local};

/// Fetches `wanted` from the first of its addresses that has it.
pub(super) async fn fetch(client: &HttpClient, wanted: Wanted, progress: Progress) -> Result<Finished, FetchError> {
    let mut writer = AsyncWriter::open(wanted.to.clone(), wanted.size, wanted.digest, progress).await?;
    if writer.length() == wanted.size {
        let (sha256, got) = writer.settled().await?.take_digests()?;
        if got == wanted.digest {
            return Ok(Finished { wanted, sha256, from: None });
        }
        writer.restart().await?;
    }
    let mut job = FileDownload { client, wanted: &wanted, pieces: u32::from(writer.length() > 0), writer };
    let mut worst = None;
    for url in &wanted.urls {
        match job.from(url).await {
            Ok(sha256) => return Ok(Finished { from: Some(url.clone()), sha256, wanted }),
            Err(error) if error.is_local() => return Err(error),
            // That one address does not have it says less than any fault of another.
            Err(error) if matches!(worst, None | Some(FetchError::Missing { .. })) => worst = Some(error),
            Err(_) => {}
        }
    }
    Err(worst.unwrap_or_else(|| FetchError::NoAddress { path: wanted.to.clone() }))
}

struct FileDownload<'a> {
    client: &'a HttpClient,
    wanted: &'a Wanted,
    writer: AsyncWriter,
    /// From how many answers or earlier runs the bytes come that are there. More than one may not fit together.
    pieces: u32,
}

/// What is known of the server behind one address.
struct ServerFacts {
    ranges: bool,
    etag: Option<HeaderValue>,
}

impl FileDownload<'_> {
    /// Fetches from `url` until the digest is right or there is no hope.
    async fn from(&mut self, url: &Url) -> Result<Sha256, FetchError> {
        let mut server = ServerFacts { ranges: true, etag: None };
        loop {
            self.transfer(url, &mut server).await?;
            let pieces = std::mem::take(&mut self.pieces);
            let (sha256, got) = self.writer.settled().await?.take_digests()?;
            if got == self.wanted.digest {
                return Ok(sha256);
            }
            if pieces <= 1 {
                self.writer.remove().await?;
                let (expected, got) = (Box::new(self.wanted.digest), Box::new(got));
                return Err(FetchError::WrongDigest { url: shown(url), expected, got });
            }
            // What was there before may be to blame: once more, from zero and with bytes of one answer only.
            self.writer.restart().await?;
            server.ranges = false;
        }
    }

    /// Attempts until all bytes are there, whatever they are.
    async fn transfer(&mut self, url: &Url, server: &mut ServerFacts) -> Result<(), FetchError> {
        if let Some(path) = local::path(url) {
            self.pieces = 1;
            return local::copy(path?, url, self.wanted.size, &mut self.writer).await;
        }
        let mut retry = Retry::new(&self.client.options);
        loop {
            let Err(error) = self.attempt(url, server).await else { return Ok(()) };
            match &error {
                error if error.is_local() => {}
                FetchError::TooLarge { .. } => self.writer.remove().await?,
                // To disk with what came, so that the next attempt or run goes on from there.
                _ => _ = self.writer.settled().await?,
            }
            if server.ranges && matches!(error, FetchError::WrongRange { .. } | FetchError::Status { status: 416, .. })
            {
                server.ranges = false;
                continue;
            }
            match retry.wait_after(&error, self.writer.length()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    async fn attempt(&mut self, url: &Url, server: &mut ServerFacts) -> Result<(), FetchError> {
        let from = if server.ranges { self.writer.length() } else { 0 };
        let response = self.client.open(url, from, server.etag.as_ref()).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            if self.writer.length() > 0 {
                self.writer.restart().await?;
            }
            self.pieces = 0;
        } else if !is_range(response.headers(), from, self.wanted.size) {
            return Err(FetchError::WrongRange { url: shown(url) });
        }
        server.etag = strong_etag(response.headers());
        self.check_announced(url, &response)?;
        self.pieces += 1;
        self.receive(url, response).await
    }

    /// Refuses a body of the wrong length before the first byte of it.
    fn check_announced(&self, url: &Url, response: &Response) -> Result<(), FetchError> {
        let Some(length) = response.content_length() else { return Ok(()) };
        let (expected, got) = (self.wanted.size, self.writer.length().saturating_add(length));
        if got > expected {
            return Err(FetchError::TooLarge { url: shown(url), limit: expected });
        }
        // A server may give less than the range asked for; the next attempt asks for the rest.
        if got < expected && response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(FetchError::TooShort { url: shown(url), expected, got });
        }
        Ok(())
    }

    async fn receive(&mut self, url: &Url, response: Response) -> Result<(), FetchError> {
        let expected = self.wanted.size;
        let mut body = self.client.body(url, response);
        while let Some(chunk) = body.next().await? {
            if self.writer.length().saturating_add(chunk.len() as u64) > expected {
                return Err(FetchError::TooLarge { url: shown(url), limit: expected });
            }
            self.writer.push(&chunk).await?;
        }
        let got = self.writer.length();
        if got < expected { Err(FetchError::TooShort { url: shown(url), expected, got }) } else { Ok(()) }
    }
}
