//! Ed25519 keys in OpenSSH's own files: `KEY` (openssh-key-v1) and `KEY.pub` (one line). Public keys may be those of hardware
//! tokens, `sk-ssh-ed25519@openssh.com` (openssh-portable, PROTOCOL.u2f).

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey};
use zeroize::Zeroizing;

use super::TrustError;
use crate::digest::Sha256;
use crate::storage::FileError;
use crate::storage::read_to_cap;

/// The largest key file that we read, in bytes.
const MAX_KEY_BYTES: u64 = 16 << 10;

/// A public key. Keys of small order are refused.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    /// The application of a hardware token's key, such as `ssh:`.
    token: Option<String>,
}

impl PublicKey {
    /// Reads a public key from the first line of an OpenSSH `.pub` file.
    pub fn load(path: &Path) -> Result<Self, TrustError> {
        let text = read_capped(path)?;
        let bad = |reason| TrustError::BadKey { path: path.to_owned(), reason };
        let text = std::str::from_utf8(&text).map_err(|_| bad("it is not text"))?;
        Self::from_line(text.trim_end()).map_err(bad)
    }

    /// Parses an OpenSSH line, `ssh-ed25519 AAAA… comment`. Returns the reason if it is wrong.
    pub fn from_line(line: &str) -> Result<Self, &'static str> {
        let key =
            ssh_key::PublicKey::from_openssh(line).map_err(|_| "it is not one line of the form `ssh-ed25519 AAAA…`")?;
        Self::from_data(key.key_data())
    }

    pub(super) fn from_data(data: &KeyData) -> Result<Self, &'static str> {
        let (point, token) = match data {
            KeyData::Ed25519(key) => (key, None),
            KeyData::SkEd25519(key) => (key.public_key(), Some(key.application().to_owned())),
            _ => return Err("it is of another type than Ed25519"),
        };
        // ssh-keygen(1): applications of keys for SSH begin with `ssh:`. Keys for web sites have other ones.
        if token.as_ref().is_some_and(|application| !application.starts_with("ssh:") || application.len() > 64) {
            return Err("it is a token's key for another application than `ssh:`");
        }
        let key = VerifyingKey::from_bytes(&point.0).map_err(|_| "its point is not on the curve")?;
        if key.is_weak() { Err("it is a weak key of small order") } else { Ok(Self { key, token }) }
    }

    /// Returns the algorithm of the key and its signatures.
    pub(super) fn algorithm(&self) -> Algorithm {
        if self.token.is_some() { Algorithm::SkEd25519 } else { Algorithm::Ed25519 }
    }

    /// Returns whether `signature` is one over `message` by this key. A token must have seen that its user is present.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let strict = |message: &[u8], signature: &[u8]| {
            ed25519_dalek::Signature::from_slice(signature).is_ok_and(|s| self.key.verify_strict(message, &s).is_ok())
        };
        let Some(application) = &self.token else { return strict(message, signature) };
        // PROTOCOL.u2f, "SSH U2F signatures": flags and counter follow the signature, and are signed.
        let Some((signature, more)) = signature.split_at_checked(64) else { return false };
        let is_present = more.first().is_some_and(|flags| matches!(flags & !USER_VERIFIED, USER_PRESENT));
        let (application, message) = (Sha256::of(application.as_bytes()), Sha256::of(message));
        let signed = [application.as_bytes().as_slice(), more, message.as_bytes()].concat();
        is_present && strict(&signed, signature)
    }

    pub(super) fn data(&self) -> KeyData {
        let key = Ed25519PublicKey(self.key.to_bytes());
        match &self.token {
            None => KeyData::Ed25519(key),
            Some(application) => KeyData::SkEd25519(SkEd25519::new(key, application)),
        }
    }

    /// Returns the point of the curve, which is the same for keys that differ in their type or application alone.
    pub(super) fn point(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The key as an OpenSSH line without comment.
    pub fn to_line(&self) -> String {
        ssh_key::PublicKey::from(self.data()).to_openssh().unwrap_or_default()
    }

    /// The SHA-256 of the key in the wire format of SSH, of which the fingerprint is the text.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&ssh_key::PublicKey::from(self.data()).to_bytes().unwrap_or_default())
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.data().fingerprint(HashAlg::Sha256).to_string()
    }
}

/// The flag of a token's signature that says that its user has touched it (CTAP2, authenticator data).
const USER_PRESENT: u8 = 1;
/// The flag that says that the user has given a PIN or a fingerprint too.
const USER_VERIFIED: u8 = 4;

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_line())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let line = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::from_line(&line).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

/// The content of a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A secret key.
    Secret,
    /// A public key, whose secret half ssh-agent may have.
    Public,
    /// The handle of a secret key in a hardware token.
    Token,
}

impl KeyKind {
    /// Looks into a key file.
    pub fn of_file(path: &Path) -> Result<Self, TrustError> {
        let text = Zeroizing::new(read_capped(path)?);
        if text.starts_with(b"ssh-") || text.starts_with(b"sk-ssh-") {
            return PublicKey::load(path).map(|_| Self::Public);
        }
        let key = PrivateKey::from_openssh(&*text).map_err(|_| TrustError::BadKey {
            path: path.to_owned(),
            reason: "it is neither an OpenSSH secret key file nor a public one",
        })?;
        Ok(if key.algorithm() == Algorithm::SkEd25519 { Self::Token } else { Self::Secret })
    }
}

/// A secret key, in memory only while it is needed.
pub struct SecretKey {
    key: SigningKey,
}

impl SecretKey {
    /// A new key from the operating system's random source.
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(seed.as_mut());
        Self { key: SigningKey::from_bytes(&seed) }
    }

    /// Reads the key from an OpenSSH file; `passphrase` is asked only if the file is encrypted.
    pub fn load(path: &Path, passphrase: impl FnOnce() -> Option<Zeroizing<String>>) -> Result<Self, TrustError> {
        let bad = |reason| TrustError::BadKey { path: path.to_owned(), reason };
        let text = Zeroizing::new(read_capped(path)?);
        let mut key = PrivateKey::from_openssh(&*text).map_err(|_| bad("it is not an OpenSSH secret key file"))?;
        if key.is_encrypted() {
            let passphrase = passphrase().ok_or_else(|| TrustError::PassphraseNeeded { path: path.to_owned() })?;
            key = key
                .decrypt(passphrase.as_bytes())
                .map_err(|_| TrustError::WrongPassphrase { path: path.to_owned() })?;
        }
        let KeypairData::Ed25519(pair) = key.key_data() else {
            return Err(bad("it is of another type than Ed25519"));
        };
        Ok(Self { key: SigningKey::from_bytes(&Zeroizing::new(pair.private.to_bytes())) })
    }

    /// Writes `path` (mode 0600) and `path.pub`, never over an existing file, and returns the second path.
    pub fn save(&self, path: &Path, comment: &str, passphrase: Option<&str>) -> Result<PathBuf, TrustError> {
        let bad = |_| TrustError::BadKey { path: path.to_owned(), reason: "it cannot be encoded" };
        let pair = Ed25519Keypair {
            public: Ed25519PublicKey(self.key.verifying_key().to_bytes()),
            private: Ed25519PrivateKey::from_bytes(self.key.as_bytes()),
        };
        let mut key = PrivateKey::new(KeypairData::Ed25519(pair), comment).map_err(bad)?;
        if let Some(passphrase) = passphrase {
            key = key.encrypt(&mut OsRng, passphrase).map_err(bad)?;
        }
        let mut public_path = path.as_os_str().to_owned();
        public_path.push(".pub");
        let public_path = PathBuf::from(public_path);
        let public = format!("{}\n", key.public_key().to_openssh().map_err(bad)?);
        if public_path.exists() {
            return Err(TrustError::KeyExists { path: public_path });
        }
        create_new(path, 0o600, key.to_openssh(LineEnding::LF).map_err(bad)?.as_bytes())?;
        if let Err(error) = create_new(&public_path, 0o644, public.as_bytes()) {
            let _ = fs::remove_file(path); // a secret key alone would stop the next try
            return Err(error);
        }
        Ok(public_path)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey { key: self.key.verifying_key(), token: None }
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

fn create_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), TrustError> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => TrustError::KeyExists { path: path.to_owned() },
            _ => TrustError::io("create", path)(e),
        })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(path); // half a key is of no use, and would stop the next try
        TrustError::io("write", path)(error)
    })
}

fn read_capped(path: &Path) -> Result<Vec<u8>, TrustError> {
    let file = fs::File::open(path).map_err(FileError::on_named::<TrustError>("open", path))?;
    read_to_cap(file, MAX_KEY_BYTES).map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => {
            TrustError::BadKey { path: path.to_owned(), reason: "it is larger than a key can be" }
        }
        _ => TrustError::io("read", path)(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_files_with_and_without_a_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        for passphrase in [None, Some("correct horse")] {
            let path = dir.path().join(format!("key{}", passphrase.is_some()));
            let key = SecretKey::generate();
            let public = key.save(&path, "test", passphrase).unwrap();
            assert_eq!(PublicKey::load(&public).unwrap(), key.public());
            let ask = || passphrase.map(|p| Zeroizing::new(p.to_owned()));
            assert_eq!(SecretKey::load(&path, ask).unwrap().public(), key.public());
            assert!(matches!(key.save(&path, "test", None), Err(TrustError::KeyExists { .. })));
        }
        let path = dir.path().join("keytrue");
        assert!(matches!(SecretKey::load(&path, || None), Err(TrustError::PassphraseNeeded { .. })));
        let wrong = || Some(Zeroizing::new("wrong".to_owned()));
        assert!(matches!(SecretKey::load(&path, wrong), Err(TrustError::WrongPassphrase { .. })));
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        let mut point = [0; 32];
        point[0] = 1; // the neutral element
        assert!(PublicKey::from_data(&KeyData::Ed25519(Ed25519PublicKey(point))).is_err());
        assert!(PublicKey::from_data(&KeyData::Ed25519(Ed25519PublicKey([0; 32]))).is_err());
    }
}
