//! `file:` addresses: the same limits and checks, from a local disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use url::Url;

use super::error::{FetchError, shown};
use super::sink::BATCH_BYTES;
use super::writer::{AsyncWriter, run};

/// The path behind a `file:` address; `None` for any other address.
pub(super) fn path(url: &Url) -> Option<Result<PathBuf, FetchError>> {
    let path = || url.to_file_path().map_err(|()| FetchError::Address { url: shown(url) });
    (url.scheme() == "file").then(path)
}

pub(super) fn open(path: &Path, url: &Url) -> Result<(File, u64), FetchError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FetchError::Missing { url: shown(url) },
        _ => FetchError::disk(path, source),
    };
    // Checked before opening, since opening a pipe can block.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    Ok((file, length))
}

/// How many bytes the file has.
pub(super) fn length(path: &Path, url: &Url) -> Result<u64, FetchError> {
    open(path, url).map(|(_, length)| length)
}

/// The whole file, at most `cap` bytes.
pub(super) fn whole(path: &Path, url: &Url, cap: u64) -> Result<Vec<u8>, FetchError> {
    let (file, _) = open(path, url)?;
    let mut bytes = Vec::new();
    let read = file.take(cap.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| FetchError::disk(path, source))?;
    if bytes.len() as u64 > cap {
        return Err(FetchError::TooLarge { url: shown(url), limit: cap });
    }
    Ok(bytes)
}

/// Copies the file, which must have `size` bytes, into `writer`.
pub(super) async fn copy(path: PathBuf, url: &Url, size: u64, writer: &mut AsyncWriter) -> Result<(), FetchError> {
    let (mut file, got) = open(&path, url)?;
    check_size(url, size, got)?;
    writer.restart().await?;
    let mut batch = Vec::with_capacity(BATCH_BYTES);
    loop {
        batch.clear();
        let at = path.clone();
        (file, batch) = run(move || {
            let read = file.by_ref().take(BATCH_BYTES as u64).read_to_end(&mut batch);
            read.map_err(|source| FetchError::disk(&at, source))?;
            Ok((file, batch))
        })
        .await?;
        if batch.is_empty() {
            return check_size(url, size, writer.length());
        }
        // Should it have grown since it was opened.
        check_size(url, size, size.max(writer.length() + batch.len() as u64))?;
        writer.push(&batch).await?;
    }
}

fn check_size(url: &Url, expected: u64, got: u64) -> Result<(), FetchError> {
    match got.cmp(&expected) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(FetchError::TooShort { url: shown(url), expected, got }),
        std::cmp::Ordering::Greater => Err(FetchError::TooLarge { url: shown(url), limit: expected }),
    }
}
