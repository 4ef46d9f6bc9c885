//! Succession of trust files: version N+1 is signed by the root quorum of N and by its own, as The Update Framework has it (TUF specification 1.0.34, section 5.3).
//!
//! Differences from TUF, on purpose: persons count, not keys; the site and the epoch are compared; a revoked key stays
//! revoked.

use std::collections::BTreeSet;

use super::file::{MAX_TRUST_BYTES, Role, TrustFile};
use super::missing_signatures::MissingSignatures;
use super::sshsig::{TRUST_NAMESPACE, verify};
use super::{PublicKey, TrustError};
use crate::digest::Sha256;
use crate::label::Label;
use crate::time::Time;

/// The most versions that are applied at once.
pub const MAX_STEPS: usize = 32;
/// The largest file with the signatures of a trust file that is read, in bytes.
pub const MAX_TRUST_SIGNATURES_BYTES: u64 = 32 << 10;
/// The most signatures of one file that are looked at.
const MAX_SIGNATURES: usize = 64;
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";

/// A trust file with what was found beside it: signatures, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTrustFile {
    /// The exact bytes of the file.
    pub text: Vec<u8>,
    /// The armored signatures, as `ssh-keygen -Y sign` writes them.
    pub signatures: String,
    /// The parsed bytes.
    pub file: TrustFile,
}

/// A signature over a trust file, and what it is worth.
#[derive(Clone, Debug)]
pub struct TrustSignature {
    /// The armored text.
    pub armored: String,
    /// The key that made it, or the reason for which it is none.
    pub signer: Result<PublicKey, String>,
}

impl SignedTrustFile {
    /// Parses a trust file and splits its signatures. Returns the reason if one of the files is wrong.
    pub fn parse(text: Vec<u8>, signatures: &[u8]) -> Result<Self, String> {
        if text.len() as u64 > MAX_TRUST_BYTES {
            return Err(format!("it is larger than {MAX_TRUST_BYTES} bytes"));
        }
        if signatures.len() as u64 > MAX_TRUST_SIGNATURES_BYTES {
            return Err(format!("its signatures are larger than {MAX_TRUST_SIGNATURES_BYTES} bytes"));
        }
        let file = TrustFile::parse(&text)?;
        let signatures = std::str::from_utf8(signatures).map_err(|_| "its signatures are not text".to_owned())?;
        if !signatures.is_empty() && !signatures.starts_with(BEGIN) {
            return Err(format!("its signatures do not begin with {BEGIN}"));
        }
        if signatures.matches(BEGIN).count() > MAX_SIGNATURES {
            return Err(format!("it has more than {MAX_SIGNATURES} signatures"));
        }
        Ok(Self { text, signatures: signatures.to_owned(), file })
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.text)
    }

    /// Verifies the signatures. Each key is looked at once.
    pub fn signatures(&self) -> Vec<TrustSignature> {
        let blocks = self.signatures.split_inclusive("-----END SSH SIGNATURE-----\n");
        let signature = |armored: &str| TrustSignature {
            armored: armored.to_owned(),
            signer: verify(armored.as_bytes(), TRUST_NAMESPACE, &self.text).map_err(|error| error.to_string()),
        };
        blocks.map(signature).collect()
    }

    /// Returns the persons of `judge` who signed in the role root.
    pub fn signed_by(&self, judge: &TrustFile) -> BTreeSet<Label> {
        let signatures = self.signatures();
        let signers = signatures.iter().filter_map(|signature| signature.signer.as_ref().ok());
        let root = |signer: &PublicKey| {
            let (person, key) = judge.find(signer)?;
            (key.revoked.is_none() && key.roles.contains(&Role::Root)).then(|| person.clone())
        };
        signers.filter_map(root).collect()
    }

    /// Returns the reason of each signature that does not count for `judge`.
    fn not_counted(&self, judge: &TrustFile) -> Vec<String> {
        let reason = |signature: &TrustSignature| match &signature.signer {
            Err(reason) => Some(reason.clone()),
            Ok(signer) => match judge.find(signer) {
                None => Some(format!("{} is not in version {}", signer.fingerprint(), judge.version)),
                Some((person, key)) if key.revoked.is_some() => Some(format!(
                    "the key {} of {person} was revoked in version {} or before",
                    signer.fingerprint(),
                    judge.version
                )),
                Some((person, key)) if !key.roles.contains(&Role::Root) => Some(format!(
                    "the key {} of {person} is not in the role root of version {}",
                    signer.fingerprint(),
                    judge.version
                )),
                Some(_) => None,
            },
        };
        self.signatures().iter().filter_map(reason).collect()
    }

    /// Fails unless the root quorum of `judge` signed this file.
    fn check_signed_by(&self, judge: &TrustFile) -> Result<(), TrustError> {
        let (version, judge_version) = (self.file.version, judge.version);
        let Some(quorum) = judge.quorums.get(&Role::Root) else {
            return Err(TrustError::NoRootQuorum { version: judge_version });
        };
        let signed = self.signed_by(judge);
        if quorum.is_met(&judge.groups, &|person| signed.contains(person)) {
            return Ok(());
        }
        Err(TrustError::BelowRootQuorum(Box::new(MissingSignatures {
            version,
            judge_version,
            quorum: quorum.clone(),
            signed,
            not_counted: self.not_counted(judge),
        })))
    }

    /// Fails unless this file is for the site of `current` and is the version after it.
    fn check_order(&self, current: &TrustFile) -> Result<(), TrustError> {
        let next = &self.file;
        if next.site != current.site {
            let (found, here) = (next.site.to_string(), current.site.to_string());
            return Err(TrustError::TrustFileOfOtherSite { found, here });
        }
        if Some(next.version) != current.version.checked_add(1) {
            return Err(TrustError::TrustVersion { found: next.version, here: current.version });
        }
        match next.epoch < current.epoch {
            true => Err(TrustError::OldEpoch { found: next.epoch, here: current.epoch }),
            false => Ok(()),
        }
    }

    /// Fails unless the file's own root quorum has signed it.
    pub fn check_own_quorum(&self) -> Result<(), TrustError> {
        self.check_signed_by(&self.file)
    }

    /// Fails unless this file may follow `current`.
    pub fn check_follows(&self, current: &TrustFile) -> Result<(), TrustError> {
        self.check_order(current)?;
        for (person, key) in current.keys().filter(|(_, key)| key.revoked.is_some()) {
            if self.file.find(&key.key).is_none_or(|(_, now)| now.revoked.is_none()) {
                let (key, person) = (key.key.fingerprint(), person.clone());
                return Err(TrustError::RevocationLost { key, person, version: self.file.version });
            }
        }
        self.check_signed_by(current)?;
        self.check_own_quorum()
    }

    /// Fails unless this file may replace `current` by the hand of someone who compared its digest. Its own root quorum, if
    /// it has one, must have signed it.
    pub fn check_replaces(&self, current: &TrustFile, digest: &Sha256, now: Time) -> Result<(), TrustError> {
        self.check_order(current)?;
        if *digest != self.digest() {
            return Err(TrustError::OtherTrustFile {
                version: self.file.version,
                found: self.digest(),
                given: *digest,
            });
        }
        if self.file.quorums.contains_key(&Role::Root) {
            self.check_own_quorum()?;
        }
        self.file.check_expiry(now)
    }
}

impl TrustFile {
    fn check_expiry(&self, now: Time) -> Result<(), TrustError> {
        match self.expires {
            Some(expires) if expires <= now => {
                Err(TrustError::TrustFileExpired { version: self.version, expires, now })
            }
            _ => Ok(()),
        }
    }
}

/// Checks the files of `chain` one after another, from `current` on, at the time `now`. Returns those that are new, in order.
///
/// Files that are not newer than `current` are passed over, but for another file of its version. Only the last file must not
/// have expired, so a site that was away for long can catch up.
pub fn advance(
    current: &TrustFile,
    chain: Vec<SignedTrustFile>,
    now: Time,
) -> Result<Vec<SignedTrustFile>, TrustError> {
    let (new, refused) = longest_chain(current, chain);
    if let Some(error) = refused {
        return Err(error);
    }
    if let Some(last) = new.last() {
        last.file.check_expiry(now)?;
    }
    Ok(new)
}

/// Returns the files of `chain` that may follow `current` one after another, in order, and the reason for which the next one may not.
///
/// Files that are not newer than `current` are passed over, but for another file of its version.
pub fn longest_chain(
    current: &TrustFile,
    mut chain: Vec<SignedTrustFile>,
) -> (Vec<SignedTrustFile>, Option<TrustError>) {
    chain.sort_by_key(|signed| signed.file.version);
    if let Some(other) = chain.iter().find(|signed| signed.file.version == current.version && signed.file != *current) {
        let (version, found, given) = (current.version, other.digest(), current.digest());
        return (Vec::new(), Some(TrustError::OtherTrustFile { version, found, given }));
    }
    chain.retain(|signed| signed.file.version > current.version);
    chain.dedup();
    if chain.len() > MAX_STEPS {
        return (Vec::new(), Some(TrustError::TooManySteps { found: chain.len(), limit: MAX_STEPS }));
    }
    let mut new: Vec<SignedTrustFile> = Vec::new();
    for next in chain {
        if let Err(error) = next.check_follows(new.last().map_or(current, |last| &last.file)) {
            return (new, Some(error));
        }
        new.push(next);
    }
    (new, None)
}

#[cfg(test)]
#[path = "succession_tests.rs"]
mod tests;
