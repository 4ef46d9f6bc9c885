//! Files on a medium: written so that progress is true and a half-written file never has its name; read past the page cache.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags};

use crate::digest::{Hashing, Sha256};
use crate::modes;
use crate::progress::Progress;

/// What is written before the medium must have it, in bytes: more would only fill memory and make progress a lie.
const SYNC_EVERY: u64 = 64 << 20;
const BUFFER_BYTES: usize = 1 << 20;
/// What the addresses of memory and file must be multiples of for reads that bypass the cache, in bytes; no device needs more.
const ALIGNMENT: usize = 4096;

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

/// The name that a file has while it is written.
pub(super) fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Copies all of `from` to `path`, which gets its name when all has the digest `wanted` and is synced.
pub(super) fn copy(mut from: impl Read, path: &Path, wanted: &Sha256, progress: &Progress) -> Result<(), CopyFailure> {
    let part = part(path);
    let result = copy_to(&mut from, &part, wanted, progress);
    if matches!(result, Err(CopyFailure::Digest | CopyFailure::From(_))) {
        let _ = fs::remove_file(&part); // what is wrong is what matters
    }
    let written = result?;
    let name = || {
        fs::rename(&part, path)?;
        sync_folder(path)
    };
    name().map_err(|error| CopyFailure::To(error, written))
}

fn copy_to(from: &mut impl Read, part: &Path, wanted: &Sha256, progress: &Progress) -> Result<u64, CopyFailure> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut digest, mut unsynced) = (Hashing::new(()), 0);
    let mut to = create(part).map_err(|error| CopyFailure::To(error, 0))?;
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

/// A new file in the place of whatever is there; a link is not followed.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => modes::open_with(OpenOptions::new().write(true).create_new(true), path, modes::PUBLIC_FILE),
    }
}

/// Writes a small file.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = part(path);
    let mut file = create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// The digest of what the medium has, not of what the page cache remembers.
///
/// Clean pages are dropped first (posix_fadvise(2), `POSIX_FADV_DONTNEED`); where the file system can, the reads bypass the cache
/// too (open(2), `O_DIRECT`).
pub fn digest_on_medium(path: &Path, progress: &Progress) -> io::Result<Sha256> {
    let open = |flags: OFlags| {
        OpenOptions::new()
            .read(true)
            .custom_flags((flags | OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(path)
    };
    let cached = open(OFlags::empty())?;
    if !cached.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let _ = cached.sync_all(); // of a file that was opened for reading; dirty pages cannot be dropped
    rustix::fs::fadvise(&cached, 0, None, Advice::DontNeed)?;
    let mut direct = open(OFlags::DIRECT).ok();
    let mut memory = vec![0; BUFFER_BYTES + ALIGNMENT];
    let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
    let buffer = memory.get_mut(start..start + BUFFER_BYTES).unwrap_or_default();
    let mut digest = Hashing::new(());
    loop {
        let position = digest.length();
        let read = match &direct {
            // After a read that is no whole number of sectors comes nothing but the end.
            Some(file) if position.is_multiple_of(ALIGNMENT as u64) => file.read_at(buffer, position),
            _ => cached.read_at(buffer, position),
        };
        match read {
            Ok(0) => break,
            Ok(read) => {
                digest.absorb(buffer.get(..read).unwrap_or_default());
                progress.add(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // It can be opened so, but not read so.
            Err(error) if direct.is_some() && error.kind() == io::ErrorKind::InvalidInput => direct = None,
            Err(error) => return Err(error),
        }
    }
    Ok(digest.finish().1)
}
