//! The result of a publisher: a tree of paths and blobs, written to disk by [`super::trees`] alone.

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

impl FromIterator<(PublishPath, Sha256)> for Tree {
    fn from_iter<I: IntoIterator<Item = (PublishPath, Sha256)>>(files: I) -> Self {
        Self { files: files.into_iter().collect() }
    }
}

/// The trees that a generation publishes, by their folders below it, such as `apt/debian`.
#[derive(Debug, Default)]
pub(super) struct GenerationTrees {
    trees: BTreeMap<String, Tree>,
    /// Trees of which the depot has the path maps, since they may have more files than fit into memory.
    maps: BTreeMap<String, Sha256>,
}

impl GenerationTrees {
    /// Adds a tree; one without files has no folder. Fails if a path is too long below the folder.
    pub(super) fn attach(&mut self, folder: &str, tree: Tree) -> Result<(), MalformedPath> {
        let prefix: PublishPath = folder.parse()?;
        tree.files.keys().try_for_each(|path| prefix.join(path.as_str()).map(drop))?;
        if !tree.files.is_empty() {
            self.trees.insert(folder.to_owned(), tree);
        }
        Ok(())
    }

    /// Adds a file to the tree at `folder`.
    pub(super) fn attach_file(&mut self, folder: &str, path: &str, digest: Sha256) -> Result<(), MalformedPath> {
        let path: PublishPath = path.parse()?;
        folder.parse::<PublishPath>()?.join(path.as_str())?;
        self.trees.entry(folder.to_owned()).or_default().add(path, digest);
        Ok(())
    }

    /// Adds a tree by its path map.
    pub(super) fn attach_map(&mut self, folder: &str, map: Sha256) {
        self.maps.insert(folder.to_owned(), map);
    }

    /// Returns the path map of the tree at `folder`, if that was added by it.
    pub(super) fn map_at(&self, folder: &str) -> Option<Sha256> {
        self.maps.get(folder).copied()
    }

    /// Returns `true` if there is a tree at `folder`.
    pub(super) fn has(&self, folder: &str) -> bool {
        self.trees.contains_key(folder) || self.maps.contains_key(folder)
    }

    /// The trees that were added by their path maps.
    pub(super) fn maps(&self) -> impl Iterator<Item = (&str, Sha256)> {
        self.maps.iter().map(|(folder, map)| (folder.as_str(), *map))
    }

    /// The tree at `folder`.
    pub(super) fn get(&self, folder: &str) -> Option<&Tree> {
        self.trees.get(folder)
    }

    /// The trees in memory, in the order of their folders.
    pub(super) fn trees(&self) -> impl Iterator<Item = (&str, &Tree)> {
        self.trees.iter().map(|(folder, tree)| (folder.as_str(), tree))
    }
}
