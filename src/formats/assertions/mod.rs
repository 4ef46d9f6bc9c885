//! Snap assertions: signed statements by which snapd knows what a snap is and who published it.
//!
//! An assertion is a text: headers, perhaps a body, an empty line, and an RSA signature over the bytes before that line.
//! Verification is over the bytes as they were received; nothing is ever encoded again. [`Assertion`] reads one or a stream
//! of them, a [`Pool`] finds them by name, a [`Verifier`] judges them, and ends all chains in [`Trust::roots`].
//!
//! ```text
//! snap-revision ──▶ snap-declaration ──▶ account ──▶ account-key "store" ──▶ root key
//!  digest, size      name, publisher      publisher    signs all of these     built in
//! ```
//!
//! The yardstick is snapd: its packages `asserts` and `asserts/snapasserts`. Where this module differs:
//!
//! | case | snapd | here |
//! |---|---|---|
//! | CR or NUL in headers, signs before numbers, line ends in digests, CR in signatures | accepted | refused |
//! | lists and maps nested deeper than [`MAX_DEPTH`] | accepted | refused |
//! | types it does not know, newer formats of types not in [`Statement`] | refused | read and verified, never needed |
//! | requests, which have no authority | accepted | refused |
//! | keys below 2048 bits, keys and signatures in unusual OpenPGP encodings | accepted | refused |
//! | hashes other than SHA-512 and SHA-256 | some accepted | refused |
//! | signatures by keys with `constraints` | as those say | refused |
//! | two keys of one account and name | the second is refused | not compared |
//! | two texts of one name and revision | the first counts | refused |
//! | snap names that are none | refused at installation | refused |
//! | rules on plugs, slots and aliases | parsed | left to the device |
//! | `provenance` in the snap's own metadata | compared at installation | left to the device |

mod assertion;
mod fields;
mod headers;
mod key;
mod packets;
mod pool;
mod reference;
mod snap;
pub mod snaps;
mod statement;
mod trust;
mod verify;

pub use crate::digest::{Sha3, Sha3State};
pub use assertion::{
    Assertion, MAX_BODY_BYTES, MAX_HEADERS_BYTES, MAX_SIGNATURE_BYTES, MAX_STREAM_ASSERTIONS, MAX_STREAM_BYTES,
};

pub use headers::{Headers, MAX_DEPTH, Value};
pub use key::{KEY_BITS, KEY_CREATED, RsaPublicKey};
pub use pool::Pool;
pub use reference::{
    ACCOUNT, ACCOUNT_KEY, DEFAULT_PROVENANCE, Reference, SERIES, SNAP_DECLARATION, SNAP_REVISION, STORE, max_format,
    primary_key,
};
pub use snap::{VerifiedSnap, Voucher};
pub(crate) use statement::is_snap_name;
pub use statement::{Account, AccountKey, RevisionAuthority, SnapDeclaration, SnapRevision, Statement, StoreStatement};
pub use trust::Trust;
pub use verify::{MAX_CHAIN, Verifier};

#[cfg(test)]
mod tests;
