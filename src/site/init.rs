//! Makes a site, and pins upstream's keys to its sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::config::{Policy, SiteConfig};
use super::{Site, SiteError};
use crate::depot::Depot;
use crate::formats::openpgp::{Keyring, MAX_KEYRING_BYTES, SiteKey, SiteKeyAlgorithm, binary_keyring};
use crate::label::Label;
use crate::media::device::Device;
use crate::next_command;
use crate::storage::modes;
use crate::storage::{Lock, audit, read_named, write_atomically};
use crate::time::Time;
use crate::trust::{PublicKey, TrustFile};

/// The properties of a new site.
#[derive(Clone, Debug)]
pub struct NewSite {
    /// Its name; only bundles made for it are accepted.
    pub name: Label,
    /// The key that signs bundles for it.
    pub builder: PublicKey,
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
        return Err(SiteError::SiteExists { path: root.to_owned() });
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
    super::generation::remove_folder(scratch)?;
    if let Err(error) = new.write(keyrings, scratch, root) {
        let _ = super::generation::remove_folder(scratch); // half a site is of no use; the first error is what matters
        return Err(error);
    }
    Site::open(root)
}

/// The age of a new site's key, in seconds. Its first signature is dated back, and must not be older than the key.
const KEY_AGE_S: i64 = 24 * 3600;

impl NewSite {
    /// Writes the site into `scratch`, and renames it to `root`.
    fn write(&self, keyrings: Vec<(&Label, Vec<u8>)>, scratch: &Path, root: &Path) -> Result<(), SiteError> {
        for folder in ["trust/keyrings", "generations"] {
            let path = scratch.join(folder);
            modes::create_public_folders(&path).map_err(SiteError::io("create", &path))?;
        }
        for folder in ["keys", "journal", "quarantine"] {
            let path = scratch.join(folder);
            modes::create_private_folder(&path).map_err(SiteError::io("create", &path))?;
        }
        check_links(scratch, root)?;
        Depot::open(&scratch.join("depot"))?;
        drop(Lock::take(&scratch.join("lock"))?); // a dry run takes the lock too, and must not be the one that creates the file
        let bad_key = |source| SiteError::BadKeyring { path: root.join("keys/site.pgp"), source };
        let user_id = format!("gapferry site {}", self.name);
        let created = Time::now().plus(-KEY_AGE_S);
        let key = SiteKey::generate_as(self.key_algorithm, &user_id, created.unix()).map_err(bad_key)?;
        write_atomically(&scratch.join("keys/site.pgp"), &key.to_bytes().map_err(bad_key)?, 0o600)?;
        let trust = TrustFile::of_builder(&self.builder).to_json();
        write_atomically(&scratch.join("trust/trust.json"), trust.as_bytes(), 0o644)?;
        for (source, bytes) in keyrings {
            write_atomically(&scratch.join("trust/keyrings").join(format!("{source}.pgp")), &bytes, 0o644)?;
        }
        let config = SiteConfig {
            name: self.name.clone(),
            policy: Policy { allow_unsigned: self.allow_unsigned.clone(), ..Policy::default() },
            enterprise_store: None,
            reprepro: None,
            serve: Default::default(),
        };
        write_atomically(&scratch.join("site.toml"), config.to_text().as_bytes(), 0o644)?;
        let builder = format!("builder {}", self.builder.fingerprint());
        audit::append(&scratch.join("audit.jsonl"), "init", self.name.as_str(), &builder)?;
        fs::rename(scratch, root).map_err(SiteError::io("rename", scratch))
    }
}

/// Tries what publishing rests on: a second name for a file, and a symbolic link. FAT and exFAT have neither.
fn check_links(scratch: &Path, root: &Path) -> Result<(), SiteError> {
    let (file, name, link) = (scratch.join("try"), scratch.join("try-name"), scratch.join("try-link"));
    fs::write(&file, "").map_err(SiteError::io("create", &file))?;
    let lacks = |what| {
        move |source| SiteError::NoLinks {
            path: root.to_owned(),
            file_system: Device::of(scratch).file_system.unwrap_or_else(|| "its file system".to_owned()),
            what,
            source,
        }
    };
    fs::hard_link(&file, &name).map_err(lacks("hard links"))?;
    std::os::unix::fs::symlink("try", &link).map_err(lacks("symbolic links"))?;
    [file, name, link].iter().try_for_each(|path| fs::remove_file(path).map_err(SiteError::io("remove", path)))
}

/// Treatment of the keys that are pinned to a source already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// None may be pinned yet, but the same.
    First,
    /// They stay.
    Add,
    /// They go.
    Replace,
}

/// The keys that are pinned to a source, by fingerprint, and the change that led to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinnedKeys {
    /// All keys.
    pub keys: Vec<String>,
    /// Keys that were not pinned before.
    pub added: Vec<String>,
    /// Keys that are no longer pinned.
    pub removed: Vec<String>,
}

/// Returns the keys that are pinned to `source`; `None` if no keyring is.
pub fn pinned(site: &Site, source: &Label) -> Result<Option<PinnedKeys>, SiteError> {
    let keyring = site.keyring(source.as_str())?;
    Ok(keyring.map(|keyring| PinnedKeys { keys: keyring.fingerprints(), ..PinnedKeys::default() }))
}

/// Pins the keyring in `file` to `source`: only packages that one of its keys vouches for are accepted from there.
pub fn pin(site: &Site, source: &Label, file: &Path, pinning: Pinning) -> Result<PinnedKeys, SiteError> {
    let _lock = site.lock()?;
    let (mut bytes, mut keys) = read_keyring(file)?;
    let path = site.keyring_path(source.as_str());
    let before = pinned(site, source)?.map(|pinned| pinned.keys);
    if let Some(before) = before.as_ref().filter(|before| pinning != Pinning::Replace && **before != keys) {
        if pinning == Pinning::First {
            let add = next_command::pin_too(site.root(), source.as_str(), file);
            return Err(SiteError::OtherPin { source_name: source.to_string(), add });
        }
        let known = site.keyring_bytes(source.as_str())?.unwrap_or_default();
        let bad = |source| SiteError::BadKeyring { path: path.clone(), source };
        bytes = [binary_keyring(&known).map_err(bad)?, binary_keyring(&bytes).map_err(bad)?].concat();
        keys.retain(|key| !before.contains(key));
        keys = [before.as_slice(), &keys].concat();
    }
    let before = before.unwrap_or_default();
    let without =
        |keys: &[String], others: &[String]| keys.iter().filter(|key| !others.contains(key)).cloned().collect();
    let change = PinnedKeys { added: without(&keys, &before), removed: without(&before, &keys), keys };
    audit::append(&site.root().join("audit.jsonl"), "pin", source.as_str(), &change.keys.join(" "))?;
    write_atomically(&path, &bytes, 0o644)?;
    Ok(change)
}

/// A keyring's bytes, and the fingerprints of its keys.
fn read_keyring(file: &Path) -> Result<(Vec<u8>, Vec<String>), SiteError> {
    let bytes = read_named(file, MAX_KEYRING_BYTES)?;
    let bad = |source| SiteError::BadKeyring { path: file.to_owned(), source };
    let fingerprints = Keyring::parse(&bytes).map_err(bad)?.fingerprints();
    Ok((bytes, fingerprints))
}
