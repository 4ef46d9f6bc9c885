//! Errors of keys and signatures.

use std::path::Path;

use crate::error_class::ErrorClass;
use crate::terminal::safe;

/// The first line.
pub(super) const CLEAR_SIGNED_BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";

/// Failure to read keys, to verify, or to sign.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum OpenPgpError {
    #[error("keyring of {length} bytes is larger than {limit} bytes")]
    KeyringTooLarge { length: usize, limit: usize },
    #[error("keyring holds more than {limit} packets")]
    KeyringTooLong { limit: usize },
    #[error("it is a GnuPG keybox, which no other program reads")]
    Keybox,
    #[error("read the keyring's armor")]
    KeyringArmor(#[source] ArmorError),
    #[error("keyring holds no usable certificate: {}", list(rejected))]
    NoUsableCertificate { rejected: Vec<Rejected> },
    #[error("not clear-signed: the first line is not {:?}", CLEAR_SIGNED_BEGIN)]
    NotClearSigned,
    #[error("header {} of the clear-signed text is not a Hash header", safe(line))]
    UnexpectedHeader { line: String },
    #[error("line {line} of the signed text begins with an unescaped dash")]
    UnescapedDash { line: usize },
    #[error("clear-signed text has no signature")]
    NoSignatureBlock,
    #[error("read the signature's armor")]
    SignatureArmor(#[source] ArmorError),
    #[error("signature of {length} bytes is larger than {limit} bytes")]
    SignatureTooLarge { length: usize, limit: usize },
    #[error("more than {limit} signatures")]
    TooManySignatures { limit: usize },
    #[error("a packet among the signatures is not a signature")]
    NotASignature,
    #[error("parse the signature packets")]
    MalformedSignature(#[source] Cause),
    #[error("bad signature by key {key}")]
    BadSignature { key: String },
    #[error("no good signature by a trusted key: {}", list(refusals))]
    NoGoodSignature { refusals: Vec<Refusal> },
    #[error("time {seconds} is outside of what OpenPGP can express")]
    Time { seconds: i64 },
    #[error("line {line} of the text to sign ends in white space, which clear-signed text cannot carry")]
    TrailingSpace { line: usize },
    #[error("handle the site's secret key")]
    SecretKey(#[source] Cause),
    #[error("not a site key: an unencrypted Ed25519 (algorithm 22) or RSA key is expected")]
    NotASiteKey,
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
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArmorError {
    #[error("no {0:?} line")]
    NoBlock(&'static str),
    #[error("no {0:?} line ends the block")]
    Unterminated(&'static str),
    #[error("text outside of the armored block")]
    TextOutside,
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
    pub why: RefusalReason,
}

/// Why a signature does not count.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum RefusalReason {
    #[error("signature cannot be parsed")]
    Malformed,
    #[error("not in the keyring")]
    UnknownKey,
    #[error("does not name its key")]
    Anonymous,
    #[error("not a version 4 signature")]
    Version,
    /// Neither a signature on a file (0x00) nor on text (0x01).
    #[error("not a signature on a document")]
    Type,
    #[error("hash algorithm weaker than SHA-256")]
    WeakHash,
    /// The hash algorithm is not among those of the message's Hash header, so gpgv would not compute it.
    #[error("hash algorithm not in the Hash header")]
    HashNotAnnounced,
    #[error("key too weak or of an unsupported kind")]
    WeakKey,
    #[error("unknown critical subpacket")]
    Critical,
    #[error("carries no time")]
    NoTime,
    #[error("made in the future")]
    Future,
    #[error("made before its key")]
    BeforeKey,
    #[error("signature expired")]
    SignatureExpired,
    #[error("key expired")]
    KeyExpired,
    #[error("key revoked")]
    KeyRevoked,
    #[error("key not bound to its certificate")]
    Unbound,
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
