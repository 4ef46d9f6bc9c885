//! Which blobs each finished bundle needs at the site: what deltas are reckoned from.
//!
//! `history/SITE-NAME/EPOCH-SEQUENCE.blobs` has the digest of the bundle's manifest in its first line, and then those of all
//! blobs that the manifest names, sorted. Beside it,
//! `EPOCH-SEQUENCE.place` has the folder that the bundle was written to, `EPOCH-SEQUENCE.sig` the manifest's signature, and
//! `EPOCH-SEQUENCE.packings` the bundle's packings. Manifests, item lists and packings themselves are blobs of the depot. The item
//! lists of the last bundle are in `EPOCH-SEQUENCE.lists/` too, since the depot is not backed up.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::WorkspaceError;
use super::delivered_blobs::BlobList;
use super::packings::NotedPacking;
use crate::bundle::BundleError;
use crate::bundle::names;
use crate::bundle::state::Manifest;
use crate::bundle::state::blob_table::BlobTable;
use crate::bundle::state::lists::StateLists;
use crate::digest::Sha256;
use crate::numbers::{Epoch, Sequence};
use crate::storage::{self, StorageError, modes, read_capped, write_atomically};
use crate::trust::MAX_SIGNATURE_BYTES;

/// The extension of lists of packings.
const PACKINGS: &str = "packings";

/// The extension of folders with item lists.
const ITEM_LISTS: &str = "lists";

/// The lists of one site and name.
#[derive(Debug)]
pub(super) struct History {
    folder: PathBuf,
}

/// A file that notes something of one bundle.
struct NotedFile {
    epoch: Epoch,
    sequence: Sequence,
    path: PathBuf,
}

impl History {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, epoch: Epoch, sequence: Sequence) -> PathBuf {
        self.file(epoch, sequence, "blobs")
    }

    fn file(&self, epoch: Epoch, sequence: Sequence, extension: &str) -> PathBuf {
        self.folder.join(format!("{epoch}-{sequence:06}.{extension}"))
    }

    /// Writes down where the bundle is, and its signature, if it has one already.
    pub(super) fn note_place(&self, folder: &Path, manifest: &Manifest) -> Result<(), WorkspaceError> {
        modes::create_public_folders(&self.folder).map_err(WorkspaceError::io("create", &self.folder))?;
        let (epoch, sequence) = (manifest.epoch, manifest.sequence);
        let folder = std::path::absolute(folder).map_err(WorkspaceError::io("find", folder))?;
        write_atomically(&self.file(epoch, sequence, "place"), folder.as_os_str().as_bytes(), 0o644)?;
        match read_capped(&folder.join(names::SIGNATURE), MAX_SIGNATURE_BYTES) {
            Ok(signature) => Ok(write_atomically(&self.file(epoch, sequence, "sig"), &signature, 0o644)?),
            Err(_) => Ok(()), // a signing room adds it to the bundle
        }
    }

    /// The folder that the bundle was written to; `None` if that was not noted.
    pub(super) fn place(&self, sequence: Sequence) -> Result<Option<PathBuf>, WorkspaceError> {
        let Some(path) = self.newest(sequence, "place")? else { return Ok(None) };
        let bytes = fs::read(&path).map_err(WorkspaceError::io("read", &path))?;
        Ok(Some(PathBuf::from(OsString::from_vec(bytes))))
    }

    /// The signature of the bundle's manifest; `None` if it was signed after the export, or is forgotten.
    pub(super) fn signature(&self, epoch: Epoch, sequence: Sequence) -> Result<Option<Vec<u8>>, WorkspaceError> {
        let path = self.file(epoch, sequence, "sig");
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(WorkspaceError::io("read", &path)),
        }
    }

    /// Returns the bundle's file of this extension; of several epochs, that of the newest.
    fn newest(&self, sequence: Sequence, extension: &str) -> Result<Option<PathBuf>, WorkspaceError> {
        let files = self.files(&[extension])?.into_iter().filter(|file| file.sequence == sequence);
        Ok(files.max_by_key(|file| file.epoch).map(|file| file.path))
    }

    /// Writes down what the bundle needs.
    pub(super) fn note(&self, manifest: &Manifest, digest: &Sha256, blobs: &BlobTable) -> Result<(), WorkspaceError> {
        modes::create_public_folders(&self.folder).map_err(WorkspaceError::io("create", &self.folder))?;
        let path = self.path(manifest.epoch, manifest.sequence);
        let write = |file: &mut dyn Write| {
            let digests = std::iter::once(digest).chain(blobs.iter().map(|blob| &blob.sha256));
            digests.into_iter().try_for_each(|digest| writeln!(file, "{digest}"))
        };
        storage::place_atomically_with(&path, modes::PUBLIC_FILE, write).map_err(WorkspaceError::io("write", &path))
    }

    /// The digest of the bundle's manifest, if the bundle is known.
    pub(super) fn manifest(&self, epoch: Epoch, sequence: Sequence) -> Result<Option<Sha256>, WorkspaceError> {
        let path = self.path(epoch, sequence);
        match path.try_exists().map_err(WorkspaceError::io("look at", &path))? {
            true => Ok(Some(BlobList::open(&path)?.manifest())),
            false => Ok(None),
        }
    }

    /// The digest of the manifest of the bundle with this sequence; of several epochs, that of the newest. `None` if it is not known.
    pub(super) fn newest_manifest(&self, sequence: Sequence) -> Result<Option<(Epoch, Sha256)>, WorkspaceError> {
        let lists = self.files(&["blobs"])?.into_iter().filter(|file| file.sequence == sequence);
        let Some(epoch) = lists.map(|file| file.epoch).max() else { return Ok(None) };
        Ok(self.manifest(epoch, sequence)?.map(|digest| (epoch, digest)))
    }

    /// The digests of the manifests of all bundles that are known.
    pub(super) fn manifests(&self) -> Result<Vec<Sha256>, WorkspaceError> {
        let lists = self.files(&["blobs"])?;
        let digests = lists.into_iter().map(|list| self.manifest(list.epoch, list.sequence));
        Ok(digests.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The packings of the bundle that were made here, in the order in which they were made.
    pub(super) fn packings(&self, epoch: Epoch, sequence: Sequence) -> Result<Vec<NotedPacking>, WorkspaceError> {
        let path = self.file(epoch, sequence, PACKINGS);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            other => {
                let bytes = other.map_err(WorkspaceError::io("read", &path))?;
                Ok(serde_json::from_slice(&bytes).map_err(StorageError::damaged(&path))?)
            }
        }
    }

    /// Writes down the packings of the bundle.
    pub(super) fn note_packings(
        &self,
        epoch: Epoch,
        sequence: Sequence,
        packings: &[NotedPacking],
    ) -> Result<(), WorkspaceError> {
        modes::create_public_folders(&self.folder).map_err(WorkspaceError::io("create", &self.folder))?;
        let path = self.file(epoch, sequence, PACKINGS);
        let text = serde_json::to_string_pretty(packings).map_err(StorageError::damaged(&path))?;
        Ok(write_atomically(&path, format!("{text}\n").as_bytes(), 0o644)?)
    }

    /// All packings that were made here.
    pub(super) fn all_packings(&self) -> Result<Vec<NotedPacking>, WorkspaceError> {
        let files = self.files(&[PACKINGS])?;
        let packings = files.into_iter().map(|file| self.packings(file.epoch, file.sequence));
        Ok(packings.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Returns the lists of the blobs that each bundle of a row needs; `None` if one of the bundles is not known. A site that has imported any of
    /// them holds what stands in all.
    pub(super) fn common(
        &self,
        epoch: Epoch,
        from: Sequence,
        to: Sequence,
    ) -> Result<Option<Vec<PathBuf>>, WorkspaceError> {
        let mut lists = Vec::new();
        for sequence in std::iter::once(from).chain(from.next().up_to(to)) {
            let path = self.path(epoch, sequence);
            match path.try_exists().map_err(WorkspaceError::io("look at", &path))? {
                true => lists.push(path),
                false => return Ok(None),
            }
        }
        Ok(Some(lists))
    }

    /// Returns the blobs of bundles that `last`, the one recorded last, does not know of: an export was killed before it could
    /// record the bundle that it had finished.
    ///
    /// Fails if there is no `last` and more than one list: its manifest was lost.
    pub(super) fn unrecorded(&self, last: Option<&Manifest>) -> Result<BTreeSet<Sha256>, WorkspaceError> {
        let lists = self.files(&["blobs"])?;
        if last.is_none() && lists.len() > 1 {
            let reason = "it is missing, though bundles were made: restore it, or export once more".to_owned();
            return Err(StorageError::damaged(&self.folder.with_extension("json"))(reason).into());
        }
        let recorded = last.map(|last| (last.epoch, last.sequence));
        let mut blobs = BTreeSet::new();
        for list in lists.into_iter().filter(|list| Some((list.epoch, list.sequence)) > recorded) {
            let mut list = BlobList::open(&list.path)?;
            while let Some(blob) = list.next_blob()? {
                blobs.insert(blob);
            }
        }
        Ok(blobs)
    }

    /// Returns the folder with the item lists of the last bundle, in which they lie as in a bundle's folder.
    pub(super) fn item_lists(&self, manifest: &Manifest) -> PathBuf {
        self.file(manifest.epoch, manifest.sequence, ITEM_LISTS)
    }

    /// Keeps the item lists of a bundle that is recorded next.
    pub(super) fn keep_item_lists(&self, manifest: &Manifest, lists: &StateLists) -> Result<(), WorkspaceError> {
        let below = self.item_lists(manifest);
        for (index, collection) in manifest.collections.iter().enumerate() {
            let path = below.join(collection.list_file());
            let mut list = lists.stored(index).map_err(BundleError::in_file(&path))?;
            let folder = path.parent().unwrap_or(&below);
            modes::create_public_folders(folder).map_err(WorkspaceError::io("create", folder))?;
            let placed = storage::place_atomically_from(&path, &mut list, modes::PUBLIC_FILE);
            placed.map_err(WorkspaceError::io("write", &path))?;
        }
        Ok(())
    }

    /// Removes the item lists of all bundles but the one that was recorded last.
    pub(super) fn forget_other_item_lists(&self, last: &Manifest) -> Result<(), WorkspaceError> {
        let is_other = |file: &NotedFile| (file.epoch, file.sequence) != (last.epoch, last.sequence);
        for NotedFile { path, .. } in self.files(&[ITEM_LISTS])?.into_iter().filter(is_other) {
            fs::remove_dir_all(&path).map_err(WorkspaceError::io("remove", &path))?;
        }
        Ok(())
    }

    /// Removes what is noted of other epochs, and of bundles before `from`.
    pub(super) fn prune(&self, epoch: Epoch, from: Sequence) -> Result<(), WorkspaceError> {
        let old = |of: Epoch, sequence: Sequence| of != epoch || sequence < from;
        let files = self.files(&["blobs", "place", "sig", PACKINGS])?;
        for NotedFile { path, .. } in files.into_iter().filter(|file| old(file.epoch, file.sequence)) {
            fs::remove_file(&path).map_err(WorkspaceError::io("remove", &path))?;
        }
        Ok(())
    }

    /// Returns the files with one of these extensions, in no order.
    fn files(&self, extensions: &[&str]) -> Result<Vec<NotedFile>, WorkspaceError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(WorkspaceError::io("list", &self.folder))?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(WorkspaceError::io("list", &self.folder))?.path();
            if path.extension().is_some_and(|extension| extensions.iter().any(|ours| extension == *ours)) {
                files.extend(number(&path).map(|(epoch, sequence)| NotedFile { epoch, sequence, path }));
            }
        }
        Ok(files)
    }
}

/// Epoch and sequence in the name of a file.
fn number(path: &Path) -> Option<(Epoch, Sequence)> {
    let (epoch, sequence) = path.file_stem()?.to_str()?.split_once('-')?;
    Some((epoch.parse().ok()?, sequence.parse().ok()?))
}
