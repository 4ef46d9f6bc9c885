//! One certificate: what its valid self-signatures say of its keys (RFC 4880, sections 5.2.3.3 and 11.1).

use pgp::packet::{KeyFlags, PublicKey, PublicSubkey, Signature, SignatureType, SubpacketData, UserId};
use pgp::types::{Fingerprint, KeyDetails, KeyVersion, RevocationKey, Tag};

use super::error::{RefusalReason, Rejected, UNBOUND};
use super::policy;

/// The most self-signatures of one certificate that are checked; each costs a verification.
const MAX_SELF_SIGNATURES: usize = 1000;

/// A primary key with its subkeys, and what the valid self-signatures state.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) primary: PublicKey,
    id: Fingerprint,
    /// Direct-key signatures.
    direct: Vec<SelfSignature>,
    users: Vec<User>,
    pub(super) subkeys: Vec<Subkey>,
    /// Any valid key revocation counts for all times, as in gpgv.
    revoked: bool,
    /// Issuers of key revocations that the primary key did not make; they count if it designated one of them.
    foreign_revokers: Vec<Signature>,
    self_signatures: usize,
    /// Fingerprints of its keys whose signatures count; all of them if it is empty.
    pub(super) admitted: Vec<String>,
}

#[derive(Debug, Clone)]
struct User {
    id: UserId,
    statements: Vec<SelfSignature>,
    /// When the newest revocation of the user id was made, in Unix seconds.
    revoked: Option<i64>,
}

/// A subkey that may or may not be bound.
#[derive(Debug, Clone)]
pub(super) struct Subkey {
    pub(super) key: PublicSubkey,
    bindings: Vec<SelfSignature>,
    revoked: bool,
}

/// What one valid self-signature states.
#[derive(Debug, Clone)]
struct SelfSignature {
    /// Unix seconds.
    made: i64,
    /// Unix seconds after which the statement no longer holds.
    holds_until: Option<i64>,
    /// Seconds from the key's creation to its expiry; 0 is never.
    key_lifetime: Option<u32>,
    flags: Option<KeyFlags>,
    /// A subkey's own statement that it belongs to the primary key.
    back_signed: bool,
    /// Fingerprints of keys that may revoke this certificate.
    revokers: Vec<RevocationKey>,
}

/// The part of a certificate that the next signature packets belong to.
#[derive(Default)]
pub(super) enum CertificatePart {
    Primary,
    User(usize),
    Subkey(usize),
    #[default]
    Skipped,
}

impl Certificate {
    pub(super) fn new(primary: PublicKey) -> Result<Self, Rejected> {
        if primary.version() != KeyVersion::V4 {
            return Err(Rejected { fingerprint: Some(hex(&primary)), reason: "not a version 4 key".to_owned() });
        }
        Ok(Self {
            id: primary.fingerprint(),
            primary,
            direct: Vec::new(),
            users: Vec::new(),
            subkeys: Vec::new(),
            revoked: false,
            foreign_revokers: Vec::new(),
            self_signatures: 0,
            admitted: Vec::new(),
        })
    }

    pub(super) fn fingerprint(&self) -> String {
        hex(&self.primary)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// Takes in another copy of the same certificate: what either states, counts.
    pub(super) fn merge(&mut self, other: Self) {
        self.direct.extend(other.direct);
        self.users.extend(other.users);
        self.subkeys.extend(other.subkeys);
        self.revoked |= other.revoked;
        self.foreign_revokers.extend(other.foreign_revokers);
        self.self_signatures += other.self_signatures;
    }

    pub(super) fn add_user(&mut self, id: UserId) -> CertificatePart {
        self.users.push(User { id, statements: Vec::new(), revoked: None });
        CertificatePart::User(self.users.len() - 1)
    }

    /// Returns the first user id that is stated and not revoked, for people.
    pub(super) fn name(&self) -> Option<String> {
        let stated = self.users.iter().find(|user| !user.statements.is_empty() && user.revoked.is_none())?;
        Some(String::from_utf8_lossy(stated.id.id()).into_owned())
    }

    pub(super) fn add_subkey(&mut self, key: PublicSubkey) -> CertificatePart {
        if key.version() != KeyVersion::V4 {
            return CertificatePart::Skipped;
        }
        self.subkeys.push(Subkey { key, bindings: Vec::new(), revoked: false });
        CertificatePart::Subkey(self.subkeys.len() - 1)
    }

    /// Checks a signature that follows `part`, and keeps what it states if it is a valid one by the primary key.
    pub(super) fn take_signature(&mut self, part: &CertificatePart, signature: &Signature) {
        use SignatureType as Type;
        let Some(kind) = signature.typ() else { return };
        let primary = &self.primary;
        if !names(signature, primary) {
            if kind == Type::KeyRevocation && self.foreign_revokers.len() < MAX_SELF_SIGNATURES {
                self.foreign_revokers.push(signature.clone());
            }
            return;
        }
        self.self_signatures += 1;
        if self.self_signatures > MAX_SELF_SIGNATURES {
            return;
        }
        let Some(statement) = SelfSignature::of(signature) else { return };
        match (part, kind) {
            (_, Type::KeyRevocation) => self.revoked |= signature.verify_key(primary).is_ok(),
            (CertificatePart::Primary, Type::Key) if signature.verify_key(primary).is_ok() => {
                self.direct.push(statement)
            }
            (CertificatePart::User(index), _) => {
                if let Some(user) = self.users.get_mut(*index) {
                    user.take(primary, kind, signature, statement);
                }
            }
            (CertificatePart::Subkey(index), _) => {
                if let Some(subkey) = self.subkeys.get_mut(*index) {
                    subkey.take(primary, kind, signature, statement);
                }
            }
            _ => {}
        }
    }

    /// Returns the reason why no signature by this certificate can ever be accepted.
    pub(super) fn unusable(&self) -> Option<&'static str> {
        if self.self_signatures > MAX_SELF_SIGNATURES {
            return Some("it has more self-signatures than are checked");
        }
        let stated = !self.direct.is_empty() || self.users.iter().any(|user| !user.statements.is_empty());
        (!stated).then_some("it has no valid self-signature")
    }

    /// Whether the primary key is alive at both times, and its kind good enough to vouch for anything.
    fn check(&self, made: i64, now: i64) -> Result<(), RefusalReason> {
        if !policy::is_strong_key(self.primary.public_params()) {
            return Err("key too weak or of an unsupported kind");
        }
        if self.revoked || self.is_revoked_by_another() {
            return Err("key revoked");
        }
        let (direct, user) = self.current(now);
        if direct.is_none() && user.is_none() {
            return Err(UNBOUND);
        }
        // A direct-key signature that sets a lifetime wins over the user ids', as in gpg.
        let lifetime = direct.and_then(|s| s.key_lifetime).or_else(|| user.and_then(|s| s.key_lifetime));
        check_lifetime(&self.primary, lifetime, made, now)
    }

    /// Whether a signature by the primary key, made at `made`, is to be accepted at `now`.
    pub(super) fn check_primary(&self, made: i64, now: i64) -> Result<(), RefusalReason> {
        self.check(made, now)?;
        let (direct, user) = self.current(now);
        let flags = direct.and_then(|s| s.flags.as_ref()).or_else(|| user.and_then(|s| s.flags.as_ref()));
        if flags.is_none_or(KeyFlags::sign) { Ok(()) } else { Err("key may not sign") }
    }

    /// Whether a signature by this subkey, made at `made`, is to be accepted at `now`.
    pub(super) fn check_subkey(&self, fingerprint: &Fingerprint, made: i64, now: i64) -> Result<(), RefusalReason> {
        self.check(made, now)?;
        // Merged keyrings can hold a subkey twice.
        let mut copies = self.subkeys.iter().filter(|subkey| subkey.key.fingerprint() == *fingerprint).peekable();
        let key = &copies.peek().ok_or(UNBOUND)?.key.clone();
        let copies: Vec<_> = copies.collect();
        if copies.iter().any(|copy| copy.revoked) {
            return Err("key revoked");
        }
        let binding = newest(copies.iter().flat_map(|copy| &copy.bindings), now).ok_or(UNBOUND)?;
        if !binding.flags.as_ref().is_none_or(KeyFlags::sign) {
            return Err("key may not sign");
        }
        if !binding.back_signed {
            return Err(UNBOUND);
        }
        check_lifetime(key, binding.key_lifetime, made, now)
    }

    /// The newest direct-key signature, and the newest self-signature among the user ids that are not revoked.
    fn current(&self, now: i64) -> (Option<&SelfSignature>, Option<&SelfSignature>) {
        let users = self.users.iter().filter_map(|user| {
            newest(&user.statements, now)
                .filter(|statement| user.revoked.is_none_or(|revoked| revoked < statement.made))
        });
        (newest(&self.direct, now), users.max_by_key(|statement| statement.made))
    }

    /// A revocation by a designated revoker is believed unchecked: that key is seldom in the keyring, and a false one
    /// in a trusted file can only make us refuse.
    fn is_revoked_by_another(&self) -> bool {
        let statements = self.direct.iter().chain(self.users.iter().flat_map(|user| &user.statements));
        let mut revokers = statements.flat_map(|statement| &statement.revokers);
        revokers.any(|revoker| {
            self.foreign_revokers.iter().any(|signature| {
                let by_fingerprint =
                    signature.issuer_fingerprint().iter().any(|named| *named.as_bytes() == *revoker.fingerprint);
                let by_id = signature.issuer_key_id().iter().any(|id| revoker.fingerprint.ends_with(id.as_ref()));
                by_fingerprint || by_id
            })
        })
    }
}

impl User {
    fn take(&mut self, primary: &PublicKey, kind: SignatureType, signature: &Signature, statement: SelfSignature) {
        use SignatureType::{CertCasual, CertGeneric, CertPersona, CertPositive, CertRevocation};
        if signature.verify_certification(primary, Tag::UserId, &self.id).is_err() {
            return;
        }
        match kind {
            CertRevocation => self.revoked = self.revoked.max(Some(statement.made)),
            CertGeneric | CertPersona | CertCasual | CertPositive => self.statements.push(statement),
            _ => {}
        }
    }
}

impl Subkey {
    fn take(&mut self, primary: &PublicKey, kind: SignatureType, signature: &Signature, mut statement: SelfSignature) {
        if signature.verify_subkey_binding(primary, &self.key).is_err() {
            return;
        }
        match kind {
            // Counts even against a newer binding, as in gpg; and it never counts as a binding itself.
            SignatureType::SubkeyRevocation => self.revoked = true,
            SignatureType::SubkeyBinding => {
                statement.back_signed = signature.embedded_signature().is_some_and(|back| {
                    back.hash_alg().is_some_and(policy::is_fit_for_self_signature)
                        && !policy::has_unknown_critical(back)
                        && back.verify_primary_key_binding(&self.key, primary).is_ok()
                });
                self.bindings.push(statement);
            }
            _ => {}
        }
    }
}

impl SelfSignature {
    /// What the signature states, if its algorithms and subpackets are acceptable. Does not verify it.
    fn of(signature: &Signature) -> Option<Self> {
        let config = signature.config()?;
        let is_revocation = matches!(
            config.typ(),
            SignatureType::KeyRevocation | SignatureType::SubkeyRevocation | SignatureType::CertRevocation
        );
        // A revocation by whatever means is better believed.
        if !is_revocation
            && (!policy::is_fit_for_self_signature(config.hash_alg) || policy::has_unknown_critical(signature))
        {
            return None;
        }
        let made = i64::from(signature.created()?.as_secs());
        let lifetime = signature.signature_expiration_time().map_or(0, |lifetime| lifetime.as_secs());
        let flags = config.hashed_subpackets().find_map(|subpacket| match &subpacket.data {
            SubpacketData::KeyFlags(flags) => Some(flags.clone()),
            _ => None,
        });
        let revokers = config.hashed_subpackets().filter_map(|subpacket| match &subpacket.data {
            SubpacketData::RevocationKey(revoker) => Some(revoker.clone()),
            _ => None,
        });
        Some(Self {
            made,
            holds_until: (lifetime > 0).then_some(made + i64::from(lifetime)),
            key_lifetime: signature.key_expiration_time().map(|lifetime| lifetime.as_secs()),
            flags,
            back_signed: false,
            revokers: revokers.collect(),
        })
    }
}

/// The newest statement that still holds.
fn newest<'a>(statements: impl IntoIterator<Item = &'a SelfSignature>, now: i64) -> Option<&'a SelfSignature> {
    statements
        .into_iter()
        .filter(|statement| statement.holds_until.is_none_or(|until| now < until))
        .max_by_key(|statement| statement.made)
}

/// Whether the key exists when it signs, and has not expired then or now.
fn check_lifetime(key: &impl KeyDetails, lifetime: Option<u32>, made: i64, now: i64) -> Result<(), RefusalReason> {
    let created = i64::from(key.created_at().as_secs());
    if made < created {
        return Err("made before its key");
    }
    match lifetime {
        Some(lifetime) if lifetime > 0 && created + i64::from(lifetime) <= made.max(now) => Err("key expired"),
        _ => Ok(()),
    }
}

/// Returns whether the signature names this key as its maker, by fingerprint or key id. The name is only a hint.
pub(super) fn names(signature: &Signature, key: &impl pgp::types::KeyDetails) -> bool {
    let fingerprint = key.fingerprint();
    let id = key.legacy_key_id();
    signature.issuer_fingerprint().iter().any(|named| **named == fingerprint)
        || signature.issuer_key_id().iter().any(|named| **named == id)
}

/// Upper-case hexadecimal, as OpenPGP tools print fingerprints.
pub(super) fn hex(key: &impl pgp::types::KeyDetails) -> String {
    key.fingerprint().to_string().to_uppercase()
}
