//! The chain of trust files at a site: `SITE/trust/N.json` with `N.json.sig`, and `SITE/trust/newest`, which says what N counts.
//!
//! New files are written first; then one rename of `newest` makes the last of them count. Neither an import nor a rollback
//! touches them, and no version is ever replaced by an older one.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Site, SiteError};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::storage::{Lock, StorageError, audit, modes, read_capped, write_atomically};
use crate::time::Time;
use crate::trust::{MAX_TRUST_BYTES, MAX_TRUST_SIGNATURES_BYTES, SignedTrustFile, TrustError, TrustFile, advance};

/// The largest file `newest` that is read, in bytes.
const MAX_NEWEST_BYTES: u64 = 1 << 10;

/// The content of the file `newest`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Newest {
    /// The digest of the trust file, so that a file that changed on the disk is found.
    sha256: Sha256,
    version: u64,
}

/// The proof that a trust file needs before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustCheck {
    /// By the signatures of two root quorums.
    Signatures,
    /// By the digest that somebody compared with those who made the file, on the host of the site.
    ByHand(Sha256),
}

/// The trust files that a site has taken, or would take.
#[derive(Clone, Debug)]
pub struct AppliedTrust {
    /// The file that counted before.
    pub before: TrustFile,
    /// The new files, in order.
    pub new: Vec<SignedTrustFile>,
}

impl AppliedTrust {
    /// Returns the file that counts now.
    pub fn newest(&self) -> &TrustFile {
        self.new.last().map_or(&self.before, |signed| &signed.file)
    }
}

fn folder(root: &Path) -> PathBuf {
    root.join("trust")
}

fn file_path(root: &Path, version: u64) -> PathBuf {
    folder(root).join(format!("{version}.json"))
}

fn signatures_path(root: &Path, version: u64) -> PathBuf {
    folder(root).join(format!("{version}.json.sig"))
}

/// Writes the trust file of a new site in `root`.
pub(super) fn begin(root: &Path, first: &TrustFile) -> Result<(), SiteError> {
    write_atomically(&file_path(root, first.version), first.to_json().as_bytes(), modes::PUBLIC_FILE)?;
    point(root, first)
}

/// Returns the trust file that counts at the site in `root`.
pub(super) fn newest(root: &Path) -> Result<TrustFile, SiteError> {
    let path = folder(root).join("newest");
    let bytes = read_capped(&path, MAX_NEWEST_BYTES)?;
    let newest: Newest = serde_json::from_slice(&bytes).map_err(StorageError::damaged(&path))?;
    let path = file_path(root, newest.version);
    let text = read_capped(&path, MAX_TRUST_BYTES)?;
    if Sha256::of(&text) != newest.sha256 {
        let reason = "it no longer has the digest in the file `newest` beside it: take it from a backup of the site";
        return Err(StorageError::damaged(&path)(reason).into());
    }
    Ok(TrustFile::parse(&text).map_err(|reason| TrustError::BadTrustFile { path, reason })?)
}

impl Site {
    /// Reads the trust file that counts now: another command may have changed it since the site was opened.
    pub fn newest_trust(&self) -> Result<TrustFile, SiteError> {
        let newest = newest(self.root())?;
        let assumed = self.assumed_trust.as_ref().filter(|assumed| assumed.version > newest.version);
        Ok(assumed.cloned().unwrap_or(newest))
    }

    /// Returns the version of the trust file with its signatures.
    pub fn signed_trust(&self, version: u64) -> Result<SignedTrustFile, SiteError> {
        read_signed(&file_path(self.root(), version))
    }

    /// Checks trust files as the site would before it takes them, and changes nothing.
    pub fn check_trust(&self, chain: Vec<SignedTrustFile>, check: TrustCheck) -> Result<AppliedTrust, SiteError> {
        let before = self.newest_trust()?;
        let now = self.least_time()?;
        let new = match (check, <[SignedTrustFile; 1]>::try_from(chain)) {
            (TrustCheck::Signatures, chain) => advance(&before, chain.map_or_else(|many| many, Vec::from), now)?,
            (TrustCheck::ByHand(digest), Ok([file])) => {
                file.check_replaces(&before, &digest, now)?;
                vec![file]
            }
            (TrustCheck::ByHand(_), Err(_)) => {
                let one = "only one trust file at a time can be taken without the signatures of the root quorum";
                return Err(Fault::usage(one).into());
            }
        };
        Ok(AppliedTrust { before, new })
    }

    /// Applies trust files, from a bundle or alone. Whatever is judged afterwards is judged by the newest of them.
    pub fn apply_trust(
        &self,
        lock: &Lock,
        chain: Vec<SignedTrustFile>,
        check: TrustCheck,
    ) -> Result<AppliedTrust, SiteError> {
        let applied = self.check_trust(chain, check)?;
        self.keep_trust(lock, &applied.before, &applied.new, check)?;
        Ok(applied)
    }

    /// Makes the last of these files count, which have been checked and follow `before`.
    pub(super) fn keep_trust(
        &self,
        _lock: &Lock,
        before: &TrustFile,
        new: &[SignedTrustFile],
        check: TrustCheck,
    ) -> Result<(), SiteError> {
        let Some(last) = new.last() else { return Ok(()) };
        let mut before = before;
        for signed in new {
            let version = signed.file.version;
            write_atomically(&signatures_path(self.root(), version), signed.signatures.as_bytes(), modes::PUBLIC_FILE)?;
            write_atomically(&file_path(self.root(), version), &signed.text, modes::PUBLIC_FILE)?;
            self.record_trust(before, signed, check)?;
            before = &signed.file;
        }
        point(self.root(), &last.file)
    }

    fn record_trust(
        &self,
        before: &TrustFile,
        signed: &SignedTrustFile,
        check: TrustCheck,
    ) -> Result<(), StorageError> {
        let persons: Vec<String> = signed.signed_by(before).iter().map(ToString::to_string).collect();
        let (event, by) = match check {
            TrustCheck::Signatures => ("trust", format!("signed by {}", persons.join(", "))),
            TrustCheck::ByHand(_) => ("trust-by-hand", "by its fingerprint, without the root quorum before".to_owned()),
        };
        let detail = format!("version {} {} {by}", signed.file.version, signed.digest());
        audit::append(&self.root().join("audit.jsonl"), event, self.config.name.as_str(), &detail)
    }

    /// The earliest time that it can be: the clock, or the newest time that a trusted bundle has shown.
    pub(super) fn least_time(&self) -> Result<Time, SiteError> {
        Ok(Time::now().max(self.current()?.newest_time))
    }
}

/// Makes `file` the one that counts.
fn point(root: &Path, file: &TrustFile) -> Result<(), SiteError> {
    let newest = Newest { sha256: file.digest(), version: file.version };
    let text = serde_json::to_string(&newest).map(|text| text + "\n").unwrap_or_default();
    Ok(write_atomically(&folder(root).join("newest"), text.as_bytes(), modes::PUBLIC_FILE)?)
}

/// Reads a trust file, and the signatures in the file of the same name with `.sig` after it.
pub fn read_signed(path: &Path) -> Result<SignedTrustFile, SiteError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sig");
    let text = crate::storage::read_named(path, MAX_TRUST_BYTES)?;
    let signatures = match crate::storage::read_named(Path::new(&beside), MAX_TRUST_SIGNATURES_BYTES) {
        Err(error) if error.is_not_found() => Vec::new(),
        other => other?,
    };
    let bad = |reason| TrustError::BadTrustFile { path: path.to_owned(), reason };
    Ok(SignedTrustFile::parse(text, &signatures).map_err(bad)?)
}
