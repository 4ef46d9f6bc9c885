//! What this site tells the online side: which bundle it has, or what it lacks for one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;

use super::{Site, SiteError};
use crate::bundle::manifest::MAX_MANIFEST_BYTES;
use crate::bundle::{Bundle, Manifest};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::label::Label;
use crate::next_command::SITE_KEY;
use crate::receipt::{Receipt, ReceiptNumber};
use crate::storage::modes;
use crate::storage::{Lock, StorageError, read_capped, write_atomically};
use crate::time::Time;

/// The largest file with the last receipt's number that is read, in bytes.
const MAX_NUMBER_BYTES: u64 = 64;

impl Site {
    /// A signed receipt for the newest bundle of this name whose content is here.
    ///
    /// Takes the site's lock: the receipt must not promise what `gc` is removing.
    pub fn receipt(&self, name: &Label) -> Result<String, SiteError> {
        let lock = self.lock()?;
        let (current, depot) = (self.current()?, self.depot()?);
        let state = current.names.get(name);
        // After a rollback and `gc`, the newest manifest may be gone; the published one never is.
        let candidates = state.map(|state| [Some(state.accepted), state.manifest]).into_iter().flatten().flatten();
        let found =
            candidates.filter_map(|digest| Some((digest, depot.read(&digest, MAX_MANIFEST_BYTES).ok()?))).next();
        let found =
            found.map(|(digest, bytes)| Manifest::parse(&bytes).map(|manifest| (digest, manifest))).transpose()?;
        let receipt = Receipt {
            site: self.config.name.clone(),
            name: name.clone(),
            epoch: found.as_ref().map_or(self.trust.epoch, |(_, manifest)| manifest.epoch),
            sequence: found.as_ref().map(|(_, manifest)| manifest.sequence),
            manifest: found.as_ref().map(|(digest, _)| *digest),
            number: self.next_receipt_number(&lock)?,
            made: Time::now(),
            lacks: found.map(|(_, manifest)| lacking(&manifest, &depot)).unwrap_or_default(),
        };
        self.sign(&receipt)
    }

    /// Writes a signed request for what the bundle expects here and is not, and the public key beside it; returns its path.
    pub(super) fn write_request(&self, bundle: &Bundle, lock: &Lock) -> Result<PathBuf, SiteError> {
        let manifest = &bundle.manifest;
        let request = Receipt {
            site: self.config.name.clone(),
            name: manifest.name.clone(),
            epoch: manifest.epoch,
            sequence: Some(manifest.sequence),
            manifest: Some(bundle.digest),
            number: self.next_receipt_number(lock)?,
            made: Time::now(),
            lacks: lacking(manifest, &self.depot()?),
        };
        let folder = self.root().join("requests");
        modes::create_public_folders(&folder).map_err(SiteError::io("create", &folder))?;
        let path = folder.join(format!("{}.txt", manifest.folder()));
        write_atomically(&path, self.sign(&request)?.as_bytes(), 0o644)?;
        let (key, key_path) = (self.key()?, folder.join(SITE_KEY));
        let armored =
            key.public_armored().map_err(|source| SiteError::BadKeyring { path: key_path.clone(), source })?;
        write_atomically(&key_path, armored.as_bytes(), 0o644)?;
        Ok(path)
    }

    /// Returns the number of the next receipt or request, and remembers it before anything bears it: a run that is killed
    /// skips a number.
    fn next_receipt_number(&self, _: &Lock) -> Result<ReceiptNumber, SiteError> {
        let path = self.root().join("receipt-number");
        let damaged = || StorageError::Damaged {
            path: path.clone(),
            reason: "it does not hold the number of the last receipt: remove it, then the clock gives the next number"
                .to_owned(),
        };
        let last = match read_capped(&path, MAX_NUMBER_BYTES) {
            Err(error) if error.is_not_found() => None,
            other => {
                let text = String::from_utf8(other?).map_err(|_| damaged())?;
                Some(text.trim_ascii_end().parse().map_err(|_| damaged())?)
            }
        };
        let next = ReceiptNumber::after(last, Timestamp::now());
        write_atomically(&path, format!("{next}\n").as_bytes(), 0o644)?;
        Ok(next)
    }

    fn sign(&self, receipt: &Receipt) -> Result<String, SiteError> {
        let path = self.root().join("keys/site.pgp");
        receipt.sign(&self.key()?).map_err(|source| SiteError::BadKeyring { path, source })
    }
}

fn lacking(manifest: &Manifest, depot: &Depot) -> BTreeSet<Sha256> {
    manifest.blobs.iter().filter(|blob| !depot.has(&blob.sha256, blob.size)).map(|blob| blob.sha256).collect()
}
