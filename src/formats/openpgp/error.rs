//! Errors of the `pgp` crate, and certificates that are left out.

use crate::terminal::safe;

/// The reason why a signature or a key does not count, for messages.
pub(super) type RefusalReason = &'static str;

pub(super) const UNBOUND: RefusalReason = "key not bound to its certificate";
pub(super) const WEAK_HASH: RefusalReason = "hash algorithm weaker than SHA-256";

/// Joins reasons for a message.
pub(super) fn list(reasons: &[impl ToString]) -> String {
    match reasons {
        [] => "there is none".to_owned(),
        _ => reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
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
