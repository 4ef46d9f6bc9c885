//! A signed text in either of the two forms in which upstreams publish one.

use std::borrow::Cow;

use super::{Keyring, Signer, verify_clear_signed, verify_detached};
use crate::formats::Invalid;

/// A text and its signature.
#[derive(Clone, Copy, Debug)]
pub enum SignedBytes<'a> {
    /// Clear-signed, such as InRelease or an .sjson file.
    Inline(&'a [u8]),
    /// With the signature in a file beside it, such as Release.gpg or .json.gpg.
    Detached {
        /// The text.
        text: &'a [u8],
        /// The signature over it.
        signature: &'a [u8],
    },
}

impl<'a> SignedBytes<'a> {
    /// Verifies the signature with `keyring` as of `now` (in Unix seconds); returns the text, as the verifier read it, and
    /// whose signatures were good.
    pub fn verify(self, keyring: &Keyring, now: i64) -> Result<(Cow<'a, [u8]>, Vec<Signer>), Invalid> {
        match self {
            Self::Inline(message) => {
                verify_clear_signed(message, keyring, now).map(|clear| (clear.text.into(), clear.signers))
            }
            Self::Detached { text, signature } => {
                verify_detached(text, signature, keyring, now).map(|signers| (text.into(), signers))
            }
        }
    }
}
