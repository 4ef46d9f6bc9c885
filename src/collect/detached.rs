//! Signatures beside the files that they sign, as upstreams publish them.

use std::io::{Read, Seek};
use std::path::Path;

use super::CollectError;
use crate::formats::openpgp::{Keyring, verify_detached_file};
use crate::storage::FileError;
use crate::time::Time;

/// A signature with the keys that may have made it.
#[derive(Clone, Copy)]
pub(super) struct DetachedSignature<'a> {
    /// All of its file.
    pub(super) bytes: &'a [u8],
    /// The keys of which one must have made it.
    pub(super) keyring: &'a Keyring,
    /// As of when it is judged.
    pub(super) now: Time,
}

impl DetachedSignature<'_> {
    /// Verifies it on the file at `place`, which messages call `what`. Returns the fingerprints of the signers, sorted.
    pub(super) fn signers(
        self,
        what: &str,
        file: &mut (impl Read + Seek),
        place: &Path,
    ) -> Result<Vec<String>, CollectError> {
        let verdict = verify_detached_file(file, self.bytes, self.keyring, self.now.unix());
        let unsigned =
            |source| CollectError::Untrusted { what: format!("{what} is not signed by a key of its keyring"), source };
        let verdict = verdict.map_err(|error| error.map(FileError::on("read", place), unsigned))?;
        let mut signed_by: Vec<String> = verdict.into_iter().map(|signer| signer.fingerprint).collect();
        signed_by.sort();
        signed_by.dedup();
        Ok(signed_by)
    }
}
