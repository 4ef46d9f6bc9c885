//! Makes a site.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::config::{Policy, SiteConfig};
use super::own_keys::KEY_AGE_S;
use super::pins::read_keyring;
use super::{Site, SiteError, trust_chain};
use crate::depot::Depot;
use crate::error_class::Fault;
use crate::formats::openpgp::{SiteKey, SiteKeyAlgorithm};
use crate::label::Label;
use crate::storage::modes;
use crate::storage::{Lock, audit, write_atomically};
use crate::time::Time;
use crate::trust::TrustFile;

/// The properties of a new site.
#[derive(Clone, Debug)]
pub struct NewSite {
    /// Its name; only bundles made for it are accepted.
    pub name: Label,
    /// Version 1 of its trust file.
    pub trust: TrustFile,
    /// Sources whose items need no proof by upstream.
    pub allow_unsigned: BTreeSet<Label>,
    /// Upstreams' keyrings, each with the source that it is pinned to.
    pub keyrings: Vec<(Label, PathBuf)>,
    /// The algorithm of the key that signs what it publishes.
    pub key_algorithm: SiteKeyAlgorithm,
}

/// Makes a new site in `root`, with a key of its own.
///
/// It is built under a scratch name beside `root` and renamed, so that an interrupted call leaves no half a site.
pub fn init(root: &Path, new: &NewSite) -> Result<Site, SiteError> {
    if root.symlink_metadata().is_ok() && fs::read_dir(root).map_or(true, |mut entries| entries.next().is_some()) {
        let path = root.display();
        return Err(
            Fault::usage(format!("{path} exists already and is not empty: a site is made in a new folder")).into()
        );
    }
    // Before anything is written: these files are the operator's.
    let keyrings = new
        .keyrings
        .iter()
        .map(|(source, file)| Ok((source, read_keyring(file)?.0)))
        .collect::<Result<Vec<_>, SiteError>>()?;
    let mut scratch = root.as_os_str().to_owned();
    scratch.push(".part");
    let scratch = Path::new(&scratch);
    super::tree_paths::remove_folder(scratch)?;
    if let Err(error) = new.write(keyrings, scratch, root) {
        let _ = super::tree_paths::remove_folder(scratch); // half a site is of no use; the first error is what matters
        return Err(error);
    }
    Site::open(root)
}

impl NewSite {
    /// Writes the site into `scratch`, and renames it to `root`.
    fn write(&self, keyrings: Vec<(&Label, Vec<u8>)>, scratch: &Path, root: &Path) -> Result<(), SiteError> {
        for folder in ["trust/keyrings", "generations", "trees", "depot/sha256"] {
            let path = scratch.join(folder);
            modes::create_public_folders(&path).map_err(SiteError::io("create", &path))?;
        }
        for folder in ["keys", "waiting", "refused"] {
            let path = scratch.join(folder);
            modes::create_private_folder(&path).map_err(SiteError::io("create", &path))?;
        }
        Depot::open(&scratch.join("depot"))?;
        drop(Lock::take(&scratch.join("lock"))?); // a dry run takes the lock too, and must not be the one that creates the file
        let bad_key = |source| SiteError::BadKeyring { path: root.join("keys/site.pgp"), source };
        let user_id = format!("gapferry site {}", self.name);
        let created = Time::now().plus(-KEY_AGE_S);
        let key = SiteKey::generate_as(self.key_algorithm, &user_id, created.unix()).map_err(bad_key)?;
        write_atomically(&scratch.join("keys/site.pgp"), &key.to_bytes().map_err(bad_key)?, 0o600)?;
        trust_chain::begin(scratch, &self.trust)?;
        for (source, bytes) in keyrings {
            write_atomically(&scratch.join("trust/keyrings").join(format!("{source}.pgp")), &bytes, 0o644)?;
        }
        let config = SiteConfig {
            name: self.name.clone(),
            policy: Policy { allow_unsigned: self.allow_unsigned.clone(), ..Policy::default() },
            enterprise_store: None,
            evidence: Default::default(),
            reprepro: None,
            serve: Default::default(),
        };
        write_atomically(&scratch.join("site.toml"), config.to_text().as_bytes(), 0o644)?;
        let trust = format!("trust file {}", self.trust.digest());
        audit::append(&scratch.join("audit.jsonl"), "init", self.name.as_str(), &trust)?;
        fs::rename(scratch, root).map_err(SiteError::io("rename", scratch))
    }
}
