//! Pins upstream's keys to sources.

use std::path::Path;

use super::{Site, SiteError};
use crate::error_class::Fault;
use crate::formats::openpgp::{Keyring, MAX_KEYRING_BYTES, binary_keyring};
use crate::label::Label;
use crate::next_command;
use crate::storage::{audit, read_named, write_atomically};

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
            return Err(Fault::usage(format!(
                "the source {source} has other keys pinned: to trust both, run `{add}`; to trust the new ones alone, give \
                 --replace instead of --add"
            ))
            .into());
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

/// Reads a keyring. Returns its bytes, and the fingerprints of its keys.
pub(super) fn read_keyring(file: &Path) -> Result<(Vec<u8>, Vec<String>), SiteError> {
    let bytes = read_named(file, MAX_KEYRING_BYTES)?;
    let bad = |source| SiteError::BadKeyring { path: file.to_owned(), source };
    let fingerprints = Keyring::parse_file(file, &bytes).map_err(bad)?.fingerprints();
    Ok((bytes, fingerprints))
}
