//! What a publisher returns: a tree of paths and blobs, written to disk by [`super::generation`] alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::collection::Collection;
use crate::digest::Sha256;
use crate::path::{MalformedPath, PublishPath};

/// Path → blob. Files that a publisher generates are blobs of the depot like all others, so that a tree has one kind of
/// file, and what did not change from one generation to the next is there once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    files: BTreeMap<PublishPath, Sha256>,
}

impl Tree {
    /// What the collection carries, under its own paths.
    pub(super) fn of_files(collection: &Collection) -> Self {
        Self { files: collection.files.clone() }
    }

    /// Adds a file, over one that stands there.
    pub(super) fn add(&mut self, path: PublishPath, digest: Sha256) {
        self.files.insert(path, digest);
    }

    /// Adds all files of `other` below the folder `prefix`.
    pub(super) fn attach(&mut self, prefix: &str, other: Self) -> Result<(), MalformedPath> {
        let prefix: PublishPath = prefix.parse()?;
        for (path, digest) in other.files {
            self.add(prefix.join(path.as_str())?, digest);
        }
        Ok(())
    }

    /// The files, in the order of their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = (&PublishPath, &Sha256)> {
        self.files.iter()
    }

    /// The files below a folder.
    pub(super) fn below(&self, folder: &str) -> impl Iterator<Item = (&PublishPath, &Sha256)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }

    /// Adds those of `files` for which there is room: nothing stands at their path, nor above or below it.
    pub(super) fn add_where_free<'f>(&mut self, files: impl Iterator<Item = (&'f PublishPath, &'f Sha256)>) {
        let names: BTreeSet<&str> = self.files.keys().map(PublishPath::as_str).collect();
        let folders: BTreeSet<&str> = self.files.keys().flat_map(PublishPath::folders).collect();
        let taken = |path: &PublishPath| {
            names.contains(path.as_str())
                || folders.contains(path.as_str())
                || path.folders().any(|folder| names.contains(folder))
        };
        let free: Vec<_> = files.filter(|(path, _)| !taken(path)).collect();
        free.into_iter().for_each(|(path, digest)| self.add(path.clone(), *digest));
    }

    /// The blob at `path`.
    pub(super) fn get(&self, path: &PublishPath) -> Option<&Sha256> {
        self.files.get(path)
    }
}
