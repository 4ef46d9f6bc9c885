//! Errors of keys and signatures.

use std::path::Path;

use crate::error_class::ErrorClass;
use crate::terminal::safe;

/// The first line.
pub(super) const CLEAR_SIGNED_BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";

/// Failure to read keys, to verify, or to sign.
#[derive(Debug, thiserror::Error)]
pub enum OpenPgpError {
    /// The keyring is larger than any real one.
    #[error("keyring of {length} bytes is larger than {limit} bytes")]
    KeyringTooLarge {
        /// Its size in bytes.
        length: usize,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// The keyring holds more packets than any real one.
    #[error("keyring holds more than {limit} packets")]
    KeyringTooLong {
        /// The most packets that are read.
        limit: usize,
    },
    /// The keyring is in the format of GnuPG's own store.
    #[error("it is a GnuPG keybox, which no other program reads")]
    Keybox,
    /// The armor of the keyring is broken.
    #[error("read the keyring's armor")]
    KeyringArmor(#[source] ArmorError),
    /// Not one certificate in the keyring can be used.
    #[error("keyring holds no usable certificate: {}", list(rejected))]
    NoUsableCertificate {
        /// The certificates that were found and not taken.
        rejected: Vec<Rejected>,
    },
    /// The message does not begin as clear-signed text does.
    #[error("not clear-signed: the first line is not {:?}", CLEAR_SIGNED_BEGIN)]
    NotClearSigned,
    /// The clear-signed message has an armor header other than `Hash`.
    #[error("header {} of the clear-signed text is not a Hash header", safe(line))]
    UnexpectedHeader {
        /// The line, cut short.
        line: String,
    },
    /// A line of the signed text begins with a dash that is not escaped.
    #[error("line {line} of the signed text begins with an unescaped dash")]
    UnescapedDash {
        /// Counted from 1 after the headers.
        line: usize,
    },
    /// The text ends before a signature begins.
    #[error("clear-signed text has no signature")]
    NoSignatureBlock,
    /// The armor of the signature is broken.
    #[error("read the signature's armor")]
    SignatureArmor(#[source] ArmorError),
    /// The signature is larger than any real one.
    #[error("signature of {length} bytes is larger than {limit} bytes")]
    SignatureTooLarge {
        /// Its size in bytes.
        length: usize,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// There are more signatures than are looked at.
    #[error("more than {limit} signatures")]
    TooManySignatures {
        /// The most that are looked at.
        limit: usize,
    },
    /// A packet that is no signature stands where signatures are expected.
    #[error("a packet among the signatures is not a signature")]
    NotASignature,
    /// What should be signature packets is none at all.
    #[error("parse the signature packets")]
    MalformedSignature(#[source] Cause),
    /// A known key's signature is mathematically wrong: the text or the signature was changed.
    #[error("bad signature by key {key}")]
    BadSignature {
        /// Fingerprint of the (sub)key.
        key: String,
    },
    /// There are signatures, but none that counts.
    #[error("no good signature by a trusted key: {}", list(refusals))]
    NoGoodSignature {
        /// Each signature and why it does not count.
        refusals: Vec<Refusal>,
    },
    /// A time is outside of what OpenPGP can express, 1970 to 2106.
    #[error("time {seconds} is outside of what OpenPGP can express")]
    Time {
        /// Unix seconds.
        seconds: i64,
    },
    /// The text to sign has a line that clear-signing would change.
    #[error("line {line} of the text to sign ends in white space, which clear-signed text cannot carry")]
    TrailingSpace {
        /// Counted from 1.
        line: usize,
    },
    /// The site's secret key cannot be made, read or written.
    #[error("handle the site's secret key")]
    SecretKey(#[source] Cause),
    /// The secret key is not of the kind that [`super::SiteKey::generate`] makes.
    #[error("not a site key: an unencrypted Ed25519 (algorithm 22) or RSA key is expected")]
    NotASiteKey,
    /// Signing failed.
    #[error("sign with the site's key")]
    Sign(#[source] Cause),
}

impl OpenPgpError {
    /// Returns what to do about a file of keys at `path` that failed with this error. Empty if the error says enough.
    pub fn advice(&self, path: &Path) -> String {
        // gpg looks for a name without a slash in its own home.
        let place = if path.components().count() > 1 { "" } else { "./" };
        match self {
            Self::Keybox => format!(
                ": write its keys to keys.pgp by `gpg --no-default-keyring --keyring {place}{} --export --output keys.pgp`, and name \
                 that file",
                path.display()
            ),
            _ => String::new(),
        }
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::KeyringTooLarge { .. }
            | Self::KeyringTooLong { .. }
            | Self::KeyringArmor(_)
            | Self::Keybox
            | Self::NoUsableCertificate { .. } => ErrorClass::Usage,
            Self::NotClearSigned
            | Self::UnexpectedHeader { .. }
            | Self::UnescapedDash { .. }
            | Self::NoSignatureBlock
            | Self::SignatureArmor(_)
            | Self::SignatureTooLarge { .. }
            | Self::TooManySignatures { .. }
            | Self::NotASignature
            | Self::MalformedSignature(_)
            | Self::BadSignature { .. }
            | Self::NoGoodSignature { .. } => ErrorClass::VerificationFailed,
            Self::Time { .. } | Self::TrailingSpace { .. } | Self::SecretKey(_) | Self::NotASiteKey | Self::Sign(_) => {
                ErrorClass::Failed
            }
        }
    }
}

fn list(reasons: &[impl ToString]) -> String {
    match reasons {
        [] => "there is none".to_owned(),
        _ => reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

/// What is wrong with ASCII armor (RFC 9580, section 6.2).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArmorError {
    /// No block of the wanted kind.
    #[error("no {0:?} line")]
    NoBlock(&'static str),
    /// The block does not end.
    #[error("no {0:?} line ends the block")]
    Unterminated(&'static str),
    /// There is text around the block, which nothing vouches for.
    #[error("text outside of the armored block")]
    TextOutside,
    /// The lines between the headers and the end are not base64.
    #[error("not base64")]
    NotBase64,
}

/// One signature that does not count.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key}: {why}")]
pub struct Refusal {
    /// Fingerprint of the known (sub)key, or what the signature says of an unknown one.
    pub key: String,
    /// The first reason that was found.
    pub why: Why,
}

/// Why a signature does not count.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum Why {
    /// The packet cannot be parsed.
    #[error("signature cannot be parsed")]
    Malformed,
    /// No key of the keyring matches.
    #[error("not in the keyring")]
    UnknownKey,
    /// The signature does not say who made it.
    #[error("does not name its key")]
    Anonymous,
    /// Not a version 4 signature.
    #[error("not a version 4 signature")]
    Version,
    /// Neither a signature on a file (0x00) nor on text (0x01).
    #[error("not a signature on a document")]
    Type,
    /// The hash algorithm is broken, or unknown.
    #[error("hash algorithm weaker than SHA-256")]
    WeakHash,
    /// The hash algorithm is not among those of the message's Hash header, so gpgv would not compute it.
    #[error("hash algorithm not in the Hash header")]
    HashNotAnnounced,
    /// The key is too short, or of a kind that is not taken.
    #[error("key too weak or of an unsupported kind")]
    WeakKey,
    /// A critical subpacket or notation is unknown.
    #[error("unknown critical subpacket")]
    Critical,
    /// No creation time in the signed part.
    #[error("carries no time")]
    NoTime,
    /// Made after now.
    #[error("made in the future")]
    Future,
    /// Made before its key.
    #[error("made before its key")]
    BeforeKey,
    /// The signature's own lifetime is over.
    #[error("signature expired")]
    SignatureExpired,
    /// The key or its certificate is expired.
    #[error("key expired")]
    KeyExpired,
    /// The key or its certificate is revoked.
    #[error("key revoked")]
    KeyRevoked,
    /// No valid self-signature, binding or back-signature holds the key.
    #[error("key not bound to its certificate")]
    Unbound,
    /// Its key flags do not allow the key to sign.
    #[error("key may not sign")]
    MayNotSign,
}

/// An error of the `pgp` crate, without the backtrace that its own text can hold.
#[derive(Debug)]
pub struct Cause(Box<pgp::errors::Error>);

impl From<pgp::errors::Error> for Cause {
    fn from(error: pgp::errors::Error) -> Self {
        Self(Box::new(error))
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut error = &*self.0;
        while let pgp::errors::Error::InvalidPacketContent { source } = error {
            error = source;
        }
        write!(f, "{}", safe(&error.to_string()))
    }
}

impl std::error::Error for Cause {}

/// A certificate of the keyring file that no signature is accepted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Fingerprint of its primary key, in upper-case hexadecimal. `None` if the key could not be parsed.
    pub fingerprint: Option<String>,
    /// The flaw, for messages.
    pub reason: String,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.fingerprint.as_deref().unwrap_or("unknown key"), safe(&self.reason))
    }
}
