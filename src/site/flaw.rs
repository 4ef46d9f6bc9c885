//! Reads a file again and compares it with the digest that it must have.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::SiteError;
use super::state::MountedTree;
use crate::depot::{BlobReader, Depot, DepotError};
use crate::digest::{Hashing, Sha256};

/// Size of one read, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// The reason why a file is not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// Its bytes have another digest.
    Changed,
    /// The disk does not give its bytes back.
    Unreadable,
    /// It is not there.
    Missing,
}

impl Flaw {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed on disk",
            Self::Unreadable => "cannot be read",
            Self::Missing => "is missing",
        }
    }
}

/// A file of the site that is not what it must be.
#[derive(Debug, Serialize)]
pub struct FlawedFile {
    /// Its path below the site's folder.
    pub path: PathBuf,
    /// The reason.
    pub flaw: Flaw,
    /// The digest that it must have.
    pub sha256: Sha256,
    /// The published files that need it; each as of the newest generation that has it.
    pub needed_by: Vec<NeededBy>,
    /// The way to replace it.
    #[serde(skip)]
    pub(super) replacement: Replacement,
}

/// The way to replace a flawed file.
#[derive(Debug)]
pub(super) enum Replacement {
    /// It is a blob: it and the published files that are hard links to it are taken away.
    SetAside { links: Vec<PathBuf> },
    /// It is published: its blob takes its place.
    Blob,
    /// It is a generation's link to a tree.
    Link { generation: u64, folder: String, mount: MountedTree },
}

/// A published file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeededBy {
    /// The newest generation that has it.
    pub generation: u64,
    /// Its collection, as KIND/NAME; `None` for what belongs to no collection, such as keys.
    pub collection: Option<String>,
    /// Its path below the collection, or below the generation.
    pub path: String,
    /// The bundle that brought it, if that is known.
    pub bundle: Option<String>,
}

/// Reads the file at `path`, past the page cache as far as the kernel lets go of it, and returns `None` if it has this digest.
/// `read` is told of bytes that were read.
/// A file that this user may not open is an error.
pub(super) fn flaw(path: &Path, digest: &Sha256, read: &dyn Fn(u64)) -> Result<Option<Flaw>, SiteError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Flaw::Missing)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(SiteError::io("open", path)(error));
        }
        Err(_) => return Ok(Some(Flaw::Unreadable)),
        Ok(file) => BlobReader::of_file(file),
    };
    Ok(flaw_in(file, digest, read))
}

/// Reads the blob, and returns `None` if it has the digest that it is named by. A blob that this user may not open is an error.
pub(super) fn blob_flaw(depot: &Depot, digest: &Sha256, read: &dyn Fn(u64)) -> Result<Option<Flaw>, SiteError> {
    match depot.open_blob(digest) {
        Ok(blob) => Ok(flaw_in(blob, digest, read)),
        Err(DepotError::Missing { .. }) => Ok(Some(Flaw::Missing)),
        Err(DepotError::File(error)) if error.source.kind() != io::ErrorKind::PermissionDenied => {
            Ok(Some(Flaw::Unreadable))
        }
        Err(error) => Err(error.into()),
    }
}

fn flaw_in(reader: BlobReader, digest: &Sha256, read: &dyn Fn(u64)) -> Option<Flaw> {
    reader.leave_page_cache();
    match digest_of(reader, read) {
        Ok(found) => (found != *digest).then_some(Flaw::Changed),
        Err(_) => Some(Flaw::Unreadable),
    }
}

fn digest_of(mut file: impl io::Read, read: &dyn Fn(u64)) -> io::Result<Sha256> {
    let (mut hashing, mut buffer) = (Hashing::new(()), vec![0; BUFFER_BYTES]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hashing.finish().1),
            Ok(length) => {
                hashing.absorb(buffer.get(..length).unwrap_or_default());
                read(length as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
