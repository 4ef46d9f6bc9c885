//! Opens the state of a bundle: the signature first, over the raw bytes; then the manifest is parsed; then the item lists are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::blob_table::BlobTable;
use super::line::ListLine;
use super::lists::StateLists;
use super::manifest::{MAX_MANIFEST_BYTES, Manifest};
use crate::bundle::bundle_stream::BundleStream;
use crate::bundle::folder::{gone_folder, open, read_file, short_names};
use crate::bundle::packing::found::{FoundPacking, PackedState, PackingSearch};
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::stored_list::private_copy;
use crate::bundle::{BundleError, FormatError, STREAM_NAME, names};
use crate::depot::BlobReader;
use crate::digest::Sha256;
use crate::storage::FileError;
use crate::trust::{MANIFEST_NAMESPACE, MAX_SIGNATURE_BYTES, PublicKey, verify};

/// A state whose manifest's signature is good. [`SignedState::trusted`] asks for the trust in its signer.
#[derive(Debug)]
pub struct SignedState {
    folder: PathBuf,
    bytes: Vec<u8>,
    signature: Vec<u8>,
    signer: PublicKey,
}

/// A state whose manifest was signed by a trusted key, and is consistent.
#[derive(Clone, Debug)]
pub struct OpenState {
    /// The bundle's folder on each medium; at least one. Of a stream it is [`STREAM_NAME`].
    pub folders: Vec<PathBuf>,
    /// Its content.
    pub manifest: Manifest,
    /// The manifest's exact bytes.
    pub bytes: Vec<u8>,
    /// Digest of those bytes.
    pub digest: Sha256,
    /// The signature over those bytes.
    pub signature: Vec<u8>,
    /// The key that made the signature.
    pub signer: PublicKey,
}

impl SignedState {
    /// Reads manifest and signature of the bundle in `folder`, and checks the one against the other.
    pub fn open(folder: &Path) -> Result<Self, BundleError> {
        let bytes = read_file(folder, names::MANIFEST, MAX_MANIFEST_BYTES)?;
        let signature = match read_file(folder, names::SIGNATURE, MAX_SIGNATURE_BYTES) {
            Err(BundleError::NotABundle { .. }) => {
                let unsigned = || BundleError::Unsigned { folder: folder.to_owned() };
                return Err(short_names(folder, names::SIGNATURE).unwrap_or_else(unsigned));
            }
            other => other?,
        };
        Self::of_bytes(folder, bytes, signature)
    }

    /// Checks manifest and signature that were read from elsewhere, as if they were in `folder`.
    pub fn of_bytes(folder: &Path, bytes: Vec<u8>, signature: Vec<u8>) -> Result<Self, BundleError> {
        let signer = verify(&signature, MANIFEST_NAMESPACE, &bytes)?;
        Ok(Self { folder: folder.to_owned(), bytes, signature, signer })
    }

    /// Reads manifest and signature from a stream, and checks the one against the other.
    pub fn receive(stream: &BundleStream) -> Result<Self, BundleError> {
        let (bytes, signature) = stream.manifest()?;
        Self::of_bytes(Path::new(STREAM_NAME), bytes, signature)
    }

    /// The digest of the manifest's exact bytes.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.bytes)
    }

    /// The manifest's exact bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The key that made the signature.
    pub fn signer(&self) -> &PublicKey {
        &self.signer
    }

    /// Parses the manifest, if `trusted` accepts the signer.
    pub fn trusted<E: From<BundleError>>(
        self,
        trusted: impl FnOnce(&PublicKey) -> Result<(), E>,
    ) -> Result<OpenState, E> {
        trusted(&self.signer)?;
        let Self { folder, bytes, signature, signer } = self;
        let manifest = Manifest::parse(&bytes).map_err(BundleError::in_file(&folder.join(names::MANIFEST)))?;
        let digest = Sha256::of(&bytes);
        Ok(OpenState { folders: vec![folder], manifest, bytes, digest, signature, signer })
    }
}

impl OpenState {
    /// The same state, with its files looked for in these folders too, each of which must have the same manifest.
    pub fn also_in(mut self, folders: &[PathBuf]) -> Result<Self, BundleError> {
        for folder in folders {
            if read_file(folder, names::MANIFEST, MAX_MANIFEST_BYTES)? != self.bytes {
                return Err(BundleError::AnotherBundle { folder: folder.clone(), bundle: self.manifest.folder() });
            }
        }
        self.folders.extend_from_slice(folders);
        Ok(self)
    }

    /// Copies all item lists into nameless files in the folder `scratch`, each from a medium on which it has the right digest. Checks
    /// them, and hands each line to `line` with the number of its collection.
    pub fn lists(
        &self,
        scratch: &Path,
        line: impl FnMut(usize, ListLine) -> Result<(), FormatError>,
    ) -> Result<(StateLists, BlobTable), BundleError> {
        self.check_lists(copies_of_lists(&self.manifest, &self.folders, scratch)?, line)
    }

    /// Does the same, and leaves out the lists in `held`, each with the number of its collection. They were checked before.
    pub fn lists_beside(
        &self,
        held: BTreeMap<usize, BlobReader>,
        scratch: &Path,
    ) -> Result<(StateLists, BlobTable), BundleError> {
        self.check_lists(copies_beside(held, &self.manifest, &self.folders, scratch)?, |_, _| Ok(()))
    }

    /// Checks item lists that were copied from elsewhere.
    pub fn check_lists(
        &self,
        lists: StateLists,
        mut line: impl FnMut(usize, ListLine) -> Result<(), FormatError>,
    ) -> Result<(StateLists, BlobTable), BundleError> {
        let folder = self.folders.first().map(PathBuf::as_path).unwrap_or(Path::new(STREAM_NAME));
        let mut current = 0;
        let blobs = lists.check(|index, next| {
            current = index;
            line(index, next)
        });
        let name = self.manifest.collections.get(current).map(|collection| collection.list_file()).unwrap_or_default();
        let blobs = blobs.map_err(BundleError::in_file(&folder.join(name)))?;
        Ok((lists, blobs))
    }

    /// The bundle's folder on the first medium; of a stream [`STREAM_NAME`].
    pub(crate) fn expected(&self) -> PathBuf {
        self.folders.first().cloned().unwrap_or_else(|| PathBuf::from(STREAM_NAME))
    }

    /// Looks for packings that a key signed which `is_builder`.
    pub fn packings(
        &self,
        wrong_size: WrongSize,
        is_builder: impl FnMut(&PublicKey) -> Result<(), BundleError>,
    ) -> Result<PackingSearch, BundleError> {
        let bundle = &self.manifest.folder();
        PackedState { bundle, manifest: &self.digest, folders: &self.folders, wrong_size }.search(is_builder)
    }

    /// Reads the next packing from a stream, which a key has signed that `is_builder`. Returns `None` behind the last one.
    pub fn next_packing(
        &self,
        stream: &BundleStream,
        is_builder: impl FnMut(&PublicKey) -> Result<(), BundleError>,
    ) -> Result<Option<FoundPacking>, BundleError> {
        let (bundle, wrong_size) = (&self.manifest.folder(), WrongSize::Refused);
        let state = PackedState { bundle, manifest: &self.digest, folders: &self.folders, wrong_size };
        stream.packing(state, is_builder)
    }
}

/// Copies all item lists into nameless files in the folder `scratch`, each from a folder in which it has the right digest.
pub(crate) fn copies_of_lists(
    manifest: &Manifest,
    folders: &[PathBuf],
    scratch: &Path,
) -> Result<StateLists, BundleError> {
    copies_beside(BTreeMap::new(), manifest, folders, scratch)
}

fn copies_beside(
    mut held: BTreeMap<usize, BlobReader>,
    manifest: &Manifest,
    folders: &[PathBuf],
    scratch: &Path,
) -> Result<StateLists, BundleError> {
    let left_out: Vec<usize> = held.keys().copied().collect();
    let files = manifest.collections.iter().enumerate().map(|(index, collection)| match held.remove(&index) {
        Some(list) => Ok(list),
        None => {
            let copy = |file| private_copy(file, &collection.list.stored, scratch);
            copy_of(folders, &collection.list_file(), copy).map(BlobReader::of_file)
        }
    });
    let folder = folders.first().map(PathBuf::as_path).unwrap_or(Path::new(STREAM_NAME));
    let lists = StateLists::new(manifest, files.collect::<Result<_, _>>()?);
    let mut lists = lists.map_err(BundleError::in_file(folder))?;
    left_out.into_iter().for_each(|index| lists.leave_out(index));
    Ok(lists)
}

/// Takes the first copy of a file that is the right one. Reports the first one that is wrong, if no medium has a right one.
fn copy_of(
    folders: &[PathBuf],
    name: &str,
    copy: impl Fn(File) -> Result<File, FormatError>,
) -> Result<File, BundleError> {
    let mut wrong = None;
    for folder in folders {
        let path = folder.join(name);
        let found = match open(&path) {
            Err(BundleError::File(FileError { source, .. })) if source.kind() == std::io::ErrorKind::NotFound => {
                gone_folder(folder).map_or(Ok(()), Err)?;
                continue;
            }
            Err(error) => Err(error),
            Ok((file, _)) => copy(file).map_err(BundleError::in_file(&path)),
        };
        match found {
            Ok(copy) => return Ok(copy),
            Err(error) => drop(wrong.get_or_insert(error)),
        }
    }
    let folder = folders.first().cloned().unwrap_or_default();
    Err(wrong.unwrap_or(BundleError::ListMissing { path: folder.join(name) }))
}
