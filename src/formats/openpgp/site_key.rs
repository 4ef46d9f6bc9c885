//! The site's own key, which signs re-indexed metadata so that clients with old gpgv and new sqv accept it.
//!
//! Its form is one that both take: a version 4 key with one user id, no subkeys, no expiry, SHA-512. It is Ed25519 in the
//! legacy encoding (algorithm 22), or RSA of 4096 bits for clients that know no elliptic curves: GnuPG 1.4 and 2.0.

use crate::formats::Invalid;
use pgp::armor::{self, BlockType};
use pgp::composed::{
    ArmorOptions, Deserializable, DetachedSignature, KeyType, SignedKeyDetails, SignedPublicKey, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    Features, KeyFlags, PubKeyInner, PublicKey, SecretKey, Signature, SignatureConfig, SignatureType, Subpacket,
    SubpacketData, UserId,
};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, KeyVersion, Password, SignedUser, Tag, Timestamp};
use rand::rngs::OsRng;

use super::armor::CLEAR_SIGNED_BEGIN as BEGIN;
use super::armor::trim_end;
use super::certificate::hex;
use super::error::Cause;
use super::keyring::Keyring;

/// The hash of everything that the site signs.
const HASH: HashAlgorithm = HashAlgorithm::Sha512;

/// The algorithms that a site's key can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SiteKeyAlgorithm {
    /// Ed25519: short signatures, and made in no time.
    #[default]
    Ed25519,
    /// RSA of 4096 bits, for old clients.
    Rsa4096,
}

impl SiteKeyAlgorithm {
    fn key_type(self) -> KeyType {
        match self {
            Self::Ed25519 => KeyType::Ed25519Legacy,
            Self::Rsa4096 => KeyType::Rsa(4096),
        }
    }

    /// Returns the algorithm of a site's public key, in binary; `None` if it is no such key.
    pub fn of_public(bytes: &[u8]) -> Option<Self> {
        let algorithm = SignedPublicKey::from_bytes(bytes).ok()?.primary_key.algorithm();
        [Self::Ed25519, Self::Rsa4096].into_iter().find(|known| known.number() == algorithm)
    }

    fn number(self) -> PublicKeyAlgorithm {
        match self {
            Self::Ed25519 => PublicKeyAlgorithm::EdDSALegacy,
            Self::Rsa4096 => PublicKeyAlgorithm::RSA,
        }
    }
}

/// The site's signing key, secret half included. It does not show its secret in `{:?}`.
pub struct SiteKey(SignedSecretKey);

impl std::fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SiteKey({})", self.fingerprint())
    }
}

impl SiteKey {
    /// Makes a new Ed25519 key that never expires, such as for `gapferry site dc1 <dc1@example.org>`; `created` is in Unix
    /// seconds.
    pub fn generate(user_id: &str, created: i64) -> Result<Self, Invalid> {
        Self::generate_as(SiteKeyAlgorithm::Ed25519, user_id, created)
    }

    /// Makes a new key of this algorithm that never expires.
    pub fn generate_as(algorithm: SiteKeyAlgorithm, user_id: &str, created: i64) -> Result<Self, Invalid> {
        let created = timestamp(created)?;
        Self::try_generate(algorithm, user_id, created).map(Self).map_err(bad_secret_key)
    }

    fn try_generate(
        algorithm: SiteKeyAlgorithm,
        user_id: &str,
        created: Timestamp,
    ) -> pgp::errors::Result<SignedSecretKey> {
        let (public, secret) = algorithm.key_type().generate(OsRng)?;
        let inner = PubKeyInner::new(KeyVersion::V4, algorithm.number(), created, None, public)?;
        let primary = SecretKey::new(PublicKey::from_inner(inner)?, secret)?;
        let id = UserId::from_str(Default::default(), user_id)?;
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(true);
        let mut config = config(&primary, SignatureType::CertPositive, created)?;
        config.hashed_subpackets.extend([
            Subpacket::critical(SubpacketData::KeyFlags(flags))?,
            Subpacket::regular(SubpacketData::IsPrimary(true))?,
            Subpacket::regular(SubpacketData::PreferredHashAlgorithms([HASH].into_iter().collect()))?,
            Subpacket::regular(SubpacketData::Features(Features::default()))?,
        ]);
        let binding =
            config.sign_certification(&primary, primary.public_key(), &Password::empty(), Tag::UserId, &id)?;
        let users = vec![SignedUser::new(id, vec![binding])];
        let details = SignedKeyDetails::new(vec![], vec![], users, vec![]);
        Ok(SignedSecretKey::new(primary, details, vec![], vec![]))
    }

    /// Reads what [`Self::to_bytes`] wrote, and refuses any other kind of key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Invalid> {
        let key = SignedSecretKey::from_bytes(bytes).map_err(bad_secret_key)?;
        let known = [SiteKeyAlgorithm::Ed25519, SiteKeyAlgorithm::Rsa4096].map(SiteKeyAlgorithm::number);
        if !known.contains(&key.primary_key.algorithm()) || key.primary_key.secret_params().is_encrypted() {
            return Err(Invalid::new("not a site key: an unencrypted Ed25519 (algorithm 22) or RSA key is expected"));
        }
        let key = Self(key);
        Keyring::parse(&key.public_binary()?)?;
        Ok(key)
    }

    /// The secret key as an OpenPGP file that gpg can import. It is not encrypted: whoever stores it guards it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Invalid> {
        self.0.to_bytes().map_err(bad_secret_key)
    }

    /// The key's fingerprint, 40 upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hex(&self.0.primary_key)
    }

    /// The public half in binary, for `Signed-By: ….gpg`.
    pub fn public_binary(&self) -> Result<Vec<u8>, Invalid> {
        self.public().to_bytes().map_err(bad_secret_key)
    }

    /// The public half in ASCII armor, for `Signed-By: ….asc`.
    pub fn public_armored(&self) -> Result<String, Invalid> {
        let options = ArmorOptions::default();
        self.public().to_armored_string(options).map_err(bad_secret_key)
    }

    fn public(&self) -> SignedPublicKey {
        self.0.to_public_key()
    }

    /// Returns when the key was made, in Unix seconds.
    pub fn created(&self) -> i64 {
        i64::from(self.0.primary_key.created_at().as_secs())
    }

    /// Clear-signs `text`, for InRelease; `made` is in Unix seconds.
    ///
    /// What a verifier extracts equals `text` byte for byte if that ends with a newline; one is added if it does not. A
    /// line that ends in white space is an error, since clear-signing does not cover it.
    pub fn sign_clear(&self, text: &str, made: i64) -> Result<String, Invalid> {
        Self::sign_clear_with(&[self], text, made)
    }

    /// The same with several keys, whose signatures stand in one block.
    pub(super) fn sign_clear_with(keys: &[&Self], text: &str, made: i64) -> Result<String, Invalid> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut hashed = Vec::with_capacity(text.len());
        let mut message = format!("{BEGIN}\nHash: SHA512\n\n");
        for (index, line) in text.split('\n').enumerate() {
            if trim_end(line.as_bytes()).len() != line.len() {
                return Err(Invalid::at(
                    format!("line {} of the text to sign", index + 1),
                    "it ends in white space, which clear-signed text cannot carry",
                ));
            }
            if index > 0 {
                hashed.extend_from_slice(b"\r\n");
            }
            hashed.extend_from_slice(line.as_bytes());
            // "From " is escaped too, since mail programs change such lines (RFC 4880, section 7.1).
            if line.starts_with('-') || line.starts_with("From ") {
                message.push_str("- ");
            }
            message.push_str(line);
            message.push('\n');
        }
        message.push_str(&Self::sign_with(keys, SignatureType::Text, &hashed, made)?);
        Ok(message)
    }

    /// Signs `data`, for Release.gpg; returns an armored signature. `made` is in Unix seconds.
    pub fn sign_detached(&self, data: &[u8], made: i64) -> Result<String, Invalid> {
        Self::sign_detached_with(&[self], data, made)
    }

    /// The same with several keys, whose signatures stand in one block.
    pub(super) fn sign_detached_with(keys: &[&Self], data: &[u8], made: i64) -> Result<String, Invalid> {
        Self::sign_with(keys, SignatureType::Binary, data, made)
    }

    fn sign_with(keys: &[&Self], kind: SignatureType, data: &[u8], made: i64) -> Result<String, Invalid> {
        let made = timestamp(made)?;
        let sign = || {
            let all = keys.iter().map(|key| key.try_sign(kind, data, made)).collect::<Result<Vec<_>, _>>()?;
            let mut armored = Vec::new();
            armor::write(&all, BlockType::Signature, &mut armored, None, true)?;
            Ok(String::from_utf8_lossy(&armored).into_owned())
        };
        sign().map_err(|error: pgp::errors::Error| Invalid::new("sign with the site's key").because(Cause::from(error)))
    }

    fn try_sign(&self, kind: SignatureType, data: &[u8], made: Timestamp) -> pgp::errors::Result<DetachedSignature> {
        let key = &self.0.primary_key;
        let signature: Signature = config(key, kind, made)?.sign(key, &Password::empty(), data)?;
        Ok(DetachedSignature::new(signature))
    }
}

/// The common form of every signature that the key makes.
fn config(key: &SecretKey, kind: SignatureType, made: Timestamp) -> pgp::errors::Result<SignatureConfig> {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HASH);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(made))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
    ];
    config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    Ok(config)
}

fn bad_secret_key(error: pgp::errors::Error) -> Invalid {
    Invalid::new("handle the site's secret key").because(Cause::from(error))
}

fn timestamp(seconds: i64) -> Result<Timestamp, Invalid> {
    u32::try_from(seconds)
        .map(Timestamp::from_secs)
        .map_err(|_| Invalid::new(format!("time {seconds} is outside of what OpenPGP can express")))
}
