//! Keys, signatures, the trust file and policy: who must have signed what, and what may not go backwards.

mod alarm_set;
mod allowed_signers;
mod approval;
mod edit;
mod error;
mod file;
mod key;
mod missing_signatures;
mod policy;
mod quorum;
mod review;
mod sshsig;
mod succession;
mod upstream_memory;

pub use alarm_set::AlarmSet;
pub use allowed_signers::openssh_time;
pub use approval::{
    AllAlarms, Approval, ApprovedDatabase, ApprovedScan, Decision, MAX_APPROVAL_BYTES, MAX_APPROVALS, SignedApproval,
};
pub use edit::{KeyName, TrustChange};
pub use error::TrustError;
pub use file::{MAX_TRUST_BYTES, Revocation, Role, TrustFile, TrustedKey};
pub use key::{KeyKind, PublicKey, SecretKey};
pub use missing_signatures::MissingSignatures;
pub use policy::{CLOCK_TOLERANCE_S, Header, Overrides, Seen, check, check_clock};
pub use quorum::{Groups, MalformedQuorum, Quorum};
pub use review::{Review, ReviewSubject, ReviewVerdict};
pub use sshsig::{
    APPROVAL_NAMESPACE, MANIFEST_NAMESPACE, MAX_SIGNATURE_BYTES, PACKING_NAMESPACE, TRUST_NAMESPACE, sign, verify,
};
pub use succession::{MAX_STEPS, MAX_TRUST_SIGNATURES_BYTES, SignedTrustFile, TrustSignature, advance, longest_chain};
pub use upstream_memory::{Dates, OlderUpstream, OtherStream, check_date, check_stream, note_date};
