//! Signatures that stand beside the file that they sign, such as Release.gpg.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use super::armor::{self, Outside};
use super::keyring::Keyring;
use super::verify::{MAX_SIGNATURE_BYTES, Signer, parse_signatures, too_large, verify_signatures};
use crate::formats::{Invalid, ReadError};

/// The largest file of signatures that is read, in bytes.
pub const MAX_SIGNATURE_FILE_BYTES: u64 = 1 << 20;

/// Verifies `signature`, ASCII-armored or binary, one or several, on `data`; `now` is in Unix seconds.
///
/// Returns the good signatures. At least one is required; signatures by unknown keys and those that the policy does not
/// accept are passed over; one that is mathematically wrong refuses everything.
pub fn verify_detached(data: &[u8], signature: &[u8], keyring: &Keyring, now: i64) -> Result<Vec<Signer>, Invalid> {
    verify_signatures(&parse(signature)?, &mut Cursor::new(data), keyring, now, |_| Ok(()))
}

/// The same of a file of any size, of which only a little is in memory at a time. It is read from its beginning, once for
/// each key that the signatures name.
pub fn verify_detached_file(
    file: &mut (impl Read + Seek),
    signature: &[u8],
    keyring: &Keyring,
    now: i64,
) -> Result<Vec<Signer>, ReadError> {
    let signatures = parse(signature)?;
    let mut watched = Watched { file, failed: None };
    let verdict = verify_signatures(&signatures, &mut watched, keyring, now, |_| Ok(()));
    // What could not be read would look like a wrong signature.
    match watched.failed {
        Some(error) => Err(error.into()),
        None => Ok(verdict?),
    }
}

pub(super) fn bad_armor(cause: Invalid) -> Invalid {
    Invalid::new("read the signature's armor").because(cause)
}

fn parse(signature: &[u8]) -> Result<Vec<Option<pgp::packet::Signature>>, Invalid> {
    let limit = MAX_SIGNATURE_BYTES * 2;
    if signature.len() > limit {
        return Err(too_large(signature.len(), limit));
    }
    if armor::is_binary(signature) {
        return parse_signatures(signature);
    }
    let binary = armor::decode(signature, armor::SIGNATURE, Outside::Refused).map_err(bad_armor)?;
    parse_signatures(&binary)
}

/// A file that remembers its first failure.
struct Watched<'f, F> {
    file: &'f mut F,
    failed: Option<io::Error>,
}

impl<F> Watched<'_, F> {
    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed.get_or_insert(error);
            }
            kind.into()
        })
    }
}

impl<F: Read> Read for Watched<'_, F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let result = self.file.read(bytes);
        self.note(result)
    }
}

impl<F: Seek> Seek for Watched<'_, F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let result = self.file.seek(to);
        self.note(result)
    }
}
