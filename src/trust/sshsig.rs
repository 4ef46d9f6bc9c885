//! Detached signatures in OpenSSH's SSHSIG format (openssh-portable, PROTOCOL.sshsig), so that `ssh-keygen -Y verify` on
//! any stock system gives a second opinion.
//!
//! Only one encoding of a signature is accepted, the one that `ssh-keygen -Y sign` writes: SHA-512, 70 columns, LF.

use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

use super::{PublicKey, SecretKey, TrustError};

/// The namespace of a builder's signature over a manifest.
pub const MANIFEST_NAMESPACE: &str = "gapferry-manifest";
/// The largest signature file that is read, in bytes.
pub const MAX_SIGNATURE_BYTES: u64 = 64 << 10;

/// Signs `message` for `namespace` and returns the armored signature.
pub fn sign(key: &SecretKey, namespace: &'static str, message: &[u8]) -> Result<String, TrustError> {
    let bad = |_| TrustError::MalformedSignature { reason: "it cannot be encoded" };
    let data = SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(bad)?;
    let signature = Signature::new(Algorithm::Ed25519, key.sign(&data)).map_err(bad)?;
    let signature = SshSig::new(key.public().data(), namespace, HashAlg::Sha512, signature).map_err(bad)?;
    signature.to_pem(LineEnding::LF).map_err(bad)
}

/// Verifies the armored signature over `message` and returns the key that made it.
///
/// The signature alone proves nothing: whether that key is trusted is for the caller to decide.
pub fn verify(armored: &[u8], namespace: &'static str, message: &[u8]) -> Result<PublicKey, TrustError> {
    let malformed = |reason| TrustError::MalformedSignature { reason };
    let signature = SshSig::from_pem(armored).map_err(|_| malformed("it does not parse"))?;
    if signature.to_pem(LineEnding::LF).ok().as_deref().map(str::as_bytes) != Some(armored) {
        return Err(malformed("it is not in canonical form"));
    }
    // The version is not part of what is signed, and the decoder takes 0 as well.
    if signature.version() != SshSig::VERSION {
        return Err(malformed("it is not version 1 of SSHSIG"));
    }
    if signature.namespace() != namespace {
        let found = signature.namespace().chars().take(64).collect();
        return Err(TrustError::WrongNamespace { found, wanted: namespace });
    }
    if signature.hash_alg() != HashAlg::Sha512 || signature.algorithm() != Algorithm::Ed25519 {
        return Err(malformed("it does not use Ed25519 with SHA-512"));
    }
    let key = PublicKey::from_data(signature.public_key()).map_err(malformed)?;
    let data = SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(|_| malformed("it does not parse"))?;
    if key.verify(&data, signature.signature_bytes()) {
        Ok(key)
    } else {
        Err(TrustError::BadSignature { key: key.fingerprint() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_we_sign_verifies_and_nothing_else_does() {
        let key = SecretKey::generate();
        let signature = sign(&key, MANIFEST_NAMESPACE, b"manifest").unwrap();
        assert_eq!(verify(signature.as_bytes(), MANIFEST_NAMESPACE, b"manifest").unwrap(), key.public());
        assert!(matches!(
            verify(signature.as_bytes(), MANIFEST_NAMESPACE, b"manifesT"),
            Err(TrustError::BadSignature { .. })
        ));
        let other = sign(&key, "gapferry-other", b"manifest").unwrap();
        assert!(matches!(
            verify(other.as_bytes(), MANIFEST_NAMESPACE, b"manifest"),
            Err(TrustError::WrongNamespace { .. })
        ));
    }

    #[test]
    fn every_single_flipped_bit_is_refused() {
        let key = SecretKey::generate();
        let signature = sign(&key, MANIFEST_NAMESPACE, b"m").unwrap().into_bytes();
        for at in 0..signature.len() * 8 {
            let mut bytes = signature.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let verdict = verify(&bytes, MANIFEST_NAMESPACE, b"m");
            assert!(verdict.is_err(), "bit {at}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_verify(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(verify(&bytes, MANIFEST_NAMESPACE, b"m").is_err());
        }
    }
}
