//! The online side's memory: a depot of what was fetched, and the last manifest of each site and name.
//!
//! ```text
//! WORKSPACE/depot/                  blobs
//! WORKSPACE/history/SITE-NAME.json  the manifest of the last finished bundle, byte for byte
//! WORKSPACE/audit.jsonl             what was exported, chained by hashes
//! WORKSPACE/lock                    held by the one export that is running
//! ```
//!
//! The history is written after the bundle has its final name. An export that was killed in between finds the finished
//! bundle and takes it into the history, so no sequence number is used twice or skipped.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bundle::Manifest;
use crate::collection::Label;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::site::{Lock, SiteError, audit, write_atomically};

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

impl Workspace {
    /// Opens the workspace at `root`, creating what is missing.
    pub fn open(root: &Path) -> Result<Self, SiteError> {
        let history = root.join("history");
        fs::create_dir_all(&history).map_err(SiteError::io("create", &history))?;
        let lock = Lock::take(&root.join("lock"))?;
        Ok(Self { root: root.to_owned(), depot: Depot::open(&root.join("depot"))?, _lock: lock })
    }

    fn history(&self, site: &Label, name: &Label) -> PathBuf {
        self.root.join("history").join(format!("{site}-{name}.json"))
    }

    /// The last finished bundle of the site and name; none before the first.
    pub fn last(&self, site: &Label, name: &Label) -> Result<Option<Last>, SiteError> {
        let path = self.history(site, name);
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(SiteError::io("read", &path))?,
        };
        let manifest = Manifest::parse(&bytes).map_err(|e| SiteError::Damaged { path, reason: e.to_string() })?;
        Ok(Some(Last { manifest, digest: Sha256::of(&bytes) }))
    }

    /// Records a finished bundle as the last one of its site and name.
    pub fn record(&self, manifest: &Manifest, text: &[u8]) -> Result<(), SiteError> {
        let digest = Sha256::of(text).to_hex();
        audit::append(&self.root.join("audit.jsonl"), "export", &manifest.folder(), &digest)?;
        write_atomically(&self.history(&manifest.site, &manifest.name), text, 0o644)
    }
}
