//! The public keys of the sites that this workspace exports for: they sign receipts. The first one that an operator gives for a
//! site is kept, and no other is taken for it afterwards.

use std::fs;
use std::path::PathBuf;

use super::{Workspace, WorkspaceError};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::openpgp::{Keyring, MAX_KEYRING_BYTES, binary_keyring};
use crate::receipt::{MAX_RECEIPT_BYTES, Receipt, ReceiptError};
use crate::storage::{modes, read_capped, read_named, write_atomically};
use crate::time::Time;

/// A receipt whose signature was checked.
#[derive(Clone, Debug)]
pub struct VerifiedReceipt {
    /// Its content.
    pub receipt: Receipt,
    /// Digest of the file that it was read from.
    pub sha256: Sha256,
}

impl Workspace {
    /// Reads a receipt or a request and checks its signature, with the site's key as it is known here, or as it is given.
    pub fn read_receipt(
        &self,
        path: &std::path::Path,
        site_key: Option<&std::path::Path>,
    ) -> Result<VerifiedReceipt, WorkspaceError> {
        let message = read_named(path, MAX_RECEIPT_BYTES)?;
        let sha256 = Sha256::of(&message);
        let refused = |error| Fault::unverified(format!("cannot accept receipt {}", path.display())).because(error);
        if let Some(key_path) = site_key {
            let key = read_named(key_path, MAX_KEYRING_BYTES)?;
            let bad_key =
                |error| Fault::unverified(format!("{} is not an OpenPGP key", key_path.display())).because(error);
            let keyring = Keyring::parse_file(key_path, &key).map_err(bad_key)?;
            let key = binary_keyring(&key).map_err(bad_key)?;
            let receipt = Receipt::verify(&message, &keyring, Time::now()).map_err(refused)?;
            self.pin(&receipt, &key, &keyring)?;
            return Ok(VerifiedReceipt { receipt, sha256 });
        }
        let folder = self.root.join("sites");
        for path in fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())) {
            let Ok(keyring) = Keyring::parse(&read_capped(&path, MAX_KEYRING_BYTES)?) else { continue };
            match Receipt::verify(&message, &keyring, Time::now()) {
                Ok(receipt) if path == self.site_key_path(&receipt) => return Ok(VerifiedReceipt { receipt, sha256 }),
                Ok(_) | Err(ReceiptError::Signature(_)) => {}
                Err(error) => return Err(refused(error).into()),
            }
        }
        Err(Fault::usage(format!(
            "{} is not signed by any site that is known here: give that site's public key, SITE/current/keys/site.asc, with --site-key",
            path.display()
        ))
        .into())
    }

    fn site_key_path(&self, receipt: &Receipt) -> PathBuf {
        self.root.join("sites").join(format!("{}.gpg", receipt.site))
    }

    fn pin(&self, receipt: &Receipt, key: &[u8], keyring: &Keyring) -> Result<(), WorkspaceError> {
        let path = self.site_key_path(receipt);
        let known = fs::read(&path).map(|known| Keyring::parse(&known).map(|known| known.fingerprints()));
        match known {
            Ok(Ok(known)) if known == keyring.fingerprints() => return Ok(()),
            Ok(_) => {
                let (site, path) = (&receipt.site, path.display());
                return Err(Fault::refused(format!(
                    "the site {site} has another key in {path}: if its key has really changed, remove that file"
                ))
                .into());
            }
            Err(_) => {}
        }
        let folder = self.root.join("sites");
        modes::create_public_folders(&folder).map_err(WorkspaceError::io("create", &folder))?;
        Ok(write_atomically(&path, key, 0o644)?)
    }
}
