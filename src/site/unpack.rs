//! Unpacks the packings of a bundle into the site's depot, and goes on where an interrupted import stopped.
//!
//! A blob that travels in one part is complete when its part is. A blob that was cut is assembled in its partial file; the ranges of
//! it that are there are noted in a journal, after they have been synced. Packings cut a blob differently, so ranges of several
//! packings make it up together. The whole is hashed before it gets its name, so the journal saves work but is not relied on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::incoming::{Incoming, IncomingState};
use super::journal::Journal;
use super::second_digest::{SecondDigest, SecondDigests};
use super::{Site, SiteError, room};
use crate::bundle::packing::found::FoundPacking;
use crate::bundle::packing::index::Slice;
use crate::bundle::packing::unpack::{ContentSink, PartSink, unpack, unpack_stream};
use crate::bundle::packing::volume_parts::VolumePart;
use crate::bundle::state::ListLine;
use crate::bundle::state::blob_table::{BlobEntry, BlobMark, BlobSet, BlobTable};
use crate::bundle::{BundleError, Damage, names};
use crate::depot::{Batch, Depot, DepotError};
use crate::digest::Sha256;
use crate::formats::signed_digest::DigestKind;
use crate::progress::Progress;
use crate::storage::WriteBehind;

/// The result of unpacking.
#[derive(Default)]
pub(super) struct Unpacked {
    /// Second digests of blobs that need one and came in one piece.
    pub(super) second: SecondDigests,
    /// Damage on the medium that was restored.
    pub(super) repaired: Vec<Damage>,
    /// The packings that were read.
    pub(super) packings: Vec<FoundPacking>,
}

/// Unpacks the blobs of the bundle that are marked as lacking, if there is room for them and for the published files. Ends with all of them there, or with what is missing as the error.
pub(super) fn into_depot(
    site: &Site,
    incoming: Incoming<'_>,
    content: &mut IncomingState,
    depot: &Depot,
    room_of_files: u64,
    progress: &Progress,
) -> Result<Unpacked, SiteError> {
    room::check(site, room::of_blobs(&content.blobs, depot) + room_of_files, depot.free_bytes()?)?;
    let journal = Journal::open(&site.journal_folder(incoming.state), incoming.state)?;
    let resumed = journal.is_begun();
    let target = UnpackTarget { site, depot, journal: &journal, scratch: site.root() };
    match target.fill(incoming, content, progress) {
        // The partial files are not what an earlier run noted: another bundle with the same blobs came in between.
        Err(SiteError::Bundle(BundleError::WrongBlob { .. })) if resumed && incoming.stream.is_none() => {
            target.fill(incoming, content, progress)
        }
        other => other,
    }
}

/// Marks the blobs that the depot does not hold, or that a check has found bad, as lacking, and no others.
pub(super) fn mark_lacking(blobs: &mut BlobTable, depot: &Depot) -> Result<(), DepotError> {
    let mut failed = Ok(());
    blobs.mark_where(BlobMark::Lacking, |blob| match depot.has_good(&blob.sha256, blob.size) {
        Ok(has) => !has,
        Err(error) => {
            failed = Err(error);
            true
        }
    });
    failed
}

/// The depot that a bundle is unpacked into.
pub(super) struct UnpackTarget<'a> {
    pub(super) site: &'a Site,
    pub(super) depot: &'a Depot,
    pub(super) journal: &'a Journal,
    /// The folder for nameless files.
    pub(super) scratch: &'a Path,
}

impl UnpackTarget<'_> {
    fn fill(
        &self,
        incoming: Incoming<'_>,
        content: &mut IncomingState,
        progress: &Progress,
    ) -> Result<Unpacked, SiteError> {
        let lacking = content.blobs.marked(BlobMark::Lacking).map(|blob| blob.size).sum();
        let progress = progress.phase("unpacking", lacking);
        let sink = DepotSink::new(content, self.depot, self.journal)?;
        let read = self.read(incoming, content, &sink, &progress);
        progress.finish();
        // What was unpacked before a failure is good, and is kept.
        let (second, left, committed) = sink.finish();
        content.blobs.mark_set(BlobMark::Lacking, &left);
        let (packings, repaired) = read?;
        committed?;
        self.assemble(&mut content.blobs)?;
        self.complete(&packings, &content.blobs)?;
        Ok(Unpacked { second, repaired, packings })
    }

    /// Hands all parts of all packings to the sink. Returns the packings, and damage that was restored.
    pub(super) fn read<S: ContentSink>(
        &self,
        incoming: Incoming<'_>,
        content: &IncomingState,
        sink: &S,
        progress: &Progress,
    ) -> Result<(Vec<FoundPacking>, Vec<Damage>), SiteError> {
        let (mut packings, mut repaired) = (Vec::new(), Vec::new());
        let blobs = &content.blobs;
        match incoming.stream {
            Some(stream) => {
                let builders = self.site.builders(&incoming.state.digest)?;
                let is_builder = |signer: &_| Ok(builders.check(signer)?);
                while let Some(packing) = incoming.state.next_packing(stream, is_builder)? {
                    let mut walk = content.state.lists.walk(blobs);
                    unpack_stream(stream, &packing, &mut walk, sink, self.scratch, progress)?;
                }
            }
            None => {
                packings = self.site.packings(incoming.state)?.found;
                self.journal.note_bases(&bases(&packings, self.scratch)?)?;
                for packing in &packings {
                    let read = unpack(packing, &mut content.state.lists.walk(blobs), sink, self.scratch, progress)?;
                    repaired.extend(read.repaired);
                }
            }
        }
        Ok((packings, repaired))
    }

    /// Names each blob that was cut and is complete now.
    pub(super) fn assemble(&self, blobs: &mut BlobTable) -> Result<(), SiteError> {
        let (depot, mut batch) = (self.depot, self.depot.batch());
        let cut = self.journal.blobs().into_iter().filter_map(|digest| blobs.get(&digest).copied());
        let whole = cut.filter(|blob| blob.has(BlobMark::Lacking) && self.journal.has_all(&blob.sha256, blob.size));
        for BlobEntry { sha256, size, .. } in whole.collect::<Vec<_>>() {
            let path = depot.partial_path(&sha256);
            let mut file = depot.open_partial(&sha256)?;
            // Something longer may have been left there by a bundle that lied about the blob's size.
            file.set_len(size).map_err(SiteError::io("cut", &path))?;
            let (digest, _) = Sha256::of_reader(&mut file).map_err(SiteError::io("read", &path))?;
            if digest != sha256 {
                let bases = self.journal.bases(&sha256);
                self.journal.forget()?;
                depot.remove_partial(&sha256)?;
                // Patches on what has changed on disk: the blob is lacking, and can be asked for.
                if bases.iter().try_fold(false, |found, base| Ok::<_, DepotError>(found || is_rotten(depot, base)?))? {
                    continue;
                }
                // What is complete besides counts as here from now on.
                batch.commit()?;
                return Err(BundleError::WrongBlob { digest: sha256 }.into());
            }
            batch.add(sha256, size)?;
            blobs.clear(&sha256, BlobMark::Lacking);
        }
        Ok(batch.commit()?)
    }

    /// Fails if blobs are lacking: with the volumes that have them, or else with their number.
    pub(super) fn complete(&self, packings: &[FoundPacking], blobs: &BlobTable) -> Result<(), SiteError> {
        let Some(first) = blobs.marked(BlobMark::Lacking).next() else { return Ok(()) };
        let mut missing = Vec::new();
        for packing in packings {
            let gone = packing.files.missing();
            for (index, volume) in packing.files.volumes().iter().enumerate() {
                let name = packing.files.name(&volume.file);
                match self.has_lacking(packing, index, blobs)? {
                    None => missing.push(packing.files.name(&names::volume_index_at(index))),
                    Some(true) if gone.contains(&name) => missing.push(name),
                    Some(_) => {}
                }
            }
        }
        if !missing.is_empty() {
            let folder = packings.first().and_then(|packing| packing.files.folders().first().cloned());
            packings.iter().try_for_each(|packing| packing.files.can_be_read())?;
            return Err(BundleError::VolumesMissing { folder: folder.unwrap_or_default(), missing }.into());
        }
        // Last, so that the site can ask for these alone: all else is here now.
        let count = blobs.marked(BlobMark::Lacking).count();
        Err(BundleError::BlobsMissing { count, first: first.sha256 }.into())
    }

    /// Returns `true` if the volume has a blob that is lacking; `None` if its index is nowhere.
    fn has_lacking(
        &self,
        packing: &FoundPacking,
        index: usize,
        blobs: &BlobTable,
    ) -> Result<Option<bool>, BundleError> {
        let mut has = false;
        let is_known = packing.each_part(index, self.scratch, |part| {
            has |= blobs.get(&part.blob).is_some_and(|blob| blob.has(BlobMark::Lacking));
        })?;
        Ok(is_known.then_some(has))
    }
}

/// The blobs that patches of the packings build on, as far as their indexes are at hand.
pub(super) fn bases(packings: &[FoundPacking], scratch: &Path) -> Result<BTreeSet<Sha256>, BundleError> {
    let mut bases = BTreeSet::new();
    for packing in packings.iter().filter(|packing| packing.packing.parameters.patches.is_some()) {
        for index in 0..packing.packing.volumes.len() {
            packing.each_part(index, scratch, |part| bases.extend(part.base.as_ref().map(|base| base.sha256)))?;
        }
    }
    Ok(bases)
}

/// Whether the blob is gone, or its bytes have changed.
fn is_rotten(depot: &Depot, digest: &Sha256) -> Result<bool, DepotError> {
    match depot.verify(digest) {
        Err(DepotError::Missing { .. } | DepotError::DigestMismatch { .. }) => Ok(true),
        other => other.map(|()| false),
    }
}

/// Writes parts into a depot.
pub(super) struct DepotSink<'a> {
    depot: &'a Depot,
    journal: &'a Journal,
    batch: Mutex<Batch<'a>>,
    blobs: &'a BlobTable,
    /// The blobs that are lacking, by their places in the table: each goes when it is here.
    lacking: Mutex<BlobSet>,
    /// Blobs of which another digest is needed.
    second_kinds: BTreeMap<Sha256, DigestKind>,
    second: Mutex<SecondDigests>,
}

impl<'a> DepotSink<'a> {
    /// A sink for the blobs that are marked as lacking.
    pub(super) fn new(content: &'a IncomingState, depot: &'a Depot, journal: &'a Journal) -> Result<Self, SiteError> {
        let blobs = &content.blobs;
        Ok(Self {
            depot,
            journal,
            batch: Mutex::new(depot.batch()),
            blobs,
            lacking: Mutex::new(blobs.set_of(BlobMark::Lacking)),
            second_kinds: second_kinds(content)?,
            second: Mutex::default(),
        })
    }

    /// Names what was unpacked. Returns the second digests, and the blobs that are lacking still.
    pub(super) fn finish(self) -> (SecondDigests, BlobSet, Result<(), DepotError>) {
        let second = self.second.into_inner().unwrap_or_else(PoisonError::into_inner);
        let lacking = self.lacking.into_inner().unwrap_or_else(PoisonError::into_inner);
        (second, lacking, self.batch.into_inner().unwrap_or_else(PoisonError::into_inner).commit())
    }

    /// Takes a blob whose partial file is complete.
    pub(super) fn add(&self, part: &VolumePart) -> Result<(), BundleError> {
        lock(&self.batch).add(part.line.blob, part.blob_size)?;
        if let Some(place) = self.blobs.place_of(&part.line.blob) {
            lock(&self.lacking).remove(place);
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The blobs that upstreams sign by another digest than SHA-256, with its kind.
fn second_kinds(content: &IncomingState) -> Result<BTreeMap<Sha256, DigestKind>, SiteError> {
    let mut kinds = BTreeMap::new();
    for (index, collection) in content.state.manifest.collections.iter().enumerate() {
        let Some(kind) = collection.second_digest else { continue };
        let of_proofs = collection.kind.has_second_digests_of_proofs();
        content.each_line(index, |line| {
            if of_proofs || matches!(line, ListLine::Item(_)) {
                kinds.insert(line.blob().0, kind);
            }
        })?;
    }
    Ok(kinds)
}

/// A part on its way into a partial file.
pub(super) struct Writing {
    file: File,
    path: PathBuf,
    position: u64,
    behind: WriteBehind,
    second: Option<SecondDigest>,
}

impl PartSink for Writing {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.second.iter().for_each(|second| second.update(bytes));
        self.behind.write(&self.file, bytes, self.position).map_err(BundleError::io("write", &self.path))?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl ContentSink for DepotSink<'_> {
    type Part = Writing;

    fn wants(&self, part: &VolumePart) -> bool {
        let is_lacking = self.blobs.place_of(&part.line.blob).is_some_and(|place| lock(&self.lacking).contains(place));
        is_lacking && (part.is_whole() || !self.journal.has(part))
    }

    fn base(&self, base: &Slice) -> Result<Option<Vec<u8>>, BundleError> {
        match self.depot.read_range(&base.sha256, base.start, base.length) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(DepotError::Missing { .. }) => Ok(None),
            Err(DepotError::File(error)) if error.source.kind() == ErrorKind::UnexpectedEof => {
                match self.is_rotten(base)? {
                    true => Ok(None),
                    false => {
                        let reason = format!("a patch builds on what is beyond blob {}", base.sha256);
                        Err(BundleError::Inconsistent(reason))
                    }
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_rotten(&self, base: &Slice) -> Result<bool, BundleError> {
        Ok(is_rotten(self.depot, &base.sha256)?)
    }

    fn begin(&self, part: &VolumePart) -> Result<Writing, BundleError> {
        let (blob, is_whole) = (&part.line.blob, part.is_whole());
        self.journal.overwrite(part)?;
        let file = if is_whole { self.depot.create_partial(blob)? } else { self.depot.open_partial(blob)? };
        let kind = self.second_kinds.get(blob).filter(|_| is_whole);
        let second = kind.and_then(|kind| SecondDigest::start(*kind));
        let (path, behind) = (self.depot.partial_path(blob), WriteBehind::default());
        Ok(Writing { file, path, position: part.line.start, behind, second })
    }

    fn done(&self, part: &VolumePart, mut content: Writing) -> Result<(), BundleError> {
        content.behind.finish().map_err(BundleError::io("sync", &content.path))?;
        if let Some(digest) = content.second.and_then(SecondDigest::finish) {
            lock(&self.second).insert(part.line.blob, digest);
        }
        if part.is_whole() {
            return self.add(part);
        }
        content.file.sync_data().map_err(BundleError::io("sync", &content.path))?;
        self.journal.add(part)
    }

    fn bad(&self, part: &VolumePart, _: Writing) {
        // Best effort: the failure itself is reported by the caller. A cut blob's good parts stay for another try.
        if part.is_whole() {
            let _ = self.depot.remove_partial(&part.line.blob);
        }
    }
}
