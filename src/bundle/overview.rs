//! An overview of a bundle, for people who decide about it: what is to be published, and what of that travels.

use std::path::Path;

use super::folder::{read_small, read_unverified};
use super::packing::found::{FoundPacking, PackedState, index_copy};
use super::packing::totals::{PackingTotals, each_part};
use super::packing::volume_files::{VolumeFiles, WrongSize};
use super::packing::{MAX_PACKING_BYTES, Packing, Volume};
use super::state::blob_table::{BlobMark, BlobTable};
use super::state::lists::StateLists;
use super::state::open::copies_of_lists;
use super::state::{ListLine, Manifest, SignedState};
use super::{BundleError, FormatError, names, trust_files};
use crate::digest::Sha256;
use crate::trust::PublicKey;

/// A bundle whose signatures nobody was asked to trust.
#[derive(Debug)]
pub struct BundleOverview {
    /// The state.
    pub manifest: Manifest,
    /// The digest of the manifest.
    pub digest: Sha256,
    /// The key that signed the manifest; `None` if nobody did.
    pub signer: Option<PublicKey>,
    /// The versions of the trust files that it carries.
    pub trust_files: Vec<u64>,
    /// The item lists, which have been checked.
    pub lists: StateLists,
    /// The number of items of each collection.
    pub items: Vec<u64>,
    /// The blobs. Those that a packing carries are marked so.
    pub blobs: BlobTable,
    /// The packings, sorted by ID.
    pub packings: Vec<PackingOverview>,
    /// The reason for each packing that counts as absent.
    pub absent: Vec<BundleError>,
}

/// A packing.
#[derive(Debug)]
pub struct PackingOverview {
    /// Its ID.
    pub id: String,
    /// The key that signed it; `None` if nobody did.
    pub signer: Option<PublicKey>,
    /// Its content.
    pub packing: Packing,
    /// Sums over its parts, as far as its indexes are here.
    pub totals: PackingTotals,
    /// The number of blobs that it carries, as far as its indexes are here.
    pub blobs: u64,
    /// Volumes and indexes that are not here, by their paths in the bundle's folder.
    pub missing: Vec<String>,
}

/// A packing whose volumes are named, and not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackingOutline {
    /// Its ID.
    pub id: String,
    /// The key that signed it.
    pub signer: PublicKey,
    /// The volumes, in order.
    pub volumes: Vec<Volume>,
    /// Volumes that are not here, by their paths in the bundle's folder.
    pub missing: Vec<String>,
}

/// Returns the signed packings of a state that are in the bundle's folder, sorted by ID.
pub fn packing_outlines(
    folder: &Path,
    manifest: &Manifest,
    digest: &Sha256,
) -> Result<Vec<PackingOutline>, BundleError> {
    let (bundle, folders) = (manifest.folder(), [folder.to_owned()]);
    let state = PackedState { bundle: &bundle, manifest: digest, folders: &folders, wrong_size: WrongSize::Missing };
    let outline = |FoundPacking { id, packing, signer, files, .. }: FoundPacking| PackingOutline {
        id,
        signer,
        volumes: packing.volumes(),
        missing: files.missing(),
    };
    let mut outlines: Vec<_> = state.search(|_| Ok(()))?.found.into_iter().map(outline).collect();
    outlines.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(outlines)
}

/// The state of a bundle, whose signature nobody was asked to trust. Its item lists have been checked.
#[derive(Debug)]
pub struct UntrustedState {
    /// Its content.
    pub manifest: Manifest,
    /// The digest of the manifest.
    pub digest: Sha256,
    /// The key that signed the manifest; `None` if nobody did.
    pub signer: Option<PublicKey>,
    /// The versions of the trust files that the bundle carries.
    pub trust_files: Vec<u64>,
    /// The item lists.
    pub lists: StateLists,
    /// The blobs.
    pub blobs: BlobTable,
}

impl UntrustedState {
    /// Reads the state of the bundle in `folder`, signed or not, and hands each line to `line` with the number of its collection.
    /// A signature that is there must be good.
    pub fn open(
        folder: &Path,
        line: impl FnMut(usize, ListLine) -> Result<(), FormatError>,
    ) -> Result<Self, BundleError> {
        let (bytes, signer) = match SignedState::open(folder) {
            Ok(signed) => {
                let signer = signed.signer().clone();
                (signed.into_bytes(), Some(signer))
            }
            Err(BundleError::Unsigned { .. }) => (read_unverified(folder)?, None),
            Err(error) => return Err(error),
        };
        let in_file = |error| BundleError::in_file(&folder.join(names::MANIFEST))(error);
        let manifest = Manifest::parse(&bytes).map_err(in_file)?;
        let digest = Sha256::of(&bytes);
        let lists = copies_of_lists(&manifest, &[folder.to_owned()], &std::env::temp_dir())?;
        let blobs = lists.check(line).map_err(BundleError::in_file(&folder.join("items")))?;
        let trust_files = trust_files::versions(&trust_files::folder_in(folder))?;
        Ok(Self { manifest, digest, signer, trust_files, lists, blobs })
    }
}

/// Reads the bundle in `folder`, signed or not. Nothing of its volumes is read.
pub fn overview(folder: &Path) -> Result<BundleOverview, BundleError> {
    let mut items = Vec::new();
    let state = UntrustedState::open(folder, |index, line| {
        items.resize(items.len().max(index + 1), 0);
        let counted = items.get_mut(index).filter(|_| matches!(line, ListLine::Item(_)));
        counted.into_iter().for_each(|count| *count += 1);
        Ok(())
    })?;
    let UntrustedState { manifest, digest, signer, trust_files, lists, mut blobs } = state;
    items.resize(manifest.collections.len(), 0);
    let (folders, scratch) = ([folder.to_owned()], std::env::temp_dir());
    let bundle = manifest.folder();
    let state = PackedState { bundle: &bundle, manifest: &digest, folders: &folders, wrong_size: WrongSize::Missing };
    let search = state.search(|_| Ok(()))?;
    let mut packings = Vec::new();
    for FoundPacking { id, packing, signer, files, .. } in search.found {
        packings.push(PackingOverview::new(id, Some(signer), packing, &files, &mut blobs, &scratch)?);
    }
    let mut absent = Vec::new();
    for error in search.absent {
        match error {
            BundleError::PackingUnsigned { folder: below } => {
                let (id, packing, files) = unsigned(folder, &below, &digest)?;
                packings.push(PackingOverview::new(id, None, packing, &files, &mut blobs, &scratch)?);
            }
            other => absent.push(other),
        }
    }
    packings.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(BundleOverview { trust_files, manifest, digest, signer, lists, items, blobs, packings, absent })
}

/// Reads a packing that nobody has signed yet.
fn unsigned(folder: &Path, below: &Path, manifest: &Sha256) -> Result<(String, Packing, VolumeFiles), BundleError> {
    let path = below.join(names::PACKING);
    let bytes = read_small(below, names::PACKING, MAX_PACKING_BYTES)?.unwrap_or_default();
    let parsed = Packing::parse(&bytes, manifest).and_then(|packing| Ok((packing.parameters.id()?, packing)));
    let (id, packing) = parsed.map_err(BundleError::in_file(&path))?;
    let below = format!("{}/{id}", names::PACKINGS);
    let files = VolumeFiles::new(vec![folder.to_owned()], below, packing.volumes(), WrongSize::Missing);
    Ok((id, packing, files))
}

impl PackingOverview {
    fn new(
        id: String,
        signer: Option<PublicKey>,
        packing: Packing,
        files: &VolumeFiles,
        carried: &mut BlobTable,
        scratch: &Path,
    ) -> Result<Self, BundleError> {
        let (mut totals, mut blobs, mut last) = (PackingTotals::default(), 0, None);
        let mut missing = files.missing();
        for (index, volume) in packing.volumes.iter().enumerate() {
            let name = names::volume_index_at(index);
            let Some(copy) = index_copy(&packing, files, index, scratch)? else {
                missing.push(files.name(&name));
                continue;
            };
            let read = each_part(copy, volume.index, |line| {
                totals.add_part(line);
                if last.replace(line.blob) != Some(line.blob) {
                    blobs += 1;
                    carried.mark(&line.blob, BlobMark::Carried);
                }
            });
            read.map_err(BundleError::in_file(&files.expected(&name)))?;
        }
        Ok(Self { id, signer, packing, totals, blobs, missing })
    }
}
