//! A store that fails as stores do: it errs, answers with wrong bytes, or loses what it has taken.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use gapferry::storage::{FileError, FileStore, ListedObject, NewObject, PutOutcome, Store};

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call fails.
    Error,
    /// The call answers with one bit wrong.
    WrongBytes,
    /// The call succeeds, and nothing is stored.
    LostWrite,
}

/// A call of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The method's name.
    pub(crate) method: &'static str,
    /// The key that it was about, or the first one.
    pub(crate) key: String,
}

impl Call {
    /// Returns whether this kind of fault can befall the call.
    pub(crate) fn can_have(&self, fault: Fault) -> bool {
        match fault {
            Fault::Error => true,
            Fault::WrongBytes => ["get", "get_range", "target"].contains(&self.method),
            Fault::LostWrite => ["put", "put_if_absent", "put_files", "point"].contains(&self.method),
        }
    }
}

/// A store over files that has one fault at one call, and notes its calls. It has no local files, like an object store.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: FileStore,
    fault: Option<(FaultyCall, Fault)>,
    calls: Mutex<Vec<Call>>,
}

/// The call that has the fault, counted from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FaultyCall {
    /// Counts all calls.
    Any(usize),
    /// Counts the calls of a method, since threads call in an order that differs from run to run.
    Of(&'static str, usize),
}

impl FaultyCall {
    /// Returns `true` if the last of these calls is the one.
    fn is_last_of(self, calls: &[Call]) -> bool {
        match self {
            Self::Any(number) => number + 1 == calls.len(),
            Self::Of(method, number) => {
                let of_method = calls.iter().filter(|call| call.method == method).count();
                number + 1 == of_method && calls.last().is_some_and(|last| last.method == method)
            }
        }
    }
}

impl FaultyStore {
    /// A store in the folder `root` that has the fault at this call.
    pub(crate) fn new(root: &Path, fault: Option<(FaultyCall, Fault)>) -> Self {
        Self { inner: FileStore::new(root), fault, calls: Mutex::default() }
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Notes a call, and returns the fault that it has.
    fn note(&self, method: &'static str, key: &str) -> Result<Option<Fault>, FileError> {
        let mut calls = self.calls.lock().unwrap();
        calls.push(Call { method, key: key.to_owned() });
        match self.fault {
            Some((at, fault)) if at.is_last_of(&calls) => match fault {
                Fault::Error => {
                    Err(FileError::on::<FileError>(method, &self.inner.place(key))(io::Error::other("planted")))
                }
                fault => Ok(Some(fault)),
            },
            _ => Ok(None),
        }
    }

    fn bytes(&self, fault: Option<Fault>, mut bytes: Vec<u8>) -> Vec<u8> {
        let middle = bytes.len() / 2;
        if let (Some(Fault::WrongBytes), Some(byte)) = (fault, bytes.get_mut(middle)) {
            *byte ^= 1;
        }
        bytes
    }
}

impl Store for FaultyStore {
    fn place(&self, key: &str) -> PathBuf {
        self.inner.place(key)
    }

    fn size(&self, key: &str) -> Result<Option<u64>, FileError> {
        self.note("size", key)?;
        self.inner.size(key)
    }

    fn get(&self, key: &str, cap: u64) -> Result<Vec<u8>, FileError> {
        let fault = self.note("get", key)?;
        Ok(self.bytes(fault, self.inner.get(key, cap)?))
    }

    fn get_range(&self, key: &str, start: u64, length: u64) -> Result<Vec<u8>, FileError> {
        let fault = self.note("get_range", key)?;
        Ok(self.bytes(fault, self.inner.get_range(key, start, length)?))
    }

    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), FileError> {
        match self.note("put", key)? {
            Some(Fault::LostWrite) => Ok(()),
            _ => self.inner.put(key, bytes),
        }
    }

    fn put_if_absent(&self, key: &str, bytes: &[u8]) -> Result<PutOutcome, FileError> {
        match self.note("put_if_absent", key)? {
            Some(Fault::LostWrite) => Ok(PutOutcome::Stored),
            _ => self.inner.put_if_absent(key, bytes),
        }
    }

    fn put_files(&self, files: &[NewObject]) -> Result<(), FileError> {
        let first = files.first().map_or("", |file| file.key.as_str());
        match self.note("put_files", first)?.zip(files.split_last()) {
            Some((Fault::LostWrite, (last, others))) => {
                fs::remove_file(&last.file).unwrap();
                self.inner.put_files(others)
            }
            _ => self.inner.put_files(files),
        }
    }

    fn sync(&self, folder: &str) -> Result<(), FileError> {
        self.note("sync", folder)?;
        self.inner.sync(folder)
    }

    fn delete(&self, key: &str) -> Result<(), FileError> {
        self.note("delete", key)?;
        self.inner.delete(key)
    }

    fn list(&self, folder: &str, depth: usize) -> Result<Vec<ListedObject>, FileError> {
        self.note("list", folder)?;
        self.inner.list(folder, depth)
    }

    fn point(&self, key: &str, target: &str) -> Result<(), FileError> {
        match self.note("point", key)? {
            Some(Fault::LostWrite) => Ok(()),
            _ => self.inner.point(key, target),
        }
    }

    fn target(&self, key: &str) -> Result<Option<String>, FileError> {
        let fault = self.note("target", key)?;
        let target = self.inner.target(key)?;
        Ok(target.map(|target| String::from_utf8(self.bytes(fault, target.into_bytes())).unwrap()))
    }

    fn local_file(&self, _: &str) -> Option<PathBuf> {
        None
    }
}
