//! Files on a medium: written so that progress is true and a half-written file never has its name; read past the page cache.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::OFlags;

use crate::digest::{Hashing, Sha256};
use crate::progress::Progress;
use crate::storage::{self, DirectReader, modes};

/// What is written before the medium must have it, in bytes: more would only fill memory and make progress a lie.
const SYNC_EVERY: u64 = 64 << 20;
const BUFFER_BYTES: usize = 1 << 20;

/// How a copy failed.
#[derive(Debug)]
pub(super) enum CopyFailure {
    /// The source cannot be read.
    From(io::Error),
    /// The target takes no more; so many bytes had been written.
    To(io::Error, u64),
    /// The source has another digest.
    Digest,
}

/// Copies all of `from` to `path`, which gets its name when all has the digest `wanted` and is synced.
pub(super) fn copy(mut from: impl Read, path: &Path, wanted: &Sha256, progress: &Progress) -> Result<(), CopyFailure> {
    let part = storage::part_path(path);
    let result = copy_to(&mut from, &part, wanted, progress);
    if matches!(result, Err(CopyFailure::Digest | CopyFailure::From(_))) {
        let _ = fs::remove_file(&part); // what is wrong is what matters
    }
    let written = result?;
    let name = || {
        fs::rename(&part, path)?;
        storage::sync_parent(path)
    };
    name().map_err(|error| CopyFailure::To(error, written))
}

fn copy_to(from: &mut impl Read, part: &Path, wanted: &Sha256, progress: &Progress) -> Result<u64, CopyFailure> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut digest, mut unsynced) = (Hashing::new(()), 0);
    let mut to = storage::create_new(part, modes::PUBLIC_FILE).map_err(|error| CopyFailure::To(error, 0))?;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyFailure::From(error)),
        };
        let length = read.len() as u64;
        let mut write = || {
            to.write_all(read)?;
            unsynced += length;
            if unsynced >= SYNC_EVERY {
                unsynced = 0;
                to.sync_data()?;
            }
            Ok(())
        };
        write().map_err(|error| CopyFailure::To(error, digest.length()))?;
        digest.absorb(read);
        progress.add(length);
    }
    let ((), found, length) = digest.finish();
    if found != *wanted {
        return Err(CopyFailure::Digest);
    }
    to.sync_all().map_err(|error| CopyFailure::To(error, length))?;
    Ok(length)
}

/// Writes a small file.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    storage::place_atomically(path, bytes, modes::PUBLIC_FILE)
}

/// Returns the digest of what the medium has, not of what the page cache remembers.
pub fn digest_on_medium(path: &Path, progress: &Progress) -> io::Result<Sha256> {
    let mut file = DirectReader::open(path, OFlags::NOFOLLOW)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut digest = Hashing::new(());
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finish().1),
            read => {
                digest.absorb(buffer.get(..read).unwrap_or_default());
                progress.add(read as u64);
            }
        }
    }
}
