//! Signatures that stand beside the file that they sign, such as Release.gpg.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use super::armor::{self, Outside};
use super::error::OpenPgpError;
use super::keyring::Keyring;
use super::verify::{MAX_SIGNATURE_BYTES, Signer, parse_signatures, verify_signatures};

/// Verifies `signature`, ASCII-armored or binary, one or several, on `data`; `now` is in Unix seconds.
///
/// Returns the good signatures. At least one is required; signatures by unknown keys and those that the policy does not
/// accept are passed over; one that is mathematically wrong refuses everything.
pub fn verify_detached(
    data: &[u8],
    signature: &[u8],
    keyring: &Keyring,
    now: i64,
) -> Result<Vec<Signer>, OpenPgpError> {
    verify_signatures(&parse(signature)?, &mut Cursor::new(data), keyring, now, |_| Ok(()))
}

/// The same of a file of any size, of which only a little is in memory at a time. It is read from its beginning, once for
/// each key that the signatures name. The outer error is one of reading.
pub fn verify_detached_file(
    file: &mut (impl Read + Seek),
    signature: &[u8],
    keyring: &Keyring,
    now: i64,
) -> io::Result<Result<Vec<Signer>, OpenPgpError>> {
    let signatures = match parse(signature) {
        Ok(signatures) => signatures,
        Err(error) => return Ok(Err(error)),
    };
    let mut watched = Watched { file, failed: None };
    let verdict = verify_signatures(&signatures, &mut watched, keyring, now, |_| Ok(()));
    // What could not be read would look like a wrong signature.
    watched.failed.map_or(Ok(verdict), Err)
}

fn parse(signature: &[u8]) -> Result<Vec<Option<pgp::packet::Signature>>, OpenPgpError> {
    let limit = MAX_SIGNATURE_BYTES * 2;
    if signature.len() > limit {
        return Err(OpenPgpError::SignatureTooLarge { length: signature.len(), limit });
    }
    if armor::is_binary(signature) {
        return parse_signatures(signature);
    }
    let binary = armor::decode(signature, armor::SIGNATURE, Outside::Refused).map_err(OpenPgpError::SignatureArmor)?;
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
