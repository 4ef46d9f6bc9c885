//! The verdict over all signatures of one message.

use std::io::{Read, Seek};

use crate::formats::Invalid;
use pgp::packet::{Packet, Signature, SignatureType, SignatureVersion};
use pgp::types::{KeyDetails, PublicParams, Tag, VerifyingKey};

use super::certificate::{Certificate, hex, names};
use super::error::{Cause, RefusalReason, WEAK_HASH, list};
use super::keyring::Keyring;
use super::packets::packets;
use super::policy;

/// The most bytes of signatures that are read, decoded.
pub(super) const MAX_SIGNATURE_BYTES: usize = 1 << 20;
/// The most signatures of one message that are looked at; real archives have up to four.
const MAX_SIGNATURES: usize = 32;

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Fingerprint of the certificate's primary key, in upper-case hexadecimal.
    pub fingerprint: String,
    /// Fingerprint of the primary key or subkey that made the signature.
    pub signed_by: String,
    /// When it was made, in Unix seconds.
    pub made: i64,
}

/// What is signed. It is read anew for each key that may have signed it, so it need not be in memory.
pub(super) trait SignedMessage: Read + Seek {}

impl<T: Read + Seek> SignedMessage for T {}

/// What one signature is worth.
enum Verdict {
    Good(Signer),
    /// Does not count, and does no harm either.
    Ignored(String),
    /// Wrong: somebody changed something.
    Bad(String),
}

/// The error for a signature that is larger than any real one.
pub(super) fn too_large(length: usize, limit: usize) -> Invalid {
    Invalid::new(format!("signature of {length} bytes is larger than {limit} bytes"))
}

/// Parses the binary form of one or more signatures. One that cannot be parsed is none: archives add signatures of new
/// kinds beside those that everybody can read.
pub(super) fn parse_signatures(bytes: &[u8]) -> Result<Vec<Option<Signature>>, Invalid> {
    if bytes.len() > MAX_SIGNATURE_BYTES {
        return Err(too_large(bytes.len(), MAX_SIGNATURE_BYTES));
    }
    let mut signatures = Vec::new();
    for found in packets(bytes) {
        let found = found.map_err(|error| Invalid::new("parse the signature packets").because(Cause::from(error)))?;
        match found.packet {
            Ok(Packet::Signature(signature)) => signatures.push(Some(signature)),
            Err(_) if found.tag == Tag::Signature => signatures.push(None),
            _ => return Err(Invalid::new("a packet among the signatures is not a signature")),
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(Invalid::new(format!("more than {MAX_SIGNATURES} signatures")));
        }
    }
    Ok(signatures)
}

/// The good signatures among `signatures` on `data`; an error if there is none, or if any is wrong.
///
/// `acceptable` is asked first: the way the message is carried may forbid a signature.
pub(super) fn verify_signatures(
    signatures: &[Option<Signature>],
    data: &mut dyn SignedMessage,
    keyring: &Keyring,
    now: i64,
    acceptable: impl Fn(&Signature) -> Result<(), RefusalReason>,
) -> Result<Vec<Signer>, Invalid> {
    let mut signers = Vec::new();
    let mut refusals = Vec::new();
    for signature in signatures {
        let verdict = match signature {
            Some(signature) => judge_one(signature, data, keyring, now, &acceptable),
            None => ignored("unknown key".to_owned(), "signature cannot be parsed"),
        };
        match verdict {
            Verdict::Good(signer) => signers.push(signer),
            Verdict::Ignored(refusal) => refusals.push(refusal),
            Verdict::Bad(key) => return Err(Invalid::new(format!("bad signature by key {key}"))),
        }
    }
    if signers.is_empty() {
        return Err(Invalid::new(format!("no good signature by a trusted key: {}", list(&refusals))));
    }
    Ok(signers)
}

fn judge_one(
    signature: &Signature,
    data: &mut dyn SignedMessage,
    keyring: &Keyring,
    now: i64,
    acceptable: impl Fn(&Signature) -> Result<(), RefusalReason>,
) -> Verdict {
    // Key ids can collide and a certificate can claim another's subkey, so every key that the signature names is tried:
    // one that accepts it wins over one that refuses it, and wrong it is only if it is wrong for all.
    let mut verdict = None;
    for certificate in keyring.certificates() {
        for key in Key::all(certificate).filter(|key| key.is_admitted(certificate) && key.is_named_by(signature)) {
            if let Err(why) = check_form(signature, &key).and_then(|()| acceptable(signature)) {
                return ignored(key.fingerprint(), why);
            }
            if !key.verifies(signature, data) {
                verdict = verdict.or_else(|| Some(Verdict::Bad(key.fingerprint())));
                continue;
            }
            match check(signature, certificate, &key, now) {
                Ok(made) => {
                    let signed_by = key.fingerprint();
                    return Verdict::Good(Signer { fingerprint: certificate.fingerprint(), signed_by, made });
                }
                Err(why) => verdict = Some(ignored(key.fingerprint(), why)),
            }
        }
    }
    verdict.unwrap_or_else(|| {
        let (key, why) = unknown_maker(signature);
        ignored(key, why)
    })
}

fn ignored(key: String, why: RefusalReason) -> Verdict {
    Verdict::Ignored(format!("{key}: {why}"))
}

/// What must hold before the arithmetic makes sense.
fn check_form(signature: &Signature, key: &Key<'_>) -> Result<(), RefusalReason> {
    if signature.version() != SignatureVersion::V4 {
        return Err("not a version 4 signature");
    }
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err("not a signature on a document");
    }
    // A hash, key or subpacket that the crate cannot work with would look like a wrong signature.
    if signature.hash_alg().and_then(|hash| hash.digest_size()).is_none() {
        return Err(WEAK_HASH);
    }
    if !policy::is_strong_key(key.params()) {
        return Err("key too weak or of an unsupported kind");
    }
    if policy::has_unknown_critical(signature) {
        return Err("unknown critical subpacket");
    }
    Ok(())
}

/// The policy, for a signature that is mathematically right; returns when it was made.
fn check(signature: &Signature, certificate: &Certificate, key: &Key<'_>, now: i64) -> Result<i64, RefusalReason> {
    if !signature.hash_alg().is_some_and(policy::is_strong) {
        return Err(WEAK_HASH);
    }
    let made = i64::from(signature.created().ok_or("carries no time")?.as_secs());
    if made > now.saturating_add(policy::CLOCK_TOLERANCE) {
        return Err("made in the future");
    }
    match signature.signature_expiration_time().map_or(0, |lifetime| lifetime.as_secs()) {
        lifetime if lifetime > 0 && made + i64::from(lifetime) <= now => return Err("signature expired"),
        _ => {}
    }
    match key {
        Key::Primary(_) => certificate.check_primary(made, now)?,
        Key::Sub(subkey) => certificate.check_subkey(&subkey.fingerprint(), made, now)?,
    }
    Ok(made)
}

fn unknown_maker(signature: &Signature) -> (String, RefusalReason) {
    let fingerprint = signature.issuer_fingerprint().first().map(ToString::to_string);
    match fingerprint.or_else(|| signature.issuer_key_id().first().map(ToString::to_string)) {
        Some(name) => (name.to_uppercase(), "not in the keyring"),
        None => ("unnamed key".to_owned(), "does not name its key"),
    }
}

/// A key that can have made a signature.
enum Key<'a> {
    Primary(&'a pgp::packet::PublicKey),
    Sub(&'a pgp::packet::PublicSubkey),
}

impl<'a> Key<'a> {
    fn all(certificate: &'a Certificate) -> impl Iterator<Item = Self> {
        let subkeys = certificate.subkeys.iter().map(|subkey| Key::Sub(&subkey.key));
        std::iter::once(Key::Primary(&certificate.primary)).chain(subkeys)
    }

    fn fingerprint(&self) -> String {
        match self {
            Self::Primary(key) => hex(*key),
            Self::Sub(key) => hex(*key),
        }
    }

    /// Returns whether signatures by the key count.
    fn is_admitted(&self, certificate: &Certificate) -> bool {
        certificate.admitted.is_empty() || certificate.admitted.contains(&self.fingerprint())
    }

    fn params(&self) -> &PublicParams {
        match self {
            Self::Primary(key) => key.public_params(),
            Self::Sub(key) => key.public_params(),
        }
    }

    fn is_named_by(&self, signature: &Signature) -> bool {
        match self {
            Self::Primary(key) => names(signature, *key),
            Self::Sub(key) => names(signature, *key),
        }
    }

    /// The arithmetic. The crate does not compare the algorithm that the signature names with the key's, so this does.
    fn verifies(&self, signature: &Signature, data: &mut dyn SignedMessage) -> bool {
        fn verifies(key: &impl VerifyingKey, signature: &Signature, data: &mut dyn SignedMessage) -> bool {
            signature.config().is_some_and(|config| config.pub_alg == key.algorithm())
                && data.rewind().is_ok()
                && signature.verify(key, data).is_ok()
        }
        match self {
            Self::Primary(key) => verifies(*key, signature, data),
            Self::Sub(key) => verifies(*key, signature, data),
        }
    }
}
