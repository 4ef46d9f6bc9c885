//! The notes of an unfinished import: the manifest, the parts of cut blobs that are here, and what patches build on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Site, SiteError};
use crate::bundle::packing::byte_ranges::ByteRanges;
use crate::bundle::packing::volume_parts::VolumePart;
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::state::{Manifest, OpenState};
use crate::bundle::{BundleError, names};
use crate::depot::DepotError;
use crate::digest::Sha256;
use crate::storage::{StorageError, modes, remove_file_if_there, write_atomically};

/// The folder of bundles of which something is awaited, below the site's.
pub(super) const WAITING_FOLDER: &str = "waiting";
/// The folder of bundles that failed their checks, below the site's.
pub(super) const REFUSED_FOLDER: &str = "refused";
/// In a journal: ranges of cut blobs that are in their partial files.
const PARTS: &str = "parts";
/// In a journal: blobs that patches build on.
const BASES: &str = "bases";

/// The ranges of cut blobs that are in their partial files, after they have been synced.
pub(super) struct Journal {
    path: PathBuf,
    ranges: Mutex<BTreeMap<Sha256, CutBlob>>,
}

/// The parts of a cut blob that are here.
#[derive(Default)]
struct CutBlob {
    ranges: ByteRanges,
    /// The blobs that patches among its parts build on.
    bases: BTreeSet<Sha256>,
}

impl Journal {
    /// Opens the journal of a bundle, whose state is in the depot already.
    pub(super) fn open(folder: &Path, state: &OpenState) -> Result<Self, SiteError> {
        modes::create_private_folder(folder).map_err(SiteError::io("create", folder))?;
        write_atomically(&folder.join(names::MANIFEST), &state.bytes, 0o644)?;
        let path = folder.join(PARTS);
        let mut ranges: BTreeMap<Sha256, CutBlob> = BTreeMap::new();
        // A last line that a kill has cut short is left out.
        for line in fs::read_to_string(&path).unwrap_or_default().split_inclusive('\n') {
            let Some(line) = line.strip_suffix('\n').and_then(JournalLine::parse) else { continue };
            let blob = ranges.entry(line.blob).or_default();
            match line.change {
                JournalChange::Added => blob.ranges.add(line.start, line.end),
                JournalChange::Removed => blob.ranges.remove(line.start, line.end),
            }
            blob.bases.extend(line.base);
        }
        Ok(Self { path, ranges: Mutex::new(ranges) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sha256, CutBlob>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `true` if all bytes of the part are here.
    pub(super) fn has(&self, part: &VolumePart) -> bool {
        self.lock().get(&part.line.blob).is_some_and(|blob| blob.ranges.has(part.line.start, part.line.end()))
    }

    /// Returns `true` if all bytes of the blob are here.
    pub(super) fn has_all(&self, blob: &Sha256, size: u64) -> bool {
        self.lock().get(blob).is_some_and(|blob| blob.ranges.has(0, size))
    }

    /// The blobs of which parts are here.
    pub(super) fn blobs(&self) -> Vec<Sha256> {
        self.lock().keys().copied().collect()
    }

    /// The blobs that patches among the blob's parts build on.
    pub(super) fn bases(&self, blob: &Sha256) -> BTreeSet<Sha256> {
        self.lock().get(blob).map(|blob| blob.bases.clone()).unwrap_or_default()
    }

    /// Takes note that the part's bytes are about to be overwritten.
    pub(super) fn overwrite(&self, part: &VolumePart) -> Result<(), BundleError> {
        let (start, end) = (part.line.start, part.line.end());
        let overlaps = self.lock().get(&part.line.blob).is_some_and(|blob| blob.ranges.overlaps(start, end));
        match overlaps {
            true => {
                self.note(&JournalLine { change: JournalChange::Removed, blob: part.line.blob, start, end, base: None })
            }
            false => Ok(()),
        }
    }

    /// Takes note that the part's bytes are here, and synced.
    pub(super) fn add(&self, part: &VolumePart) -> Result<(), BundleError> {
        let base = part.line.base.as_ref().map(|base| base.sha256);
        let (start, end) = (part.line.start, part.line.end());
        self.note(&JournalLine { change: JournalChange::Added, blob: part.line.blob, start, end, base })
    }

    fn note(&self, line: &JournalLine) -> Result<(), BundleError> {
        // One after the other, as they stand in the file.
        let mut ranges = self.lock();
        let append = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            file.write_all(line.to_text().as_bytes())?;
            file.sync_data()
        };
        append().map_err(BundleError::io("write", &self.path))?;
        let blob = ranges.entry(line.blob).or_default();
        match line.change {
            JournalChange::Added => blob.ranges.add(line.start, line.end),
            JournalChange::Removed => blob.ranges.remove(line.start, line.end),
        }
        blob.bases.extend(line.base);
        Ok(())
    }

    /// Returns `true` if an earlier run has noted parts.
    pub(super) fn is_begun(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Forgets all parts.
    pub(super) fn forget(&self) -> Result<(), DepotError> {
        self.lock().clear();
        remove_file_if_there(&self.path).map_err(DepotError::io("remove", &self.path))
    }

    /// Takes note of blobs that patches build on: `gc` keeps them.
    pub(super) fn note_bases(&self, bases: &BTreeSet<Sha256>) -> Result<(), SiteError> {
        let path = self.path.with_file_name(BASES);
        let before = noted_bases(&path)?;
        if bases.is_subset(&before) {
            return Ok(());
        }
        let text: String = before.union(bases).map(|digest| format!("{digest}\n")).collect();
        Ok(write_atomically(&path, text.as_bytes(), 0o644)?)
    }
}

/// A change of what is here of a blob.
enum JournalChange {
    Added,
    Removed,
}

/// A line of the file of parts: `+` or `-`, blob, start, end, and of a patch the blob that it builds on.
struct JournalLine {
    change: JournalChange,
    blob: Sha256,
    start: u64,
    end: u64,
    base: Option<Sha256>,
}

impl JournalLine {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let change = match words.next()? {
            "+" => JournalChange::Added,
            "-" => JournalChange::Removed,
            _ => return None,
        };
        let (blob, start, end) =
            (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let base = words.next().map(|base| base.parse().ok()).map_or(Some(None), |base| base.map(Some))?;
        Some(Self { change, blob, start, end, base })
    }

    fn to_text(&self) -> String {
        let sign = match self.change {
            JournalChange::Added => '+',
            JournalChange::Removed => '-',
        };
        let base = self.base.map(|base| format!(" {base}")).unwrap_or_default();
        format!("{sign} {} {} {}{base}\n", self.blob, self.start, self.end)
    }
}

fn noted_bases(path: &Path) -> Result<BTreeSet<Sha256>, SiteError> {
    let text = match fs::read_to_string(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(BTreeSet::new());
        }
        other => other.map_err(SiteError::io("read", path))?,
    };
    let digests: Option<BTreeSet<Sha256>> = text.lines().map(|line| line.parse().ok()).collect();
    digests.ok_or_else(|| StorageError::damaged(path)("it is no list of digests").into())
}

/// Returns the manifest that a journal's folder has; `None` if it has none yet.
pub(super) fn journal_manifest(folder: &Path) -> Result<Option<(Manifest, Sha256)>, SiteError> {
    let path = folder.join(names::MANIFEST);
    let bytes = match fs::read(&path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        other => other.map_err(SiteError::io("read", &path))?,
    };
    let manifest = Manifest::parse(&bytes).map_err(BundleError::in_file(&path));
    let manifest = manifest.map_err(|error| unfinished_is_damaged(path, &error))?;
    Ok(Some((manifest, Sha256::of(&bytes))))
}

fn unfinished_is_damaged(path: PathBuf, error: &BundleError) -> SiteError {
    let folder = path.parent().unwrap_or(&path).display();
    let reason = format!(
        "{}: import that bundle again, or give it up with `rm -r {folder}`, after which its blobs count as needless",
        crate::error_class::causes(error).join(": ")
    );
    StorageError::Damaged { path, reason }.into()
}

impl Site {
    /// The folder with the notes of an unfinished import of this bundle.
    pub(super) fn journal_folder(&self, state: &OpenState) -> PathBuf {
        self.root().join(WAITING_FOLDER).join(state.digest.to_hex())
    }

    /// The folder that notes why a bundle failed its checks.
    pub(super) fn refused_folder(&self, state: &OpenState) -> PathBuf {
        self.root().join(REFUSED_FOLDER).join(state.digest.to_hex())
    }

    /// Removes the notes of imports that are finished or that can no longer finish: those of `state` itself and of the bundles
    /// before it, and notes that cannot be read.
    pub(super) fn tidy_journal(&self, state: &OpenState) -> Result<(), SiteError> {
        super::tree_paths::remove_folder(&self.journal_folder(state))?;
        super::tree_paths::remove_folder(&self.refused_folder(state))?;
        let accepted = &state.manifest;
        for folder in self.journals()?.into_iter().chain(self.folders_in(REFUSED_FOLDER)?) {
            let is_past = |(m, _): &(Manifest, Sha256)| {
                m.name == accepted.name && (m.epoch, m.sequence) <= (accepted.epoch, accepted.sequence)
            };
            if journal_manifest(&folder).ok().flatten().as_ref().is_none_or(is_past) {
                super::tree_paths::remove_folder(&folder)?;
            }
        }
        self.tidy_partials()
    }

    /// The folders of unfinished imports.
    pub(super) fn journals(&self) -> Result<Vec<PathBuf>, SiteError> {
        self.folders_in(WAITING_FOLDER)
    }

    /// Returns what is in a folder of the site, in order. Empty if there is no such folder, as after a restore.
    pub(super) fn folders_in(&self, name: &str) -> Result<Vec<PathBuf>, SiteError> {
        let folder = self.root().join(name);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(SiteError::io("list", &folder))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            found.push(entry.map_err(SiteError::io("list", &folder))?.path());
        }
        found.sort();
        Ok(found)
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

    /// The blobs of unfinished imports, those that have their states, and what their patches build on. An import that was killed
    /// before it wrote its manifest down has none yet.
    pub(super) fn unfinished_blobs(&self) -> Result<BTreeSet<Sha256>, SiteError> {
        let depot = self.depot()?;
        let mut digests = BTreeSet::new();
        for folder in self.journals()? {
            let Some((_, digest)) = journal_manifest(&folder)? else { continue };
            let damaged = |error| unfinished_is_damaged(folder.join(names::MANIFEST), &error);
            let state = StoredState::open(&depot, &digest).map_err(damaged)?;
            digests.extend(state.own_blobs());
            digests.extend(state.blobs(&depot).map_err(damaged)?.iter().map(|blob| blob.sha256));
            digests.extend(noted_bases(&folder.join(BASES))?);
        }
        Ok(digests)
    }
}
