//! Makes a site, and pins upstream's keys to its sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::config::{Policy, SiteConfig};
use super::{Lock, MAX_KEYRING_BYTES, Site, SiteError, audit, read_capped, write_atomically};
use crate::collection::Label;
use crate::depot::Depot;
use crate::formats::openpgp::{Keyring, SiteKey};
use crate::time::Time;
use crate::trust::{PublicKey, TrustFile};

/// Makes a new site in `root`, with a key of its own.
///
/// It is built under a scratch name beside `root` and renamed, so that an interrupted call leaves no half a site.
pub fn init(
    root: &Path,
    name: Label,
    builder: &PublicKey,
    allow_unsigned: BTreeSet<Label>,
    keyrings: &[(Label, PathBuf)],
) -> Result<Site, SiteError> {
    if root.symlink_metadata().is_ok() && fs::read_dir(root).map_or(true, |mut entries| entries.next().is_some()) {
        return Err(SiteError::SiteExists { path: root.to_owned() });
    }
    let mut scratch = root.as_os_str().to_owned();
    scratch.push(".part");
    let scratch = Path::new(&scratch);
    super::generation::remove_folder(scratch)?;
    for folder in ["trust/keyrings", "keys", "generations", "journal", "quarantine"] {
        let path = scratch.join(folder);
        fs::create_dir_all(&path).map_err(SiteError::io("create", &path))?;
    }
    Depot::open(&scratch.join("depot"))?;
    drop(Lock::take(&scratch.join("lock"))?); // a dry run takes the lock too, and must not be the one that creates the file
    let bad_key = |source| SiteError::BadKeyring { path: root.join("keys/site.pgp"), source };
    let key = SiteKey::generate(&format!("gapferry site {name}"), Time::now().unix()).map_err(bad_key)?;
    write_atomically(&scratch.join("keys/site.pgp"), &key.to_bytes().map_err(bad_key)?, 0o600)?;
    write_atomically(&scratch.join("trust/trust.json"), TrustFile::of_builder(builder).to_json().as_bytes(), 0o644)?;
    for (source, file) in keyrings {
        let (bytes, _) = read_keyring(file)?;
        write_atomically(&scratch.join("trust/keyrings").join(format!("{source}.pgp")), &bytes, 0o644)?;
    }
    let policy = Policy { allow_unsigned };
    let config =
        SiteConfig { name: name.clone(), policy, enterprise_store: None, reprepro: None, serve: Default::default() };
    write_atomically(&scratch.join("site.toml"), config.to_text().as_bytes(), 0o644)?;
    audit::append(&scratch.join("audit.jsonl"), "init", name.as_str(), &format!("builder {}", builder.fingerprint()))?;
    fs::rename(scratch, root).map_err(SiteError::io("rename", scratch))?;
    Site::open(root)
}

/// Pins the keyring in `file` to `source`: only packages that one of its keys vouches for are accepted from there.
/// Returns the fingerprints of its keys.
pub fn pin(site: &Site, source: &Label, file: &Path) -> Result<Vec<String>, SiteError> {
    let _lock = site.lock()?;
    let bytes = read_capped(file, MAX_KEYRING_BYTES)?;
    let keyring = Keyring::parse(&bytes).map_err(|source| SiteError::BadKeyring { path: file.to_owned(), source })?;
    let fingerprints = keyring.fingerprints();
    audit::append(&site.root().join("audit.jsonl"), "pin", source.as_str(), &fingerprints.join(" "))?;
    write_atomically(&site.keyring_path(source.as_str()), &bytes, 0o644)?;
    Ok(fingerprints)
}

/// A keyring's bytes, and the fingerprints of its keys.
fn read_keyring(file: &Path) -> Result<(Vec<u8>, Vec<String>), SiteError> {
    let bytes = read_capped(file, MAX_KEYRING_BYTES)?;
    let bad = |source| SiteError::BadKeyring { path: file.to_owned(), source };
    let fingerprints = Keyring::parse(&bytes).map_err(bad)?.fingerprints();
    Ok((bytes, fingerprints))
}
