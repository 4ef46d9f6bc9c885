//! A store of named objects, below the depot and the generations of a site.
//!
//! Callers need no hard links and no renames of it, so that an object store fits as well as a file system. An object is whole
//! or absent, also after a kill: whoever reads a key sees the old bytes or the new ones.

use std::fmt::Debug;
use std::path::PathBuf;

use super::FileError;

/// An object that [`Store::list`] found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A finished local file that becomes an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewObject {
    /// The key of the object.
    pub key: String,
    /// The file. The store takes it away.
    pub file: PathBuf,
}

/// The result of [`Store::put_if_absent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum PutOutcome {
    /// The object is new.
    Stored,
    /// Another object has the key, and stays as it was.
    Taken,
}

/// Named objects. A key is a relative path of plain names, such as `depot/sha256/ab/abcd…`.
pub trait Store: Debug + Send + Sync {
    /// Returns the place of an object, for messages.
    fn place(&self, key: &str) -> PathBuf;

    /// Returns the size of the object in bytes; `None` if there is no object of this key.
    fn size(&self, key: &str) -> Result<Option<u64>, FileError>;

    /// Returns all bytes of the object. Fails with `FileTooLarge` above `cap` bytes.
    fn get(&self, key: &str, cap: u64) -> Result<Vec<u8>, FileError>;

    /// Returns `length` bytes from `start` on, or fewer where the object ends.
    fn get_range(&self, key: &str, start: u64, length: u64) -> Result<Vec<u8>, FileError>;

    /// Stores a small object, over one that is there.
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), FileError>;

    /// Stores a small object unless there is one of this key.
    fn put_if_absent(&self, key: &str, bytes: &[u8]) -> Result<PutOutcome, FileError>;

    /// Stores finished files as objects, over those that are there, and takes the files away. Their bytes are safe before
    /// their keys can be seen; the keys are safe after [`Store::sync`].
    fn put_files(&self, files: &[NewObject]) -> Result<(), FileError>;

    /// Makes the keys below `folder` outlive a power cut. Many calls of [`Store::put_files`] need this once.
    fn sync(&self, folder: &str) -> Result<(), FileError>;

    /// Removes the object. Succeeds if it does not exist.
    fn delete(&self, key: &str) -> Result<(), FileError>;

    /// Lists the objects that are `depth` names below `folder`, in the order of their keys.
    fn list(&self, folder: &str, depth: usize) -> Result<Vec<ListedObject>, FileError>;

    /// Lets the pointer at `key` lead to the folder `target`, in one step. A file system has a symbolic link for it, so that
    /// other programs can follow it; an object store has a small object.
    fn point(&self, key: &str, target: &str) -> Result<(), FileError>;

    /// Returns the folder that the pointer at `key` leads to; `None` if there is no pointer. A folder in its place, which `scp`
    /// and `cp -L` make of a link, leads to itself.
    fn target(&self, key: &str) -> Result<Option<String>, FileError>;

    /// Returns the local file that is the object, if the store has its objects in files. Callers may link to it and read it,
    /// and must not change it.
    fn local_file(&self, key: &str) -> Option<PathBuf>;
}
