//! Errors in assertions.

use jiff::Timestamp;

use super::digest::Sha3;
use super::reference::Reference;
use crate::error_class::ErrorClass;
use crate::terminal::safe;

/// Why an assertion, or a chain of them, is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// The stream is larger than any real one.
    #[error("assertions of {length} bytes are more than {limit} bytes")]
    TooLarge {
        /// Its size in bytes.
        length: usize,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// The stream holds more assertions than any real one.
    #[error("there are more than {limit} assertions in one stream")]
    TooMany {
        /// The most that are read.
        limit: usize,
    },
    /// An assertion cannot be read.
    #[error("assertion {number}{} cannot be read", of(kind))]
    Malformed {
        /// Which of the stream, counted from 1.
        number: usize,
        /// Its type, if that much could be read.
        kind: Option<String>,
        /// What is wrong with it.
        source: Flaw,
    },
    /// Two assertions of one name and revision say different things.
    #[error("there are two different versions of {assertion} with revision {revision}")]
    Conflict {
        /// Which.
        assertion: Reference,
        /// Its `revision`.
        revision: u64,
    },
    /// An assertion that is asked for is not there.
    #[error("there is no {assertion}")]
    NotFound {
        /// Which.
        assertion: Reference,
    },
    /// An assertion that another rests on is not there.
    #[error("{wanted_by} needs {assertion}, which is not there")]
    Missing {
        /// Which.
        assertion: Reference,
        /// What rests on it.
        wanted_by: Reference,
    },
    /// The key that is said to have signed is not trusted, and no account-key vouches for it.
    #[error("{assertion} is signed by key {key} of {}, which is neither trusted nor vouched for", safe(authority))]
    UnknownKey {
        /// What is signed.
        assertion: Reference,
        /// The key's id.
        key: Sha3,
        /// Whose key it is said to be.
        authority: String,
    },
    /// The key belongs to another account than the one that is said to have signed.
    #[error("{assertion} is signed for {} with key {key}, which belongs to {}", safe(authority), safe(account))]
    KeyOfAnother {
        /// What is signed.
        assertion: Box<Reference>,
        /// The key's id.
        key: Sha3,
        /// Who is said to have signed.
        authority: String,
        /// Whose key it is.
        account: String,
    },
    /// The key is not valid now.
    #[error("{assertion} is signed with key {key}, which is valid {}, and it is {now}", period(since, until))]
    KeyNotValid {
        /// What is signed.
        assertion: Box<Reference>,
        /// The key's id.
        key: Sha3,
        /// When it is.
        now: Timestamp,
        /// From when the key is valid.
        since: Timestamp,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// The key was not valid when the assertion was made.
    #[error("{assertion} is of {timestamp}, and its key {key} is valid {}", period(since, until))]
    MadeOutsideOfKey {
        /// What is signed.
        assertion: Box<Reference>,
        /// The key's id.
        key: Sha3,
        /// The assertion's timestamp.
        timestamp: Timestamp,
        /// From when the key is valid.
        since: Timestamp,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// The key may sign only what its account-key's constraints allow, which are not evaluated.
    #[error("{assertion} is signed with key {key}, whose use is constrained in a way that gapferry does not evaluate")]
    KeyConstrained {
        /// What is signed.
        assertion: Box<Reference>,
        /// The key's id.
        key: Sha3,
    },
    /// The signature is not the key's on these bytes: one of the two was changed.
    #[error("the signature of {assertion} by key {key} is not good")]
    Signature {
        /// What is signed.
        assertion: Reference,
        /// The key's id.
        key: Sha3,
        /// How the signature is not good.
        source: SignatureFlaw,
    },
    /// Only a trusted account may say this.
    #[error("{assertion} is signed by {}, which is not directly trusted", safe(authority))]
    NotTrusted {
        /// Which.
        assertion: Reference,
        /// Who signed it.
        authority: String,
    },
    /// Assertions rest on each other in a circle, or in a chain longer than any real one.
    #[error("{assertion} rests on a circle of assertions, or on more than {limit} in a chain")]
    Endless {
        /// Where it was noticed.
        assertion: Reference,
        /// The longest chain that is followed.
        limit: usize,
    },
    /// The store took the snap's name away.
    #[error("{assertion} revokes the snap: it has no name")]
    Revoked {
        /// The declaration.
        assertion: Reference,
    },
    /// The declaration lets nobody sign revisions of this provenance and number who signed this one.
    #[error("{assertion} has the provenance {}, for which {} may not sign it", safe(provenance), safe(authority))]
    Provenance {
        /// The revision.
        assertion: Reference,
        /// Its provenance.
        provenance: String,
        /// Who signed it.
        authority: String,
    },
    /// No snap-revision is for these bytes.
    #[error(
        "no assertion is about a snap with SHA3-384 {digest}: it was changed, or its assertions are another snap's"
    )]
    UnknownSnap {
        /// The snap's digest.
        digest: Sha3,
    },
    /// Several snap-revisions of various provenance are for these bytes, and none of the store's own.
    #[error("the snap with SHA3-384 {digest} is asserted in several provenances, and not in the store's own")]
    Ambiguous {
        /// The snap's digest.
        digest: Sha3,
    },
    /// The snap has another size than its assertion says.
    #[error("the snap has {size} bytes, where {assertion} says {wanted}")]
    Size {
        /// The snap-revision.
        assertion: Reference,
        /// In bytes.
        size: u64,
        /// In bytes.
        wanted: u64,
    },
}

impl AssertionError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::VerificationFailed
    }
}

/// What is wrong with the text of one assertion.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Flaw {
    /// It ends too early.
    #[error("it is cut short")]
    CutShort,
    /// A part of it is larger than snapd takes.
    #[error("its {what} has more than {limit} bytes")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// A part of it is no UTF-8.
    #[error("its {what} is no UTF-8")]
    NotUtf8 {
        /// Which part.
        what: &'static str,
    },
    /// There is a carriage return or a NUL among its headers.
    #[error("its headers have a byte {byte:#04x}; were line ends converted?")]
    ControlCharacter {
        /// The byte.
        byte: u8,
    },
    /// A header is malformed.
    #[error("line {line} is no header: {reason}")]
    Header {
        /// Counted from 1 in the assertion.
        line: usize,
        /// Why.
        reason: &'static str,
    },
    /// Lists and maps are nested too deeply.
    #[error("its headers are nested more than {limit} deep")]
    TooDeep {
        /// The deepest that is read, in levels.
        limit: usize,
    },
    /// A header that must be there is not.
    #[error("it has no {name}")]
    Lacks {
        /// The header.
        name: String,
    },
    /// A header is not of its kind.
    #[error("its {name} is malformed")]
    Value {
        /// The header.
        name: String,
    },
    /// What follows the body is not an empty line.
    #[error("its body does not end where body-length says")]
    BodyEnd,
    /// It is of a newer format.
    #[error("it is of format {found}, where {known} is the newest known here")]
    Format {
        /// What it says.
        found: u64,
        /// The newest that is known.
        known: u64,
    },
    /// Nothing is where its signature should be.
    #[error("it has no signature")]
    NoSignature,
    /// The key in an account-key cannot be read.
    #[error("its key is malformed")]
    Key(#[source] PacketFlaw),
    /// The key in an account-key is another one than its header says.
    #[error("its key is {found}, another one than public-key-sha3-384 says")]
    OtherKey {
        /// The key's own id.
        found: Sha3,
    },
    /// A key's validity ends before it begins.
    #[error("its until is before its since")]
    Period,
}

/// What is wrong with a signature.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureFlaw {
    /// It cannot be read.
    #[error("it is malformed")]
    Malformed(#[from] PacketFlaw),
    /// It is of another key, or on other bytes.
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
