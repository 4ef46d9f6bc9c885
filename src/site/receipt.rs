//! What this site tells the online side: which bundle it has, or what it lacks for one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;

use super::journal::{REFUSED_FOLDER, journal_manifest};
use super::{Site, SiteError};
use crate::bundle::BundleError;
use crate::bundle::state::OpenState;
use crate::bundle::state::stored_state::StoredState;
use crate::depot::{Depot, DepotError};
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::label::Label;
use crate::next_command::SITE_KEY;
use crate::numbers::Epoch;
use crate::receipt::{MAX_LACKED_BLOBS, Receipt, ReceiptNumber, ReceiptState};
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
        let mut lacks = BTreeSet::new();
        let mut published = None;
        for digest in candidates {
            let Some(state) = stored(&depot, &digest)? else { continue };
            published = add_lacking(&state, &depot, &mut lacks)?.then_some(state);
            break;
        }
        let mut held = BTreeSet::new();
        let epoch = match &published {
            Some(state) => state.manifest.epoch,
            None => self.newest_trust()?.epoch,
        };
        for state in self.waiting(name, epoch, &depot)? {
            if add_lacking(&state, &depot, &mut lacks)? {
                held.insert(receipt_state(&state));
            }
        }
        let receipt = Receipt {
            site: self.config.name.clone(),
            name: name.clone(),
            epoch,
            number: self.next_receipt_number(&lock)?,
            made: Time::now(),
            published: published.as_ref().map(receipt_state),
            held,
            refused: self.refused(name, epoch)?,
            lacks,
        };
        self.sign(&receipt)
    }

    /// Writes a signed request for what the bundle expects here and is not, and the public key beside it; returns its path. The
    /// bundle's state is in the depot.
    pub(super) fn write_request(&self, state: &OpenState, lock: &Lock) -> Result<PathBuf, SiteError> {
        let (manifest, depot) = (&state.manifest, self.depot()?);
        let stored = StoredState::open(&depot, &state.digest)?;
        let mut lacks = BTreeSet::new();
        if !add_lacking(&stored, &depot, &mut lacks)? {
            let message =
                format!("a request names {MAX_LACKED_BLOBS} blobs at most, and {} needs more", manifest.folder());
            return Err(Fault::new(ErrorClass::VolumesMissing, message).into());
        }
        let current = self.current()?;
        let published = current.names.get(&manifest.name).and_then(|name| name.manifest);
        let published =
            published.map(|digest| StoredState::manifest(&depot, &digest).map(|m| (digest, m))).transpose()?;
        let published = published.filter(|(_, published)| published.epoch == manifest.epoch);
        let published = published.map(|(manifest, m)| ReceiptState { sequence: m.sequence, manifest });
        let request = Receipt {
            site: self.config.name.clone(),
            name: manifest.name.clone(),
            epoch: manifest.epoch,
            number: self.next_receipt_number(lock)?,
            made: Time::now(),
            published,
            held: BTreeSet::from([receipt_state(&stored)]),
            refused: self.refused(&manifest.name, manifest.epoch)?,
            lacks,
        };
        let folder = self.root().join("requests");
        modes::create_public_folders(&folder).map_err(SiteError::io("create", &folder))?;
        let path = folder.join(format!("{}.txt", manifest.folder()));
        write_atomically(&path, self.sign(&request)?.as_bytes(), 0o644)?;
        let (key, key_path) = (self.keys()?, folder.join(SITE_KEY));
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
        receipt.sign(self.keys()?.first()).map_err(|source| SiteError::BadKeyring { path, source })
    }
}

impl Site {
    /// The states of this name whose imports are not finished.
    fn waiting(&self, name: &Label, epoch: Epoch, depot: &Depot) -> Result<Vec<StoredState>, SiteError> {
        let mut waiting = Vec::new();
        for folder in self.journals()? {
            // One that cannot be read has nothing that it could hold.
            let Some((manifest, digest)) = journal_manifest(&folder).ok().flatten() else { continue };
            if manifest.name == *name && manifest.epoch == epoch {
                waiting.extend(stored(depot, &digest)?);
            }
        }
        Ok(waiting)
    }

    /// The states of this name that failed their checks.
    fn refused(&self, name: &Label, epoch: Epoch) -> Result<BTreeSet<ReceiptState>, SiteError> {
        let mut refused = BTreeSet::new();
        for path in self.folders_in(REFUSED_FOLDER)? {
            let Some((manifest, digest)) = journal_manifest(&path).ok().flatten() else { continue };
            if manifest.name == *name && manifest.epoch == epoch {
                refused.insert(ReceiptState { sequence: manifest.sequence, manifest: digest });
            }
        }
        Ok(refused)
    }
}

fn receipt_state(state: &StoredState) -> ReceiptState {
    ReceiptState { sequence: state.manifest.sequence, manifest: state.digest }
}

/// Opens a state; `None` if it is not in the depot any more.
fn stored(depot: &Depot, digest: &Sha256) -> Result<Option<StoredState>, SiteError> {
    match StoredState::open(depot, digest) {
        Err(BundleError::Depot(DepotError::Missing { .. })) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Adds the blobs of the state that the depot does not hold. Returns `false`, and adds none, if a receipt has no room for them.
fn add_lacking(state: &StoredState, depot: &Depot, lacks: &mut BTreeSet<Sha256>) -> Result<bool, SiteError> {
    let (blobs, mut more) = (state.blobs(depot)?, Vec::new());
    for blob in blobs.iter() {
        if !lacks.contains(&blob.sha256) && !depot.has_good(&blob.sha256, blob.size)? {
            more.push(blob.sha256);
        }
        if lacks.len() + more.len() > MAX_LACKED_BLOBS {
            return Ok(false);
        }
    }
    lacks.extend(more);
    Ok(true)
}
