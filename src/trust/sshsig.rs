//! Detached signatures in OpenSSH's SSHSIG format (openssh-portable, PROTOCOL.sshsig), so that `ssh-keygen -Y verify` on
//! any stock system gives a second opinion.
//!
//! Only one encoding of a signature is accepted, the one that `ssh-keygen -Y sign` writes: SHA-512, 70 columns, LF.

use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

use super::{PublicKey, SecretKey, TrustError};

/// The namespace of a builder's signature over a manifest.
pub const MANIFEST_NAMESPACE: &str = "gapferry-manifest";
/// The namespace of a builder's signature over a packing.
pub const PACKING_NAMESPACE: &str = "gapferry-packing";
/// The namespace of a reviewer's signature over a statement.
pub const APPROVAL_NAMESPACE: &str = "gapferry-approval";
/// The namespace of a root person's signature over a trust file.
pub const TRUST_NAMESPACE: &str = "gapferry-trust";
/// The largest file with one signature that is read, in bytes.
pub const MAX_SIGNATURE_BYTES: u64 = 4 << 10;

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
    if canonical(&signature).as_deref().map(str::as_bytes) != Some(armored) {
        return Err(malformed("it is not in canonical form"));
    }
    if signature.namespace() != namespace {
        let found = signature.namespace().chars().take(64).collect();
        return Err(TrustError::WrongNamespace { found, wanted: namespace });
    }
    let key = PublicKey::from_data(signature.public_key()).map_err(malformed)?;
    if signature.hash_alg() != HashAlg::Sha512 || signature.algorithm() != key.algorithm() {
        return Err(malformed("it does not use Ed25519 with SHA-512"));
    }
    let data = SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(|_| malformed("it does not parse"))?;
    if key.verify(&data, signature.signature_bytes()) {
        Ok(key)
    } else {
        Err(TrustError::BadSignature { key: key.fingerprint() })
    }
}

/// Returns the one encoding of a signature that is accepted: version 1, and nothing in `reserved`. Neither is part of what is
/// signed as [`verify`] computes it, so a file with other values there could pass for another one.
fn canonical(signature: &SshSig) -> Option<String> {
    let (key, made) = (signature.public_key().clone(), signature.signature().clone());
    SshSig::new(key, signature.namespace(), signature.hash_alg(), made).ok()?.to_pem(LineEnding::LF).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
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

    /// PROTOCOL.sshsig: `reserved` stands between the namespace and the hash algorithm; signers leave it empty.
    #[test]
    fn rejects_another_version_and_reserved_bytes() {
        let key = SecretKey::generate();
        let signature = sign(&key, MANIFEST_NAMESPACE, b"m").unwrap();
        let reserved_at = |bytes: &[u8]| {
            let name = MANIFEST_NAMESPACE.as_bytes();
            bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len()
        };
        let altered = |alter: &dyn Fn(&mut Vec<u8>)| {
            let body: String = signature.lines().filter(|line| !line.starts_with('-')).collect();
            let mut bytes = STANDARD.decode(body).unwrap();
            alter(&mut bytes);
            let body = STANDARD.encode(bytes);
            let lines: Vec<_> = body.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
        };
        let verdict = |text: &str| verify(text.as_bytes(), MANIFEST_NAMESPACE, b"m");
        assert_eq!(altered(&|_| {}), signature);
        for version in [0, 2] {
            let text = altered(&|bytes| bytes[9] = version);
            assert!(matches!(verdict(&text), Err(TrustError::MalformedSignature { .. })), "version {version}");
        }
        let text = altered(&|bytes| {
            let at = reserved_at(bytes);
            bytes[at + 3] = 2;
            bytes.splice(at + 4..at + 4, *b"ok");
        });
        assert!(SshSig::from_pem(&text).is_ok(), "the library reads it: {text}");
        assert!(matches!(verdict(&text), Err(TrustError::MalformedSignature { .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_verify(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(verify(&bytes, MANIFEST_NAMESPACE, b"m").is_err());
        }
    }
}
