//! The air-gapped side: what a site is, and how bundles become generations of it.
//!
//! ```text
//! SITE/site.toml              name and policy
//! SITE/trust/newest           which trust file counts: its version and its digest
//! SITE/trust/N.json           version N of the trust file, which says who may sign what; N.json.sig has its signatures
//! SITE/trust/keyrings/S.pgp   upstream's keys for the source S
//! SITE/keys/site.pgp          the site's own OpenPGP key, secret; next.pgp is the one that replaces it, and next.json says when
//! SITE/depot/                 blobs
//! SITE/trees/KIND-NAME-DIGEST one published collection as files: hard links into the depot, or copies
//! SITE/generations/N/         one state: generation.json, and links into `trees/`
//! SITE/current                symbolic link to the generation that clients see
//! SITE/older/                 what older generations have and the current one lacks, for web servers; may be deleted, `gc` builds it again
//! SITE/waiting/               bundles of which something is awaited: their states, and how far their imports are
//! SITE/refused/               bundles that failed their checks, with the reason
//! SITE/rotten/                blobs that have changed on disk; may be deleted, `gc` does
//! SITE/check.json             how far a check is that was interrupted
//! SITE/receipt-number         the number of the last receipt or request
//! SITE/requests/              for the online side: what the site lacks for a bundle
//! SITE/reprepro/NAME/         the base folder of a collection that reprepro publishes; may be deleted, is built again
//! SITE/enterprise-store.json  what a real Enterprise Store has been given
//! SITE/approvals/DIGEST/      statements of reviewers on the manifest with that digest
//! SITE/evidence/DIGEST.json   what was known of that manifest: files with their blobs, kept for a time
//! SITE/audit.jsonl            what was done, chained by hashes
//! SITE/store.assert           the site's own store assertion, if it has one
//! SITE/lock                   held by the one command that changes the site
//! ```
//!
//! All that a site remembers of bundles stands in the current generation, so one rename of `current` switches packages and
//! memory together, and a kill at any point leaves the old state or the new one.

mod addresses;
mod approvals;
mod carried_trust;
mod changed_items;
mod check;
mod client_warnings;
mod clock;
mod config;
mod contents;
mod enterprise_store;
mod error;
mod evidence;
mod flaw;
mod gc;
mod generation;
mod heal;
mod heal_flawed;
mod import;
mod imported;
mod incoming;
mod init;
mod journal;
mod key_rotation;
mod log_head;
mod media;
mod older;
mod own_keys;
mod pace;
mod path_lookup;
mod path_map;
mod pins;
mod publish;
mod reachable;
mod receipt;
mod rehearsal;
mod renewal;
mod repair;
mod republish;
mod reuse;
mod rollback;
mod rollback_checks;
mod rollback_plan;
mod rollback_target;
mod room;
mod scratch_depot;
mod scrub;
mod scrub_note;
mod search;
mod second_digest;
mod serve_config;
mod shared_folders;
mod sheets;
mod state;
mod statements;
mod status;
mod store_assertion;
mod store_index;
mod tree;
mod tree_paths;
mod trees;
mod trust_chain;
mod unpack;
mod waiting;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use addresses::answering;
pub use approvals::ReviewedBundle;
pub use check::{CheckOptions, FlawedFiles, check};
pub use client_warnings::{Unanswered, UnansweredAddress, client_warnings};
pub use clock::{ClockTrust, FutureDates};
pub use config::{Policy, SiteConfig};
pub use enterprise_store::{EnterpriseStore, Pushes, push};
pub use error::SiteError;
pub use evidence::{
    EvidenceFacts, EvidenceFolder, EvidenceRecord, EvidenceSettings, EvidenceState, FailedImport, Publication,
    ReportedBy, StatementFacts, guide,
};
pub use flaw::{Flaw, FlawedFile, NeededBy};
pub use gc::{RemovedState, gc};
pub use heal::HeldBlobs;
pub use heal_flawed::{HealedFiles, heal_flawed};
pub use import::{ImportOptions, import, import_stream};
pub use imported::Imported;
pub use init::{NewSite, init};
pub use key_rotation::{KeyOverlap, finish_rotation, rotate_key};
pub use log_head::{LogHead, read_log_heads};
pub use media::{InOrder, import_found, rehearse_found};
pub(crate) use older::OLDER_FOLDER;
pub use own_keys::KeyRotation;
pub(crate) use path_lookup::find_blob;
pub use pins::{PinnedKeys, Pinning, pin, pinned};
pub use publish::{PublishError, RepreproKey};
pub use rehearsal::{Checked, Rehearsed};
pub use republish::redate;
pub use rollback::rollback;
pub use rollback_plan::{CollectionPlan, NamePlan, PlannedChange, RollbackPlan, StateSummary, plan_rollback};
pub use rollback_target::RollbackTarget;
pub use scrub::SiteCheck;
pub use scrub_note::{CheckScope, CheckStart};
pub use search::{BundleSearch, bundle_folders, find};
pub use serve_config::{Alias, Serve};
pub(crate) use state::{CURRENT, generation_folder, list_generations, own_key, read_generation};
pub use state::{Generation, Inputs, MountedTree, NameState, Published};
pub use status::{Status, status};
pub use store_assertion::{StoreAssertion, keep_store_assertion};
pub use store_index::{ChannelEntry, STORE_INDEX, StoreIndex};
pub use trust_chain::{AppliedTrust, TrustCheck, read_signed as read_signed_trust};
pub use waiting::{RefusedBundle, WaitingBundle, waiting_bundles};

use crate::depot::Depot;
use crate::error_class::Fault;
use crate::formats::assertions::Trust;
use crate::formats::openpgp::{Keyring, MAX_KEYRING_BYTES, SiteKeys};
use crate::next_command;
use crate::storage::{FileStore, Lock, Store, other_owner, read_capped};
use crate::time::Time;
use crate::trust::{SignedApproval, TrustFile};

/// A site, open for reading.
#[derive(Debug)]
pub struct Site {
    root: PathBuf,
    /// Blobs and generations.
    store: Arc<dyn Store>,
    /// What `site.toml` says.
    pub config: SiteConfig,
    /// The trust file that counted when the site was opened.
    pub trust: TrustFile,
    /// A newer one that is judged by, although the site has not taken it.
    assumed_trust: Option<TrustFile>,
    assumed_approvals: Vec<SignedApproval>,
    /// Whom assertions about snaps have to end in: [`Trust::roots`], but in the demo.
    pub snap_roots: &'static Trust,
}

impl Site {
    /// Opens the site in `root`.
    pub fn open(root: &Path) -> Result<Self, SiteError> {
        Self::open_in(root, Arc::new(FileStore::new(root)))
    }

    /// Opens the site in `root`, whose blobs and generations are in `store`.
    pub fn open_in(root: &Path, store: Arc<dyn Store>) -> Result<Self, SiteError> {
        let config = root.join("site.toml");
        match fs::metadata(&config) {
            Ok(data) if data.is_file() => {}
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(SiteError::io("look at", &config)(error));
            }
            _ => {
                let (path, init) = (root.display(), next_command::init(root));
                return Err(Fault::usage(format!("{path} is not a site: make one, for example with `{init}`")).into());
            }
        }
        let config = SiteConfig::load(&config)?;
        let trust = trust_chain::newest(root)?;
        Ok(Self {
            root: root.to_owned(),
            store,
            config,
            trust,
            assumed_trust: None,
            assumed_approvals: Vec::new(),
            snap_roots: Trust::roots(),
        })
    }

    /// The site's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes the site's lock; Released on drop.
    pub fn lock(&self) -> Result<Lock, SiteError> {
        Ok(Lock::take(&self.root.join("lock"))?)
    }

    /// Returns true if the site belongs to the user who runs this, who alone may write there.
    fn belongs_to_user(&self) -> bool {
        other_owner(&self.root).is_none()
    }

    /// The store of its blobs and generations.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Opens the depot for writing.
    fn depot(&self) -> Result<Depot, SiteError> {
        let depot = self.depot_to_read();
        depot.create_folders()?;
        Ok(depot)
    }

    /// Returns the depot for reading, also by users who may not write there.
    pub fn depot_to_read(&self) -> Depot {
        Depot::in_store(self.store.clone(), "depot/", &self.root.join("depot"))
    }

    /// Where upstream's pinned keys for the source are.
    pub(crate) fn keyring_path(&self, source: &str) -> PathBuf {
        self.root.join("trust/keyrings").join(format!("{source}.pgp"))
    }

    /// Upstream's pinned keys for the source; none if nothing is pinned.
    pub(crate) fn keyring(&self, source: &str) -> Result<Option<Keyring>, SiteError> {
        let Some(bytes) = self.keyring_bytes(source)? else { return Ok(None) };
        let path = self.keyring_path(source);
        Keyring::parse_file(&path, &bytes).map(Some).map_err(|source| SiteError::BadKeyring { path, source })
    }

    /// The same, as they were pinned.
    fn keyring_bytes(&self, source: &str) -> Result<Option<Vec<u8>>, SiteError> {
        let path = self.keyring_path(source);
        match path.try_exists().map_err(SiteError::io("look at", &path))? {
            true => Ok(Some(read_capped(&path, MAX_KEYRING_BYTES)?)),
            false => Ok(None),
        }
    }

    /// Fingerprint of the key that signs what the site publishes.
    pub fn key_fingerprint(&self) -> Result<String, SiteError> {
        Ok(self.keys()?.first().fingerprint())
    }

    /// Returns the keys that sign now.
    fn keys(&self) -> Result<SiteKeys, SiteError> {
        Ok(own_keys::load(self)?.signing_at(Time::now()))
    }
}
