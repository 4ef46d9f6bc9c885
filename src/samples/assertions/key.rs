//! RSA keys that sign assertions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgp::composed::KeyType;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    PacketTrait, PubKeyInner, PublicKey, SecretKey, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::types::{KeyVersion, Password, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::digest::Sha3;

/// `created` of all keys of assertions, in Unix seconds: snapd's `asserts/crypto.go` has the same time in each.
const KEY_CREATED: u32 = 1_451_606_400;
/// Length of the keys in bits: the shortest that verifies, since long ones take long to make.
const BITS: u32 = 2048;
/// Seeds whose keys are found soon, in a tenth of the time that most take. The first two are [`super::TestAuthority::shared`]'s.
pub const QUICK_SEEDS: [u64; 8] = [38, 28, 86, 18, 42, 72, 5, 87];
/// Longest line of base64, in characters.
const LINE: usize = 76;

/// Making a key or signing failed.
#[derive(Debug, thiserror::Error)]
#[error("make or use a key for assertions")]
pub struct SignError(#[from] pgp::errors::Error);

/// A key pair for assertions. It does not show its secret in `{:?}`.
pub struct TestKey {
    secret: SecretKey,
    id: Sha3,
    public: String,
}

impl std::fmt::Debug for TestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TestKey({})", self.id)
    }
}

impl TestKey {
    /// The key that `seed` determines, so that the same description gives the same bytes. It is nobody's secret.
    pub fn from_seed(seed: u64) -> Result<Self, SignError> {
        let (public, secret) = KeyType::Rsa(BITS).generate(StdRng::seed_from_u64(seed))?;
        let created = Timestamp::from_secs(KEY_CREATED);
        let inner = PubKeyInner::new(KeyVersion::V4, PublicKeyAlgorithm::RSA, created, None, public)?;
        let secret = SecretKey::new(PublicKey::from_inner(inner)?, secret)?;
        let bytes = versioned(secret.public_key())?;
        Ok(Self { id: Sha3::of(&bytes), public: lines(&bytes), secret })
    }

    /// The id by which assertions name it.
    pub fn id(&self) -> Sha3 {
        self.id
    }

    /// The public half as the body of an account-key.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// A signature on `content`, made at `time` in Unix seconds, as it stands at the end of an assertion.
    pub fn sign(&self, content: &[u8], time: u32) -> Result<String, SignError> {
        self.sign_with(content, time, HashAlgorithm::Sha512)
    }

    fn sign_with(&self, content: &[u8], time: u32, hash: HashAlgorithm) -> Result<String, SignError> {
        let mut config = SignatureConfig::v4(SignatureType::Binary, PublicKeyAlgorithm::RSA, hash);
        let time = SubpacketData::SignatureCreationTime(Timestamp::from_secs(time));
        config.hashed_subpackets = vec![Subpacket::regular(time)?];
        Ok(lines(&versioned(&config.sign(&self.secret, &Password::empty(), content)?)?))
    }

    /// As [`TestKey::sign`], with the hash that snapd only reads.
    pub fn sign_with_sha256(&self, content: &[u8], time: u32) -> Result<String, SignError> {
        self.sign_with(content, time, HashAlgorithm::Sha256)
    }
}

/// The version octet and the packet.
fn versioned(packet: &impl PacketTrait) -> pgp::errors::Result<Vec<u8>> {
    let mut bytes = vec![1];
    packet.to_writer_with_header(&mut bytes)?;
    Ok(bytes)
}

/// Base64 in lines.
fn lines(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut lines = String::with_capacity(text.len() + text.len() / LINE);
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            lines.push('\n');
        }
        lines.push(c);
    }
    lines
}
