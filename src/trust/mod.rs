//! Keys, signatures, the trust file and policy: who must have signed what, and what may not go backwards.

mod dates;
mod error;
mod file;
mod key;
mod policy;
mod sshsig;
mod stream_ids;

pub use dates::{Dates, OlderUpstream, check_date, note_date};
pub use error::TrustError;
pub use file::{Role, TrustFile, TrustedKey};
pub use key::{PublicKey, SecretKey};
pub use policy::{Header, Overrides, Seen, check};
pub use sshsig::{MANIFEST_NAMESPACE, MAX_SIGNATURE_BYTES, PACKING_NAMESPACE, sign, verify};
pub use stream_ids::{OtherStream, check_stream};
