//! OpenPGP (RFC 4880, RFC 9580): who signed a file, judged by our own policy, and the site's own signing key.
//!
//! The `pgp` crate does packets and arithmetic only; everything that makes a mathematically right signature a *good* one
//! (expiry, revocation, key flags, back-signatures, strength of hashes and keys) stands in this module. The yardstick is
//! apt with gpgv 2.2: a message is good when at least one key of the keyring made a good signature on it and no known
//! key's signature is mathematically wrong. Where this module is stricter it says so below; `tests/it/openpgp.rs` holds
//! the table that compares each verdict with the real gpgv's.
//!
//! | case | apt with gpgv 2.2 | here |
//! |---|---|---|
//! | key expired now, valid when it signed | refused (EXPKEYSIG) | refused |
//! | SHA-1 in a certificate's self-signatures | accepted | accepted: old archive keys have them |
//! | SHA-1 or RIPEMD-160 in a signature on data | refused, by apt | refused, and SHA-224 too |
//! | RSA below 2048 bits; DSA, Brainpool, secp256k1 | accepted | refused |
//! | signature made in the future | accepted | refused beyond [`CLOCK_TOLERANCE`] |
//! | signature by an unknown key, or one that cannot be parsed | ignored | ignored |
//! | signature with an unknown critical subpacket | spoils all others | ignored |
//! | hash not announced in a Hash header | refused | refused |
//! | text around the signed block, dash not escaped, no END line | partly accepted | refused |
//! | copies of one certificate in the keyring | the first counts | merged; a revocation in any counts |
//! | revocation by a designated revoker | counts if its key is there | counts, unchecked |
//!
//! Only version 4 keys and signatures are taken. Nothing here reads a file or a clock: times are Unix seconds that the
//! caller passes.

mod armor;
mod certificate;
mod clear_signed;
mod detached;
mod encoding;
mod error;
mod keyring;
mod packets;
mod policy;
mod signed;
mod site_key;
mod site_keys;
mod verify;

pub use clear_signed::{ClearText, unverified_clear_text, verify_clear_signed};
pub use detached::{MAX_SIGNATURE_FILE_BYTES, verify_detached, verify_detached_file};
pub use encoding::armored_keyring;
pub use encoding::binary_keyring;
pub use error::Cause;
pub use error::Rejected;
pub use keyring::{Keyring, MAX_KEYRING_BYTES};
pub use policy::CLOCK_TOLERANCE;
pub use signed::SignedBytes;
pub use site_key::{SiteKey, SiteKeyAlgorithm};
pub use site_keys::SiteKeys;
pub use verify::Signer;

#[cfg(test)]
mod tests;
