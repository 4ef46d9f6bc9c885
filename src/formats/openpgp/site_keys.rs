//! The keys that sign what a site publishes: one, or two while one replaces the other.

use super::encoding::armored_keyring;
use super::site_key::SiteKey;
use crate::formats::Invalid;

/// The keys of a site. The first one is the one that clients know longest.
#[derive(Debug)]
pub struct SiteKeys {
    first: SiteKey,
    second: Option<SiteKey>,
}

impl SiteKeys {
    /// Puts keys together.
    pub fn new(first: SiteKey, second: Option<SiteKey>) -> Self {
        Self { first, second }
    }

    /// The key that clients know longest. It alone signs for clients that ask gpgv(1) for its exit code, which is 2 if one of
    /// several keys is not in the client's keyring.
    pub fn first(&self) -> &SiteKey {
        &self.first
    }

    /// Returns all keys.
    pub fn all(&self) -> Vec<&SiteKey> {
        [&self.first].into_iter().chain(&self.second).collect()
    }

    /// Returns the fingerprints of all keys.
    pub fn fingerprints(&self) -> Vec<String> {
        self.all().into_iter().map(SiteKey::fingerprint).collect()
    }

    /// Clear-signs `text` with all keys, for InRelease; see [`SiteKey::sign_clear`].
    pub fn sign_clear(&self, text: &str, made: i64) -> Result<String, Invalid> {
        SiteKey::sign_clear_with(&self.all(), text, made)
    }

    /// Signs `data` with all keys, for Release.gpg; see [`SiteKey::sign_detached`].
    pub fn sign_detached(&self, data: &[u8], made: i64) -> Result<String, Invalid> {
        SiteKey::sign_detached_with(&self.all(), data, made)
    }

    /// The public halves in binary, for `Signed-By: ….gpg`.
    pub fn public_binary(&self) -> Result<Vec<u8>, Invalid> {
        let halves = self.all().into_iter().map(SiteKey::public_binary).collect::<Result<Vec<_>, _>>()?;
        Ok(halves.concat())
    }

    /// The public halves in one block of armor, for `Signed-By: ….asc`.
    pub fn public_armored(&self) -> Result<String, Invalid> {
        armored_keyring(&self.public_binary()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::openpgp::{Keyring, verify_clear_signed, verify_detached};

    const MADE: i64 = 1_700_000_000;

    #[test]
    fn either_key_verifies_what_both_signed() {
        let keys = ["old", "new"].map(|id| SiteKey::generate(id, MADE - 10).unwrap());
        let rings = keys.each_ref().map(|key| Keyring::parse(&key.public_binary().unwrap()).unwrap());
        let [old, new] = keys;
        let both = SiteKeys::new(old, Some(new));
        let (clear, beside) = (both.sign_clear("a\n", MADE).unwrap(), both.sign_detached(b"a", MADE).unwrap());
        for ring in &rings {
            verify_clear_signed(clear.as_bytes(), ring, MADE).unwrap();
            verify_detached(b"a", beside.as_bytes(), ring, MADE).unwrap();
            assert!(verify_detached(b"b", beside.as_bytes(), ring, MADE).is_err());
        }
        assert_eq!(Keyring::parse(both.public_armored().unwrap().as_bytes()).unwrap().fingerprints().len(), 2);
    }
}
