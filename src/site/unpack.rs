//! Unpacks a bundle's volumes into the site's depot, and goes on where an interrupted import stopped.
//!
//! A blob that travels in one part is complete when its part is. A blob that was cut is assembled in its partial file; which
//! of its parts are there is noted in a journal, after they have been synced. The whole is hashed before it gets its name, so
//! the journal saves work but is not relied on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use super::second_digest::{SecondDigest, SecondDigests};
use super::{Site, SiteError};
use crate::bundle::Damage;
use crate::bundle::manifest::{Blob, Part, Slice};
use crate::bundle::unpack::{ContentSink, PartSink, unpack};
use crate::bundle::{Bundle, BundleError, Manifest};
use crate::collection::Collection;
use crate::depot::{Batch, Depot, DepotError};
use crate::digest::Sha256;
use crate::formats::signed_digest::DigestKind;
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::storage::StorageError;
use crate::storage::modes;
use crate::storage::remove_file_if_there;

/// What came of unpacking.
pub(super) struct Unpacked {
    /// Second digests of blobs that need one and came in one piece.
    pub(super) second: SecondDigests,
    /// What was damaged on the medium, and was restored.
    pub(super) repaired: Vec<Damage>,
}

/// Unpacks the `wanted` blobs of the bundle. Ends with all of them there, or with what is missing as the error.
pub(super) fn into_depot(
    site: &Site,
    bundle: &Bundle,
    depot: &Depot,
    wanted: BTreeSet<Sha256>,
    progress: &Progress,
) -> Result<Unpacked, SiteError> {
    let needed = room_needed(bundle, depot, &wanted) + room_of_copies(bundle, depot)?;
    check_room(site, needed, depot.free_bytes()?)?;
    let journal = Journal::open(&site.journal_folder(bundle), bundle)?;
    let resumed = journal.is_begun();
    match fill(site, bundle, depot, &wanted, &journal, progress) {
        // The partial files are not what an earlier run noted: another bundle with the same blobs came in between.
        Err(SiteError::Bundle(BundleError::WrongBlob { .. })) if resumed => {
            let left = wanted.into_iter().filter(|digest| !depot.hashed_by_this_process(digest)).collect();
            fill(site, bundle, depot, &left, &journal, progress)
        }
        other => other,
    }
}

/// Returns the blobs of the bundle that the depot does not hold.
pub(super) fn lacking(bundle: &Bundle, depot: &Depot) -> BTreeSet<Sha256> {
    bundle.manifest.blobs.iter().filter(|b| !depot.has(&b.sha256, b.size)).map(|b| b.sha256).collect()
}

fn fill(
    site: &Site,
    bundle: &Bundle,
    depot: &Depot,
    wanted: &BTreeSet<Sha256>,
    journal: &Journal,
    progress: &Progress,
) -> Result<Unpacked, SiteError> {
    let sink = DepotSink::new(bundle, depot, wanted, journal);
    let bytes = bundle.manifest.blobs.iter().filter(|b| wanted.contains(&b.sha256)).map(|b| b.size).sum();
    let progress = progress.phase("unpacking", bytes);
    let result = unpack(bundle, &sink, site.root(), &progress);
    progress.finish();
    // What was unpacked before a failure is good, and is kept.
    let (second, committed) = sink.finish();
    let repaired = result?.repaired;
    committed?;
    assemble(bundle, depot, wanted, journal)?;
    complete(bundle, depot, wanted)?;
    Ok(Unpacked { second, repaired })
}

/// Returns how many bytes the import still writes. What an interrupted run has left in partial files is not counted.
pub(super) fn room_needed(bundle: &Bundle, depot: &Depot, wanted: &BTreeSet<Sha256>) -> u64 {
    let blobs = bundle.manifest.blobs.iter().filter(|b| wanted.contains(&b.sha256));
    let block = 4096;
    let written =
        |b: &Blob| depot.partial_path(&b.sha256).symlink_metadata().map_or(0, |data| data.blocks().saturating_mul(512));
    let bytes: u64 = blobs.map(|b| b.size.next_multiple_of(block).saturating_sub(written(b))).sum();
    let links = bundle.manifest.blobs.len() as u64 * 256; // folder entries of the depot and of the generation
    bytes + links + (16 << 20)
}

/// Returns how many bytes the published files take that cannot be hard links to blobs.
pub(super) fn room_of_copies(bundle: &Bundle, depot: &Depot) -> Result<u64, SiteError> {
    if depot.has_hard_links()? {
        return Ok(0);
    }
    let sizes: BTreeMap<&Sha256, u64> = bundle.manifest.blobs.iter().map(|blob| (&blob.sha256, blob.size)).collect();
    let paths = bundle.manifest.collections.iter().flat_map(Collection::paths);
    Ok(paths.filter_map(|(_, digest)| sizes.get(digest)).map(|size| size.next_multiple_of(4096)).sum())
}

/// Refuses an import that the site's file system has no room for.
pub(super) fn check_room(site: &Site, needed: u64, free: u64) -> Result<(), BundleError> {
    match needed > free {
        true => Err(BundleError::NoSpace { path: site.root().to_owned(), needed, free }),
        false => Ok(()),
    }
}

/// Names each blob that was cut and is complete now.
pub(super) fn assemble(
    bundle: &Bundle,
    depot: &Depot,
    wanted: &BTreeSet<Sha256>,
    journal: &Journal,
) -> Result<(), SiteError> {
    let mut batch = depot.batch();
    let cut = bundle.manifest.blobs.iter().filter(|b| b.parts.len() > 1 && wanted.contains(&b.sha256));
    let whole: Vec<&Blob> = cut.filter(|blob| blob.parts.iter().all(|part| journal.has(blob, part))).collect();
    for blob in whole {
        let path = depot.partial_path(&blob.sha256);
        let mut file = depot.open_partial(&blob.sha256)?;
        // Something longer may have been left there by a bundle that lied about the blob's size.
        file.set_len(blob.size).map_err(SiteError::io("cut", &path))?;
        let (digest, _) = Sha256::of_reader(&mut file).map_err(SiteError::io("read", &path))?;
        if digest != blob.sha256 {
            journal.forget()?;
            depot.remove_partial(&blob.sha256)?;
            // Patches on what has changed on disk: the blob is lacking, and can be asked for.
            let mut bases = blob.parts.iter().filter_map(|part| part.base.as_ref());
            if bases.try_fold(false, |found, base| Ok::<_, DepotError>(found || is_rotten(depot, &base.sha256)?))? {
                continue;
            }
            return Err(BundleError::WrongBlob { digest: blob.sha256 }.into());
        }
        batch.add(blob.sha256, blob.size)?;
    }
    Ok(batch.commit()?)
}

/// Whether the blob is gone, or its bytes have changed.
fn is_rotten(depot: &Depot, digest: &Sha256) -> Result<bool, DepotError> {
    match depot.verify(digest) {
        Err(DepotError::Missing { .. } | DepotError::DigestMismatch { .. }) => Ok(true),
        other => other.map(|()| false),
    }
}

pub(super) fn complete(bundle: &Bundle, depot: &Depot, wanted: &BTreeSet<Sha256>) -> Result<(), SiteError> {
    let lacks = |b: &&Blob| wanted.contains(&b.sha256) && !depot.hashed_by_this_process(&b.sha256);
    let volumes: BTreeSet<VolumeNumber> =
        bundle.manifest.blobs.iter().filter(lacks).flat_map(|b| b.parts.iter().map(|p| p.volume)).collect();
    let gone = bundle.missing_volumes();
    let missing: Vec<String> =
        volumes.into_iter().map(crate::bundle::names::volume).filter(|file| gone.contains(file)).collect();
    if !missing.is_empty() {
        return Err(bundle.lacks(missing).into());
    }
    // Last, so that the site can ask for these alone: all else is here now.
    let mut expected = bundle.manifest.blobs.iter().filter(lacks).map(|b| b.sha256);
    match expected.next() {
        None => Ok(()),
        Some(first) => Err(BundleError::BlobsMissing { count: 1 + expected.count(), first }.into()),
    }
}

/// Writes parts into a depot.
pub(super) struct DepotSink<'a> {
    depot: &'a Depot,
    wanted: &'a BTreeSet<Sha256>,
    journal: &'a Journal,
    batch: Mutex<Batch<'a>>,
    /// Blobs of which another digest is needed.
    second_kinds: BTreeMap<Sha256, DigestKind>,
    second: Mutex<SecondDigests>,
}

impl<'a> DepotSink<'a> {
    /// A sink for the wanted blobs of `bundle`.
    pub(super) fn new(bundle: &Bundle, depot: &'a Depot, wanted: &'a BTreeSet<Sha256>, journal: &'a Journal) -> Self {
        Self {
            depot,
            wanted,
            journal,
            batch: Mutex::new(depot.batch()),
            second_kinds: bundle.manifest.collections.iter().flat_map(second_kinds).collect(),
            second: Mutex::default(),
        }
    }

    /// Names what was unpacked, and returns the second digests.
    pub(super) fn finish(self) -> (SecondDigests, Result<(), DepotError>) {
        let second = self.second.into_inner().unwrap_or_else(|e| e.into_inner());
        (second, self.batch.into_inner().unwrap_or_else(|e| e.into_inner()).commit())
    }

    pub(super) fn batch(&self) -> MutexGuard<'_, Batch<'a>> {
        self.batch.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The blobs of a collection that upstream signs by another digest than SHA-256, with its kind.
fn second_kinds(collection: &Collection) -> impl Iterator<Item = (Sha256, DigestKind)> {
    let is_signed_so = collection.kind.has_second_digests_of_proofs();
    let proofs = collection.proofs.iter().map(|proof| proof.sha256).filter(move |_| is_signed_so);
    let blobs = collection.files.values().copied().chain(proofs);
    blobs.filter_map(|blob| Some((blob, collection.second_digest?)))
}

/// A part on its way into a partial file.
pub(super) struct Writing {
    file: File,
    path: PathBuf,
    position: u64,
    second: Option<SecondDigest>,
}

impl PartSink for Writing {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.second.iter().for_each(|second| second.update(bytes));
        self.file.write_all_at(bytes, self.position).map_err(BundleError::io("write", &self.path))?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl ContentSink for DepotSink<'_> {
    type Part = Writing;

    fn wants(&self, blob: &Blob, part: &Part) -> bool {
        self.wanted.contains(&blob.sha256) && !(blob.parts.len() > 1 && self.journal.has(blob, part))
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

    fn begin(&self, blob: &Blob, part: &Part) -> Result<Writing, BundleError> {
        let file = match blob.parts.len() {
            1 => self.depot.create_partial(&blob.sha256)?,
            _ => self.depot.open_partial(&blob.sha256)?,
        };
        let kind = self.second_kinds.get(&blob.sha256).filter(|_| blob.parts.len() == 1);
        let second = kind.and_then(|kind| SecondDigest::start(*kind));
        Ok(Writing { file, path: self.depot.partial_path(&blob.sha256), position: part.start, second })
    }

    fn done(&self, blob: &Blob, part: &Part, content: Writing) -> Result<(), BundleError> {
        if let Some(digest) = content.second.and_then(SecondDigest::finish) {
            self.second.lock().unwrap_or_else(|e| e.into_inner()).insert(blob.sha256, digest);
        }
        if blob.parts.len() == 1 {
            return Ok(self.batch().add(blob.sha256, blob.size)?);
        }
        content.file.sync_data().map_err(BundleError::io("sync", &content.path))?;
        self.journal.note(blob, part)
    }

    fn bad(&self, blob: &Blob, _: &Part, _: Writing) {
        // Best effort: the failure itself is reported by the caller. A cut blob's good parts stay for another try.
        if blob.parts.len() == 1 {
            let _ = self.depot.remove_partial(&blob.sha256);
        }
    }
}

/// Which parts of cut blobs are in their partial files.
pub(super) struct Journal {
    path: PathBuf,
    parts: Mutex<BTreeSet<String>>,
}

impl Journal {
    pub(super) fn open(folder: &Path, bundle: &Bundle) -> Result<Self, SiteError> {
        modes::create_private_folder(folder).map_err(SiteError::io("create", folder))?;
        crate::storage::write_atomically(&folder.join("manifest.json"), &bundle.bytes, 0o644)?;
        let path = folder.join("parts");
        let parts = match File::open(&path) {
            Ok(file) => BufReader::new(file).lines().map_while(Result::ok).collect(),
            Err(_) => BTreeSet::new(),
        };
        Ok(Self { path, parts: Mutex::new(parts) })
    }

    fn line(blob: &Blob, part: &Part) -> String {
        format!("{} {} {}", blob.sha256, part.start, part.sha256)
    }

    fn has(&self, blob: &Blob, part: &Part) -> bool {
        self.parts.lock().unwrap_or_else(|e| e.into_inner()).contains(&Self::line(blob, part))
    }

    fn note(&self, blob: &Blob, part: &Part) -> Result<(), BundleError> {
        let line = Self::line(blob, part);
        let append = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_data()
        };
        append().map_err(BundleError::io("write", &self.path))?;
        self.parts.lock().unwrap_or_else(|e| e.into_inner()).insert(line);
        Ok(())
    }

    /// Whether an earlier run has noted parts.
    fn is_begun(&self) -> bool {
        !self.parts.lock().unwrap_or_else(|e| e.into_inner()).is_empty()
    }

    fn forget(&self) -> Result<(), DepotError> {
        self.parts.lock().unwrap_or_else(|e| e.into_inner()).clear();
        remove_file_if_there(&self.path).map_err(DepotError::io("remove", &self.path))
    }
}

fn unfinished_is_damaged(path: PathBuf, error: &BundleError) -> SiteError {
    let folder = path.parent().unwrap_or(&path).display();
    let reason = format!(
        "{error}: import that bundle again, or give it up with `rm -r {folder}`, after which its blobs count as needless"
    );
    StorageError::Damaged { path, reason }.into()
}

impl Site {
    /// Where the unfinished import of this bundle keeps its notes.
    pub(super) fn journal_folder(&self, bundle: &Bundle) -> PathBuf {
        self.root().join("journal").join(bundle.digest.to_hex())
    }

    /// The folder that notes why a bundle failed its checks.
    pub(super) fn quarantine_folder(&self, bundle: &Bundle) -> PathBuf {
        self.root().join("quarantine").join(bundle.manifest.folder())
    }

    /// Removes the notes of imports that are finished or can no more be: of `bundle` itself, of the bundles before it, and what
    /// cannot be read.
    pub(super) fn tidy_journal(&self, bundle: &Bundle) -> Result<(), SiteError> {
        super::trees::remove_folder(&self.journal_folder(bundle))?;
        super::trees::remove_folder(&self.quarantine_folder(bundle))?;
        let accepted = &bundle.manifest;
        let journal = self.root().join("journal");
        for entry in fs::read_dir(&journal).map_err(SiteError::io("list", &journal))?.filter_map(Result::ok) {
            let bytes = fs::read(entry.path().join("manifest.json")).ok();
            let manifest = bytes.and_then(|bytes| Manifest::parse(&bytes).ok());
            let is_past =
                |m: &Manifest| m.name == accepted.name && (m.epoch, m.sequence) <= (accepted.epoch, accepted.sequence);
            if manifest.as_ref().is_none_or(is_past) {
                super::trees::remove_folder(&entry.path())?;
            }
        }
        self.tidy_partials()
    }

    /// Removes the partial files of runs that were killed, except those with which an unfinished import goes on.
    pub(super) fn tidy_partials(&self) -> Result<(), SiteError> {
        let depot = self.depot()?;
        // What cannot be read may name any of them; `gc` says that it cannot be read.
        let Ok(unfinished) = self.unfinished_blobs() else { return Ok(()) };
        for digest in depot.partials()?.into_iter().filter(|digest| !unfinished.contains(digest)) {
            depot.remove_partial(&digest)?;
        }
        Ok(())
    }

    /// The blobs of unfinished imports, and what their patches build on. An import that was killed before it wrote its
    /// manifest down has none yet.
    pub(super) fn unfinished_blobs(&self) -> Result<BTreeSet<Sha256>, SiteError> {
        let journal = self.root().join("journal");
        let mut digests = BTreeSet::new();
        for entry in fs::read_dir(&journal).map_err(SiteError::io("list", &journal))? {
            let path = entry.map_err(SiteError::io("list", &journal))?.path().join("manifest.json");
            let bytes = match fs::read(&path) {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
                other => other.map_err(SiteError::io("read", &path))?,
            };
            let manifest = Manifest::parse(&bytes).map_err(|error| unfinished_is_damaged(path, &error))?;
            digests.extend(manifest.bases());
            digests.extend(manifest.blobs.iter().map(|blob| blob.sha256));
        }
        Ok(digests)
    }
}
