//! Errors in assertions.

use jiff::Timestamp;

use super::reference::Reference;
use crate::digest::Sha3;
use crate::error_class::ErrorClass;
use crate::terminal::safe;

/// Why an assertion, or a chain of them, is not accepted.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    #[error("assertions of {length} bytes are more than {limit} bytes")]
    TooLarge { length: usize, limit: usize },
    #[error("there are more than {limit} assertions in one stream")]
    TooMany { limit: usize },
    #[error("assertion {number}{} cannot be read", of(kind))]
    Malformed { number: usize, kind: Option<String>, source: AssertionFlaw },
    #[error("there are two different versions of {assertion} with revision {revision}")]
    Conflict { assertion: Reference, revision: u64 },
    #[error("there is no {assertion}")]
    NotFound { assertion: Reference },
    #[error("{wanted_by} needs {assertion}, which is not there")]
    Missing { assertion: Reference, wanted_by: Reference },
    #[error("{assertion} is signed by key {key} of {}, which is neither trusted nor vouched for", safe(authority))]
    UnknownKey { assertion: Reference, key: Sha3, authority: String },
    #[error("{assertion} is signed for {} with key {key}, which belongs to {}", safe(authority), safe(account))]
    KeyOfAnother { assertion: Box<Reference>, key: Sha3, authority: String, account: String },
    #[error("{assertion} is signed with key {key}, which is valid {}, and it is {now}", period(since, until))]
    KeyNotValid { assertion: Box<Reference>, key: Sha3, now: Timestamp, since: Timestamp, until: Option<Timestamp> },
    #[error("{assertion} is of {timestamp}, and its key {key} is valid {}", period(since, until))]
    MadeOutsideOfKey {
        assertion: Box<Reference>,
        key: Sha3,
        timestamp: Timestamp,
        since: Timestamp,
        until: Option<Timestamp>,
    },
    #[error("{assertion} is signed with key {key}, whose use is constrained in a way that gapferry does not evaluate")]
    KeyConstrained { assertion: Box<Reference>, key: Sha3 },
    #[error("the signature of {assertion} by key {key} is not good")]
    Signature { assertion: Reference, key: Sha3, source: SignatureFlaw },
    #[error("{assertion} is signed by {}, which is not directly trusted", safe(authority))]
    NotTrusted { assertion: Reference, authority: String },
    #[error("{assertion} rests on a circle of assertions, or on more than {limit} in a chain")]
    Endless { assertion: Reference, limit: usize },
    #[error("{assertion} revokes the snap: it has no name")]
    Revoked { assertion: Reference },
    #[error("{assertion} has the provenance {}, for which {} may not sign it", safe(provenance), safe(authority))]
    Provenance { assertion: Reference, provenance: String, authority: String },
    #[error(
        "no assertion is about a snap with SHA3-384 {digest}: it was changed, or its assertions are another snap's"
    )]
    UnknownSnap { digest: Sha3 },
    #[error("the snap with SHA3-384 {digest} is asserted in several provenances, and not in the store's own")]
    Ambiguous { digest: Sha3 },
    #[error("the snap has {size} bytes, where {assertion} says {wanted}")]
    Size { assertion: Reference, size: u64, wanted: u64 },
}

impl AssertionError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::VerificationFailed
    }
}

/// What is wrong with the text of one assertion.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AssertionFlaw {
    #[error("it is cut short")]
    CutShort,
    #[error("its {what} has more than {limit} bytes")]
    TooLarge { what: &'static str, limit: usize },
    #[error("its {what} is no UTF-8")]
    NotUtf8 { what: &'static str },
    #[error("its headers have a byte {byte:#04x}; were line ends converted?")]
    ControlCharacter { byte: u8 },
    #[error("line {line} is no header: {reason}")]
    Header { line: usize, reason: &'static str },
    #[error("its headers are nested more than {limit} deep")]
    TooDeep { limit: usize },
    #[error("it has no {name}")]
    Lacks { name: String },
    #[error("its {name} is malformed")]
    Value { name: String },
    #[error("its body does not end where body-length says")]
    BodyEnd,
    #[error("it is of format {found}, where {known} is the newest known here")]
    Format { found: u64, known: u64 },
    #[error("it has no signature")]
    NoSignature,
    #[error("its key is malformed")]
    Key(#[source] PacketFlaw),
    #[error("its key is {found}, another one than public-key-sha3-384 says")]
    OtherKey { found: Sha3 },
    #[error("its until is before its since")]
    Period,
}

/// What is wrong with a signature.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureFlaw {
    #[error("it is malformed")]
    Malformed(#[from] PacketFlaw),
    #[error("it is of another key or on other bytes")]
    Wrong,
}

/// What is wrong with an OpenPGP packet.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct PacketFlaw(pub(super) &'static str);

fn of(kind: &Option<String>) -> String {
    kind.as_ref().map_or_else(String::new, |kind| format!(", of type {},", safe(kind)))
}

fn period(since: &Timestamp, until: &Option<Timestamp>) -> String {
    match until {
        Some(until) => format!("from {since} until {until}"),
        None => format!("from {since}"),
    }
}
