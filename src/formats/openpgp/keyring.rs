//! Trusted certificates: parsed, their self-signatures checked, ready to judge signatures with.

use std::path::Path;

use crate::formats::Invalid;
use pgp::packet::Packet;
use pgp::types::Tag;

use super::armor::{self, Outside};
use super::certificate::{Certificate, CertificatePart, hex};
use super::error::{Cause, Rejected, list};
use super::packets::packets;

/// The most packets of a keyring that are read.
const MAX_PACKETS: usize = 50_000;

/// The largest keyring that is read, in bytes. The largest real ones are below 1 MiB.
pub const MAX_KEYRING_BYTES: u64 = 16 << 20;

/// The certificates that a selection or a site trusts for one source.
#[derive(Debug, Clone)]
pub struct Keyring {
    certificates: Vec<Certificate>,
    rejected: Vec<Rejected>,
}

/// Magic bytes in the first blob of a GnuPG keybox (`kbx/keybox-blob.c`).
const KEYBOX_MAGIC: &[u8] = b"KBXf";
/// Their offset.
const KEYBOX_MAGIC_AT: usize = 8;

fn is_keybox(bytes: &[u8]) -> bool {
    bytes.get(KEYBOX_MAGIC_AT..).is_some_and(|rest| rest.starts_with(KEYBOX_MAGIC))
}

impl Keyring {
    /// Reads the content of the file at `path` as [`Self::parse`] does. An error says how to convert a file of GnuPG's own format.
    pub fn parse_file(path: &Path, bytes: &[u8]) -> Result<Self, Invalid> {
        if !is_keybox(bytes) {
            return Self::parse(bytes);
        }
        // gpg looks for a name without a slash in its own home.
        let place = if path.components().count() > 1 { "" } else { "./" };
        Err(Invalid::new(format!(
            "it is a GnuPG keybox, which no other program reads: write its keys to keys.pgp by `gpg --no-default-keyring \
             --keyring {place}{} --export --output keys.pgp`, and name that file",
            path.display()
        )))
    }

    /// Reads binary certificates, one after the other, or ASCII-armored blocks of them.
    ///
    /// A certificate that cannot be parsed, or has no valid self-signature, is left out and recorded. An expired or
    /// revoked one is kept: signatures by it are then refused by name. Text around armored blocks is skipped.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        if bytes.len() > MAX_KEYRING_BYTES as usize {
            let length = bytes.len();
            return Err(Invalid::new(format!("keyring of {length} bytes is larger than {MAX_KEYRING_BYTES} bytes")));
        }
        if is_keybox(bytes) {
            return Err(Invalid::new("it is a GnuPG keybox, which no other program reads"));
        }
        let decoded;
        let binary = if armor::is_binary(bytes) {
            bytes
        } else {
            decoded = armor::decode(bytes, armor::PUBLIC_KEY, Outside::Skipped).map_err(armor::bad_keyring)?;
            &decoded
        };
        let mut builder = KeyringBuilder::default();
        for (count, found) in packets(binary).enumerate() {
            if count >= MAX_PACKETS {
                return Err(Invalid::new(format!("keyring holds more than {MAX_PACKETS} packets")));
            }
            match found {
                Ok(found) => builder.take(found.tag, found.packet),
                Err(error) => {
                    builder.reject(None, format!("the rest of the keyring cannot be parsed: {}", Cause::from(error)))
                }
            }
        }
        builder.finish()
    }

    /// The certificates of both keyrings.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.certificates.extend(other.certificates);
        self.rejected.extend(other.rejected);
        self
    }

    /// Limits it to the keys of these fingerprints, as `Signed-By` does (sources.list(5)): that of a primary key stands for its
    /// subkeys too, except with `!` at the end. Returns `None` if it has none of them.
    #[must_use]
    pub fn limited_to(mut self, fingerprints: &[String]) -> Option<Self> {
        for certificate in &mut self.certificates {
            let primary = certificate.fingerprint();
            let is_named = |key: &String| {
                fingerprints.iter().any(|wanted| match wanted.to_uppercase().strip_suffix('!') {
                    Some(exact) => exact == key,
                    None => wanted.eq_ignore_ascii_case(key) || wanted.eq_ignore_ascii_case(&primary),
                })
            };
            let keys =
                std::iter::once(primary.clone()).chain(certificate.subkeys.iter().map(|subkey| hex(&subkey.key)));
            certificate.admitted = keys.filter(is_named).collect();
        }
        self.certificates.retain(|certificate| !certificate.admitted.is_empty());
        (!self.certificates.is_empty()).then_some(self)
    }

    /// Fingerprints of the primary keys, in upper-case hexadecimal, in the order of the file.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(Certificate::fingerprint).collect()
    }

    /// Fingerprints of the primary keys as in [`Self::fingerprints`], with the user id of each that has one, for people.
    pub fn names(&self) -> Vec<(String, String)> {
        let named = |certificate: &Certificate| Some((certificate.fingerprint(), certificate.name()?));
        self.certificates.iter().filter_map(named).collect()
    }

    /// The certificates that were found and not taken.
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    pub(super) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}

/// Hands each packet to the certificate that it belongs to.
#[derive(Default)]
struct KeyringBuilder {
    current: Option<Certificate>,
    part: CertificatePart,
    done: Vec<Certificate>,
    rejected: Vec<Rejected>,
}

impl KeyringBuilder {
    fn take(&mut self, tag: Tag, packet: Result<Packet, pgp::errors::Error>) {
        if matches!(tag, Tag::PublicKey | Tag::SecretKey) {
            self.close();
        }
        let Some(certificate) = &mut self.current else {
            return self.open(tag, packet);
        };
        match packet {
            Ok(Packet::Signature(signature)) => certificate.take_signature(&self.part, &signature),
            Ok(Packet::UserId(id)) => self.part = certificate.add_user(id),
            Ok(Packet::PublicSubkey(subkey)) => self.part = certificate.add_subkey(subkey),
            // Padding, markers and local trust packets stand between others without ending a part.
            Ok(Packet::Trust(_) | Packet::Marker(_) | Packet::Padding(_)) => {}
            // A signature that cannot be parsed counts for nothing; any other packet begins a part that is not kept.
            _ if tag == Tag::Signature => {}
            _ => self.part = CertificatePart::Skipped,
        }
    }

    fn open(&mut self, tag: Tag, packet: Result<Packet, pgp::errors::Error>) {
        match packet {
            Ok(Packet::PublicKey(primary)) => match Certificate::new(primary) {
                Ok(certificate) => {
                    self.current = Some(certificate);
                    self.part = CertificatePart::Primary;
                }
                Err(rejected) => self.rejected.push(rejected),
            },
            Ok(Packet::SecretKey(_)) => self.reject(None, "it is a secret key, not a certificate".to_owned()),
            Err(error) if tag == Tag::PublicKey => {
                self.reject(None, format!("it cannot be parsed: {}", Cause::from(error)))
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        let Some(certificate) = self.current.take() else { return };
        if let Some(first) = self.done.iter_mut().find(|other| other.is_same(&certificate)) {
            first.merge(certificate);
        } else {
            self.done.push(certificate);
        }
    }

    fn reject(&mut self, fingerprint: Option<String>, reason: String) {
        self.rejected.push(Rejected { fingerprint, reason });
    }

    fn finish(mut self) -> Result<Keyring, Invalid> {
        self.close();
        let (certificates, unusable): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.done).into_iter().partition(|certificate| certificate.unusable().is_none());
        for certificate in unusable {
            let reason = certificate.unusable().unwrap_or_default().to_owned();
            self.reject(Some(certificate.fingerprint()), reason);
        }
        if certificates.is_empty() {
            let rejected = list(&self.rejected);
            return Err(Invalid::new(format!("keyring holds no usable certificate: {rejected}")));
        }
        Ok(Keyring { certificates, rejected: self.rejected })
    }
}
