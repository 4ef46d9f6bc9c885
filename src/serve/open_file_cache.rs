//! Files of the current generation that were asked for a short while ago, still open. Most requests are for a few indexes, and
//! a file of a generation never changes, so finding and opening it again would say nothing new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file::{OpenedFile, Permanence};
use crate::path::PublishPath;

/// A file to answer with.
#[derive(Debug)]
pub(super) struct CachedFile {
    /// The file.
    pub(super) file: OpenedFile,
    /// Its path below its generation.
    pub(super) below: PublishPath,
    /// Tells if a file of this name can change.
    pub(super) permanence: Permanence,
    /// The generation that has it.
    pub(super) age: TreeAge,
}

/// A generation that a file is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TreeAge {
    /// The published one.
    Current,
    /// One that was published before.
    Older,
}

/// By their places below the generation.
#[derive(Debug)]
pub(super) struct OpenFileCache {
    files: Mutex<Option<HashMap<String, Arc<CachedFile>>>>,
    capacity: usize,
}

impl OpenFileCache {
    /// Returns a cache of at most `capacity` files.
    pub(super) fn new(capacity: usize) -> Self {
        Self { files: Mutex::new(Some(HashMap::new())), capacity }
    }

    /// The file at `below`, if it is one of these.
    pub(super) fn get(&self, below: &str) -> Option<Arc<CachedFile>> {
        self.lock().as_ref()?.get(below).cloned()
    }

    /// Keeps a file; where there are too many, all others are forgotten, since those that matter come back at once.
    pub(super) fn put(&self, found: &Arc<CachedFile>) {
        let mut files = self.lock();
        let Some(files) = files.as_mut() else { return };
        if files.len() >= self.capacity {
            files.clear();
        }
        files.insert(found.below.as_str().to_owned(), found.clone());
    }

    /// Forgets all files. Returns `false` if there were none.
    pub(super) fn clear(&self) -> bool {
        let forgotten = self.lock().as_mut().map(std::mem::take);
        forgotten.is_some_and(|files| !files.is_empty())
    }

    /// Forgets all and keeps nothing more: the generation is no longer the current one, and what `gc` removes of it would
    /// else stay on the disk.
    pub(super) fn retire(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<String, Arc<CachedFile>>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
