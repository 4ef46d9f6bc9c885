//! Signatures that stand beside the file that they sign, such as Release.gpg.

use super::armor::{self, Outside};
use super::error::OpenPgpError;
use super::judge::{MAX_SIGNATURE_BYTES, Signer, judge, parse_signatures};
use super::keyring::Keyring;

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
    let limit = MAX_SIGNATURE_BYTES * 2;
    if signature.len() > limit {
        return Err(OpenPgpError::SignatureTooLarge { length: signature.len(), limit });
    }
    let signatures = if armor::is_binary(signature) {
        parse_signatures(signature)?
    } else {
        let binary =
            armor::decode(signature, armor::SIGNATURE, Outside::Refused).map_err(OpenPgpError::SignatureArmor)?;
        parse_signatures(&binary)?
    };
    judge(&signatures, data, keyring, now, |_| Ok(()))
}
