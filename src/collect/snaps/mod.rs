//! Collects snaps from folders: each with the assertions that `snap download` puts beside it, verified down to the store's
//! roots before it enters the depot.

mod error;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use error::SnapsError;

use super::Collecting;
use crate::collection::{Collection, Item, Kind, Label, Proof, Publish};
use crate::depot::Batch;
use crate::digest::Sha256;
use crate::file_error::FileError;
use crate::formats::assertions::snaps::{Carried, verify};
use crate::formats::assertions::{MAX_STREAM_BYTES, Pool, Sha3, Sha3State, Trust};
use crate::path::PublishPath;
use crate::selection::SnapsSource;

/// Collects all sources of snaps: together they are one store, named `name`.
pub fn collect(name: Label, sources: &[SnapsSource], with: &Collecting<'_>) -> Result<Collection, SnapsError> {
    let mut collection = Collection {
        files: Default::default(),
        items: Vec::new(),
        kind: Kind::Snaps,
        name: name.clone(),
        origin: "local".to_owned(),
        proofs: Vec::new(),
        publish: Publish::Verbatim,
        source: name,
    };
    let mut batch = with.depot.batch();
    for source in sources {
        for path in snaps(&source.from)? {
            add(&path, with, &mut batch, &mut collection)?;
        }
    }
    batch.commit()?;
    collection.items.sort_by(|a, b| a.file.cmp(&b.file));
    collection.proofs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(collection)
}

/// The snaps below `folder`, in the order of their names.
fn snaps(folder: &Path) -> Result<Vec<PathBuf>, SnapsError> {
    let mut paths = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|e| FileError::on::<SnapsError>("read", folder)(e.into()))?;
        let is_snap = entry.path().extension().is_some_and(|extension| extension == "snap");
        paths.extend((is_snap && entry.file_type().is_file()).then(|| entry.into_path()));
    }
    if paths.is_empty() { Err(SnapsError::NoSnaps { folder: folder.to_owned() }) } else { Ok(paths) }
}

/// Adds one snap: both digests in one reading, and copied in only when its assertions are good and it is new.
fn add<'d>(
    path: &Path,
    with: &Collecting<'d>,
    batch: &mut Batch<'d>,
    collection: &mut Collection,
) -> Result<(), SnapsError> {
    let stream = assertions(&path.with_extension("assert"))?;
    let (sha256, sha3, size) = digests(path)?;
    let untrusted = |error| SnapsError::Assertions { path: path.to_owned(), source: Box::new(error) };
    let pool = Pool::of_stream(&stream).map_err(untrusted)?;
    let Carried { name, revision, snap_id, publisher, signed_by, stream } =
        verify(Trust::roots(), &pool, with.now, (sha3, size)).map_err(untrusted)?;
    with.tally.add(1, size);
    if !with.dry_run {
        with.depot.put_file(batch, path, (sha256, size))?;
    }
    let file: PublishPath = format!("{name}_{revision}.snap").parse()?;
    let proof: PublishPath = format!("{name}_{revision}.assert").parse()?;
    match collection.files.get(&file) {
        Some(other) if *other != sha256 => return Err(SnapsError::TwoFiles { path: file }),
        Some(_) => return Ok(()),
        None => collection.files.insert(file.clone(), sha256),
    };
    collection.proofs.push(Proof {
        date: None,
        path: proof.clone(),
        sha256: with.depot.put(batch, &stream)?,
        signed_by,
    });
    collection.items.push(Item {
        architecture: String::new(), // not in what the store signs
        file,
        name,
        origin: snap_id,
        proof: Some(proof),
        publisher,
        reason: "local file".to_owned(),
        version: revision.to_string(),
    });
    Ok(())
}

fn assertions(path: &Path) -> Result<Vec<u8>, SnapsError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SnapsError::NoAssertions { path: path.to_owned() });
        }
        other => other.map_err(FileError::on::<SnapsError>("read", path))?,
    };
    let mut stream = Vec::new(); // one byte more than the parser takes, which then says so
    let read = file.take(MAX_STREAM_BYTES as u64 + 1).read_to_end(&mut stream);
    read.map_err(FileError::on::<SnapsError>("read", path))?;
    Ok(stream)
}

/// Both digests of the file, and its size.
fn digests(path: &Path) -> Result<(Sha256, Sha3, u64), SnapsError> {
    let read = || {
        let mut tapped = Tapped { inner: File::open(path)?, state: Sha3State::default() };
        let (sha256, size) = Sha256::of_reader(&mut tapped)?;
        Ok((sha256, tapped.state.finish(), size))
    };
    read().map_err(FileError::on("read", path))
}

/// A reader that hashes what passes.
struct Tapped<R> {
    inner: R,
    state: Sha3State,
}

impl<R: Read> Read for Tapped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.state.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}
