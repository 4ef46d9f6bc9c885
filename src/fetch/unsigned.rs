//! Files whose size and digest nobody signed: capped, written as they arrive, and not fetched again while they are the same.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use reqwest::Response;
use url::Url;

use super::client::HttpClient;
use super::error::{FetchError, shown};
use super::local;
use super::retry::Retry;
use super::sink::BATCH_BYTES;
use super::validators::FileValidators;
use super::writer::AsyncWriter;
use crate::digest::Sha256;
use crate::progress::Progress;
use crate::time::Time;

/// A file to be fetched whose size and digest nobody signed.
#[derive(Clone, Debug)]
pub struct UnsignedFile {
    /// Its address.
    pub url: Url,
    /// The most that it may have, in bytes.
    pub cap: u64,
    /// Its place once it is fetched. Its folder must exist.
    pub to: PathBuf,
    /// The validators of the file that the caller has; empty if it has none.
    pub known: FileValidators,
}

/// The answer to a request for such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnsignedAnswer {
    /// It is still the one that the caller has.
    Same,
    /// It is complete at its place. It is not fsynced.
    Fetched {
        /// Its digest.
        sha256: Sha256,
        /// Its size, in bytes.
        size: u64,
        /// The names that its server gives to this version.
        validators: FileValidators,
    },
}

/// The file that a server would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnsignedOffer {
    /// The one that the caller has.
    Same,
    /// Another one.
    Other {
        /// Its size, in bytes, if the server says it.
        size: Option<u64>,
        /// The names that its server gives to this version.
        validators: FileValidators,
    },
}

pub(super) async fn fetch(
    client: &HttpClient,
    wanted: &UnsignedFile,
    progress: &Progress,
) -> Result<UnsignedAnswer, FetchError> {
    match std::fs::remove_file(&wanted.to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FetchError::disk(&wanted.to, error)),
        _ => {}
    }
    let none = Sha256::of(b"").into(); // nothing is compared with it
    let mut writer = AsyncWriter::open(wanted.to.clone(), wanted.cap, none, progress.clone()).await?;
    let validators = match local::path(&wanted.url) {
        Some(path) => Some(copy(path?, wanted, &mut writer).await?),
        None => download(client, wanted, &mut writer).await?,
    };
    let Some(validators) = validators else { return Ok(UnsignedAnswer::Same) };
    let size = writer.length();
    let (sha256, _) = writer.settled().await?.take_digests()?;
    Ok(UnsignedAnswer::Fetched { sha256, size, validators })
}

/// Returns `None` if the file is the known one.
async fn download(
    client: &HttpClient,
    wanted: &UnsignedFile,
    writer: &mut AsyncWriter,
) -> Result<Option<FileValidators>, FetchError> {
    let mut retry = Retry::new(&client.options);
    loop {
        let error = match attempt(client, wanted, writer).await {
            Ok(validators) => return Ok(validators),
            Err(error) => error,
        };
        // Without a digest nobody could tell whether the rest of another answer fits.
        writer.remove().await?;
        match retry.wait_after(&error, 0) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(error),
        }
    }
}

async fn attempt(
    client: &HttpClient,
    wanted: &UnsignedFile,
    writer: &mut AsyncWriter,
) -> Result<Option<FileValidators>, FetchError> {
    let Some(response) = open(client, wanted).await? else { return Ok(None) };
    let validators = FileValidators::of(response.headers());
    let announced = response.content_length();
    let mut body = client.body(&wanted.url, response);
    while let Some(chunk) = body.next().await? {
        if writer.length().saturating_add(chunk.len() as u64) > wanted.cap {
            return Err(too_large(wanted));
        }
        writer.push(&chunk).await?;
    }
    match announced {
        Some(expected) if expected != writer.length() => {
            Err(FetchError::TooShort { url: shown(&wanted.url), expected, got: writer.length() })
        }
        _ => Ok(Some(validators)),
    }
}

/// Returns the answer to a request for the file, unless it says that it is too large; `None` if the file is the known one.
async fn open(client: &HttpClient, wanted: &UnsignedFile) -> Result<Option<Response>, FetchError> {
    let response = client.open_unless(&wanted.url, &wanted.known).await?;
    match response.as_ref().and_then(Response::content_length) {
        Some(length) if length > wanted.cap => Err(too_large(wanted)),
        _ => Ok(response),
    }
}

pub(super) async fn look(client: &HttpClient, wanted: &UnsignedFile) -> Result<UnsignedOffer, FetchError> {
    if let Some(path) = local::path(&wanted.url) {
        let (file, length) = local::open(&path?, &wanted.url)?;
        return Ok(UnsignedOffer::Other { size: Some(length), validators: validators_of(&file) });
    }
    Ok(match open(client, wanted).await? {
        None => UnsignedOffer::Same,
        Some(response) => {
            UnsignedOffer::Other { size: response.content_length(), validators: FileValidators::of(response.headers()) }
        }
    })
}

/// The time of modification of a file, in the form of a server's.
fn validators_of(file: &std::fs::File) -> FileValidators {
    let modified = file.metadata().and_then(|data| data.modified()).ok();
    let seconds = modified.and_then(|time| i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok());
    let time = seconds.and_then(|seconds| Time::from_unix(seconds).ok());
    FileValidators { etag: None, last_modified: time.map(|time| format!("{} GMT", time.day_and_time())) }
}

async fn copy(path: PathBuf, wanted: &UnsignedFile, writer: &mut AsyncWriter) -> Result<FileValidators, FetchError> {
    let (mut file, length) = local::open(&path, &wanted.url)?;
    if length > wanted.cap {
        return Err(too_large(wanted));
    }
    let validators = validators_of(&file);
    let mut batch = Vec::with_capacity(BATCH_BYTES);
    loop {
        batch.clear();
        let read = file.by_ref().take(BATCH_BYTES as u64).read_to_end(&mut batch);
        read.map_err(|source| FetchError::disk(&path, source))?;
        if batch.is_empty() {
            return Ok(validators);
        }
        if writer.length() + batch.len() as u64 > wanted.cap {
            return Err(too_large(wanted));
        }
        writer.push(&batch).await?;
    }
}

fn too_large(wanted: &UnsignedFile) -> FetchError {
    FetchError::TooLarge { url: shown(&wanted.url), limit: wanted.cap }
}
