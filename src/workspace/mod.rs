//! The online side's memory: a depot of what was fetched, and the last manifest of each site and name.
//!
//! ```text
//! WORKSPACE/depot/                  blobs; manifests, item lists and packings of the last bundles among them
//! WORKSPACE/history/SITE-NAME.json  the manifest of the last finished bundle, byte for byte
//! WORKSPACE/history/SITE-NAME/      which blobs each of the last bundles needs, where it was written, its signature and its packings
//! WORKSPACE/history/SITE-NAME.delivered  the newest bundle that is known to have arrived
//! WORKSPACE/history/SITE-NAME.seen  digests of files of this machine that were read
//! WORKSPACE/history/SITE-NAME.answers  files that servers sent without a signed digest, with their ETag and Last-Modified
//! WORKSPACE/media/BUNDLE.json       which volumes of the bundle went to which medium
//! WORKSPACE/sites/SITE.gpg          the site's public key, which signs receipts
//! WORKSPACE/audit.jsonl             what was exported, chained by hashes
//! WORKSPACE/lock                    held by the one export that is running
//! ```
//!
//! The history is written after the bundle has its final name. An export that was killed in between finds the finished
//! bundle and takes it into the history, so no sequence number is used twice or skipped.

mod delivered_blobs;
mod delivery;
mod error;
mod history;
mod media;
mod packings;
mod place;
mod site_keys;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use self::history::History;
use self::packings::NotedPacking;
pub use delivered_blobs::DeliveredBlobs;
pub use delivery::{DeliveryBase, DeliveryEvidence, ReceiptOrder};
pub use error::WorkspaceError;
pub use packings::MadePacking;
pub use site_keys::VerifiedReceipt;

use crate::bundle::BundleError;
use crate::bundle::state::Manifest;
use crate::bundle::state::blob_table::BlobTable;
use crate::bundle::state::lists::StateLists;
use crate::bundle::state::stored_state::{StoredState, store};
use crate::bundle::trust_files;
use crate::bundle::write::packing_folders;
use crate::collect::answer_memory::AnswerMemory;
use crate::collect::stat_cache::StatCache;
use crate::depot::{Depot, DepotError, RemovedBlobs};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::label::Label;
use crate::next_command;
use crate::storage::RunMode;
use crate::storage::{Lock, audit, modes, place_atomically_with, write_atomically};
use crate::trust::SignedTrustFile;

/// A workspace, locked for this process.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    /// What was fetched.
    pub depot: Depot,
    _lock: Lock,
}

/// The last bundle of a site and name.
#[derive(Debug)]
pub struct Last {
    /// Its manifest.
    pub manifest: Manifest,
    /// Digest of the manifest's bytes.
    pub digest: Sha256,
}

/// A state that the workspace takes note of.
#[derive(Clone, Copy)]
pub struct NewState<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// The manifest's bytes.
    pub text: &'a [u8],
    /// Its item lists.
    pub lists: &'a StateLists,
    /// Its blobs.
    pub blobs: &'a BlobTable,
}

impl Workspace {
    /// Opens the workspace at `root`, creating what is missing.
    pub fn open(root: &Path) -> Result<Self, WorkspaceError> {
        let history = root.join("history");
        modes::create_public_folders(&history).map_err(WorkspaceError::io("create", &history))?;
        let lock = Lock::take(&root.join("lock"))?;
        Ok(Self { root: root.to_owned(), depot: Depot::open(&root.join("depot"))?, _lock: lock })
    }

    /// Opens the workspace at `root`, which an export must have made.
    pub fn open_there(root: &Path) -> Result<Self, WorkspaceError> {
        let history = root.join("history");
        match fs::metadata(&history) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                let root = root.display();
                Err(Fault::usage(format!(
                    "this workspace made no bundle: {root} is not there or empty; is --workspace right?"
                ))
                .into())
            }
            Err(error) => Err(WorkspaceError::io("look at", &history)(error)),
            Ok(_) => Self::open(root),
        }
    }

    fn history(&self, site: &Label, name: &Label) -> PathBuf {
        self.root.join("history").join(format!("{site}-{name}.json"))
    }

    /// The last finished bundle of the site and name; none before the first.
    pub fn last(&self, site: &Label, name: &Label) -> Result<Option<Last>, WorkspaceError> {
        read_last(&self.history(site, name))
    }

    /// Returns the file that records the last finished bundle of the site and name.
    pub fn history_path(&self, site: &Label, name: &Label) -> PathBuf {
        self.history(site, name)
    }

    /// The last finished bundles of the site's other names.
    pub fn others(&self, site: &Label, name: &Label) -> Result<Vec<Last>, WorkspaceError> {
        let folder = self.root.join("history");
        let own = self.history(site, name);
        let mut others = Vec::new();
        for entry in fs::read_dir(&folder).map_err(WorkspaceError::io("list", &folder))? {
            let path = entry.map_err(WorkspaceError::io("list", &folder))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let may_be_of_site = stem.strip_prefix(site.as_str()).is_some_and(|rest| rest.starts_with('-'));
            if path != own && may_be_of_site && path.extension().is_some_and(|extension| extension == "json") {
                others.extend(read_last(&path)?.filter(|last| last.manifest.site == *site));
            }
        }
        Ok(others)
    }

    /// The same, for SITE-NAME as one word.
    fn last_of(&self, stem: &str) -> Result<Option<Last>, WorkspaceError> {
        let is_name = stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if is_name { read_last(&self.root.join("history").join(format!("{stem}.json"))) } else { Ok(None) }
    }

    /// Which files of this machine the selection's last export read.
    pub fn seen(&self, site: &Label, name: &Label) -> StatCache {
        let file = File::open(self.seen_path(site, name)).ok();
        file.and_then(|file| StatCache::read(BufReader::with_capacity(64 << 10, file))).unwrap_or_default()
    }

    /// Keeps which files this export has read, or would have read.
    pub fn note_seen(&self, site: &Label, name: &Label, seen: &StatCache) -> Result<(), WorkspaceError> {
        if !seen.is_news() {
            return Ok(());
        }
        let path = self.seen_path(site, name);
        let placed = place_atomically_with(&path, modes::PUBLIC_FILE, |mut file| seen.write(&mut file));
        placed.map_err(WorkspaceError::io("write", &path))
    }

    fn seen_path(&self, site: &Label, name: &Label) -> PathBuf {
        self.history(site, name).with_extension("seen")
    }

    /// Returns what servers have sent to the selection's last export.
    pub fn answers(&self, site: &Label, name: &Label) -> AnswerMemory {
        let file = File::open(self.answers_path(site, name)).ok();
        file.and_then(|file| AnswerMemory::read(BufReader::new(file))).unwrap_or_default()
    }

    /// Keeps what servers have sent to this export.
    pub fn note_answers(&self, site: &Label, name: &Label, answers: &AnswerMemory) -> Result<(), WorkspaceError> {
        if !answers.is_news() {
            return Ok(());
        }
        let path = self.answers_path(site, name);
        let placed = place_atomically_with(&path, modes::PUBLIC_FILE, |mut file| answers.write(&mut file));
        placed.map_err(WorkspaceError::io("write", &path))
    }

    fn answers_path(&self, site: &Label, name: &Label) -> PathBuf {
        self.history(site, name).with_extension("answers")
    }

    /// Removes what no last bundle carries; what an export that was interrupted has fetched goes too.
    pub fn gc(&self, mode: RunMode) -> Result<RemovedBlobs, WorkspaceError> {
        let needed = self.needed()?;
        if mode == RunMode::Apply {
            audit::append(&self.root.join("audit.jsonl"), "gc", "workspace", &format!("keeps {} blobs", needed.len()))?;
            self.depot.partials()?.iter().try_for_each(|digest| self.depot.remove_partial(digest))?;
        }
        let removed = self.depot.remove_all_but(&needed, mode)?;
        if mode == RunMode::Apply {
            self.depot.remove_stale_aliases()?;
        }
        Ok(removed)
    }

    /// Returns the blobs of the last bundle of each site and name, those with which its volumes can be made again, the states and
    /// packings of the last bundles, and the blobs of a bundle that was finished and not recorded yet. Fails if the history of one
    /// cannot be read: it may name any blob.
    fn needed(&self) -> Result<BTreeSet<Sha256>, WorkspaceError> {
        let folder = self.root.join("history");
        let mut needed = BTreeSet::new();
        for entry in fs::read_dir(&folder).map_err(WorkspaceError::io("list", &folder))? {
            let path = entry.map_err(WorkspaceError::io("list", &folder))?.path();
            let is_manifest = path.extension().is_some_and(|extension| extension == "json");
            if is_manifest || path.is_dir() {
                let history = History::new(path.with_extension(""));
                let last = read_last(&path.with_extension("json"))?;
                needed.extend(history.unrecorded(last.as_ref().map(|last| &last.manifest))?);
                needed.extend(history.all_packings()?.iter().flat_map(NotedPacking::blobs));
                for digest in history.manifests()? {
                    // An export that was killed early has noted a state that it did not store.
                    if self.depot.holds(&digest)? {
                        // Its lists may be lost: they are in bundles too.
                        needed.extend(StoredState::manifest(&self.depot, &digest)?.list_blobs());
                        needed.insert(digest);
                    }
                }
                if let Some(last) = last {
                    needed.extend(self.blobs(&last)?.iter().map(|blob| blob.sha256));
                }
            }
        }
        Ok(needed)
    }

    /// Returns the blobs of the last bundle.
    fn blobs(&self, last: &Last) -> Result<BlobTable, WorkspaceError> {
        Ok(self.stored(last)?.blobs(&self.depot)?)
    }

    /// Opens the last bundle's state, and checks that its lists are what was stored. The history has its item lists too: it is backed up,
    /// and the depot is not. What the depot lacks is put back.
    pub fn stored(&self, last: &Last) -> Result<StoredState, WorkspaceError> {
        let in_depot = StoredState::open(&self.depot, &last.digest);
        match in_depot.and_then(|state| state.verify(&self.depot).map(|()| state)) {
            Err(BundleError::Depot(DepotError::Missing { .. } | DepotError::DigestMismatch { .. })) => {}
            other => return Ok(other?),
        }
        let state = self.kept(last)?;
        let text = last.manifest.to_text().map_err(BundleError::in_file(&self.depot.place(&last.digest)))?;
        let mut batch = self.depot.batch();
        store(&self.depot, &mut batch, &last.manifest, text.as_bytes(), &state.lists)?;
        batch.commit()?;
        Ok(state)
    }

    /// Opens the last bundle's state as the history has it.
    fn kept(&self, last: &Last) -> Result<StoredState, WorkspaceError> {
        let (site, name) = (&last.manifest.site, &last.manifest.name);
        let history = self.lists(site, name);
        let below = history.item_lists(&last.manifest);
        let lost = |cause: BundleError| -> WorkspaceError {
            let bundle = last.manifest.folder();
            let place = history.place(last.manifest.sequence).ok().flatten().unwrap_or_else(|| PathBuf::from(&bundle));
            let restore = next_command::restore_item_lists(&place, &below);
            Fault::failed(format!(
                "the workspace has lost the item lists of {bundle}, its last bundle: copy them back from the bundle, on any of its \
                 media, by `{restore}`, and run the command again"
            ))
            .because(cause)
            .into()
        };
        let state = StoredState::in_files(&self.history(site, name), &below).map_err(lost)?;
        state.lists.check(|_, _| Ok(())).map_err(|error| lost(BundleError::in_file(&below)(error)))?;
        Ok(state)
    }

    /// The folder for nameless files.
    pub fn scratch(&self) -> &Path {
        &self.root
    }

    /// Keeps trust files, so that `recut` can put them into a bundle again.
    pub fn keep_trust_files(&self, site: &Label, files: &[SignedTrustFile]) -> Result<(), WorkspaceError> {
        Ok(trust_files::write(&self.trust_folder(site), files)?)
    }

    /// The folder of the trust files that bundles for the site have carried.
    pub fn trust_folder(&self, site: &Label) -> PathBuf {
        self.root.join("trust").join(site.as_str())
    }

    /// Stores a state and notes what it needs before its bundle gets its final name: until it is recorded, only this keeps its blobs.
    pub fn announce(&self, state: NewState<'_>) -> Result<(), WorkspaceError> {
        let mut batch = self.depot.batch();
        let digest = store(&self.depot, &mut batch, state.manifest, state.text, state.lists)?;
        batch.commit()?;
        self.lists(&state.manifest.site, &state.manifest.name).note(state.manifest, &digest, state.blobs)
    }

    /// Records the finished bundle in `folder`, which was announced, as the last one of its site and name.
    pub fn record(&self, folder: &Path, state: NewState<'_>, overlap: Option<u64>) -> Result<(), WorkspaceError> {
        let (manifest, digest) = (state.manifest, Sha256::of(state.text));
        audit::append(&self.root.join("audit.jsonl"), "export", &manifest.folder(), &digest.to_hex())?;
        self.note_place(folder, manifest)?;
        for packing in packing_folders(folder)? {
            self.note_packing(&packing, manifest)?;
        }
        self.forget_old(manifest, overlap)?;
        let history = self.lists(&manifest.site, &manifest.name);
        history.keep_item_lists(manifest, state.lists)?;
        write_atomically(&self.history(&manifest.site, &manifest.name), state.text, 0o644)?;
        history.forget_other_item_lists(manifest)
    }

    /// Removes what an export left that was killed after it had recorded its bundle.
    pub fn tidy(&self, last: &Last) -> Result<(), WorkspaceError> {
        self.lists(&last.manifest.site, &last.manifest.name).forget_other_item_lists(&last.manifest)
    }
}

/// A manifest of the history; none if there is none.
fn read_last(path: &Path) -> Result<Option<Last>, WorkspaceError> {
    let bytes = match fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(WorkspaceError::io("read", path))?,
    };
    let manifest = Manifest::parse(&bytes).map_err(BundleError::in_file(path))?;
    Ok(Some(Last { manifest, digest: Sha256::of(&bytes) }))
}
