//! Snaps in a folder, each with the assertions that `snap download` puts beside it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::snap_set::PickedSnap;
use super::unreadable;
use crate::collect::folder::list_folder;
use crate::collect::{CollectContext, CollectError};
use crate::depot::Batch;
use crate::digest::{Hashing, Sha256};
use crate::error_class::Fault;
use crate::formats::assertions::snaps::verify;
use crate::formats::assertions::{MAX_STREAM_BYTES, Pool, Sha3, Sha3State};
use crate::formats::signed_digest::beside;
use crate::formats::snap::Metadata;
use crate::storage::FileError;

/// Bytes read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// The snaps below `folder`, verified, and copied into the depot where they are new to it.
pub(super) fn collect<'d>(
    folder: &Path,
    with: &CollectContext<'d>,
    batch: &mut Batch<'d>,
) -> Result<Vec<PickedSnap>, CollectError> {
    snaps(folder)?.iter().map(|path| read(path, with, batch)).collect()
}

/// Lists the snaps below `folder`, in the order of their names.
fn snaps(folder: &Path) -> Result<Vec<PathBuf>, CollectError> {
    let has = |path: &Path, wanted: &str| path.extension().is_some_and(|extension| extension == wanted);
    // The assertions beside a snap are read by its name: a link of theirs is looked at here.
    let files = list_folder(folder, |path| has(path, "snap") || has(path, "assert"))?;
    let paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).filter(|path| has(path, "snap")).collect();
    let none = || Fault::usage(format!("there is no .snap file in {}", folder.display()));
    if paths.is_empty() { Err(none().into()) } else { Ok(paths) }
}

/// One snap: both digests in one reading, and copied in only when its assertions are good and it is new.
fn read<'d>(path: &Path, with: &CollectContext<'d>, batch: &mut Batch<'d>) -> Result<PickedSnap, CollectError> {
    let stream = assertions(&path.with_extension("assert"))?;
    let (sha256, sha3, size) = digests(path)?;
    let untrusted = |error| Fault::unverified(format!("cannot trust {}", path.display())).because(error);
    let pool = Pool::of_stream(&stream).map_err(untrusted)?;
    let carried = verify(with.snap_roots, &pool, with.now, sha3, size).map_err(untrusted)?;
    let mut file = File::open(path).map_err(FileError::on::<CollectError>("read", path))?;
    let (metadata, _) = Metadata::of_snap(&mut file).map_err(|error| unreadable(path.display(), error))?;
    with.tally.add(1, size);
    if !with.dry_run {
        with.depot.put_file(batch, path, sha256, size)?;
    }
    Ok(PickedSnap { carried, metadata, sha256 })
}

fn assertions(path: &Path) -> Result<Vec<u8>, CollectError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = path.display();
            return Err(Fault::usage(format!(
                "{path} is not there: `snap download` leaves it beside the snap, and without it nobody vouches for that"
            ))
            .into());
        }
        other => other.map_err(FileError::on::<CollectError>("read", path))?,
    };
    let mut stream = Vec::new(); // one byte more than the parser takes, which then says so
    let read = file.take(MAX_STREAM_BYTES as u64 + 1).read_to_end(&mut stream);
    read.map_err(FileError::on::<CollectError>("read", path))?;
    Ok(stream)
}

/// Both digests of the file, and its size, in one reading.
fn digests(path: &Path) -> Result<(Sha256, Sha3, u64), CollectError> {
    let read = || {
        let mut file = File::open(path)?;
        let (mut sha256, mut sha3) = (Hashing::new(io::sink()), Sha3State::default());
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let length = file.read(&mut buffer)?;
            let bytes = buffer.get(..length).unwrap_or_default();
            if bytes.is_empty() {
                let (_, sha256, size) = sha256.finish();
                return Ok((sha256, sha3.finish(), size));
            }
            beside(bytes.len(), || sha3.update(bytes), || sha256.absorb(bytes));
        }
    };
    read().map_err(FileError::on("read", path))
}
