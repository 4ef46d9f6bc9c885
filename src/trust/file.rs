//! The trust file: which persons may do what at a site, with which keys (docs/trust.md).
//!
//! `gapferry site init` writes version 1. Each later version is signed by the root quorum of the version before it and by its
//! own; see `succession`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::quorum::{Groups, Quorum};
use super::sshsig::{APPROVAL_NAMESPACE, MANIFEST_NAMESPACE, PACKING_NAMESPACE, TRUST_NAMESPACE};
use super::{PublicKey, TrustError};
use crate::digest::Sha256;
use crate::label::Label;
use crate::numbers::{Epoch, MAX_INTEGER};
use crate::time::Time;

/// The largest trust file that is read, in bytes.
pub const MAX_TRUST_BYTES: u64 = 64 << 10;
/// The version of the format.
const FORMAT: u64 = 2;
/// The most groups within groups.
const MAX_DEPTH: usize = 8;

/// The persons of a site, their keys, and how many of them must sign what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustFile {
    /// Bundles must carry this epoch. A higher one starts the sequences afresh after a key was stolen.
    pub epoch: Epoch,
    /// From then on the site takes no bundle, until it has a newer version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// Version of the file's format; 2.
    pub format: u64,
    /// Quorums with names.
    pub groups: Groups,
    /// The keys of each person.
    pub persons: BTreeMap<Label, Vec<TrustedKey>>,
    /// The quorum of each role that has one.
    pub quorums: BTreeMap<Role, Quorum>,
    /// The site that the file is for.
    pub site: Label,
    /// Rises by one with each change.
    pub version: u64,
}

/// A key and what its person may do with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// Not valid from this time on. Keys in the role root have none: the file has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// The key, as the line of an OpenSSH `.pub` file.
    pub key: PublicKey,
    /// Set once the key was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
    /// The roles in which it counts.
    pub roles: BTreeSet<Role>,
}

/// The exceptions of a revocation. All else by the revoked key is void unless it is published already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Digests of manifests.
    pub valid_manifests: BTreeSet<Sha256>,
}

/// The kind of things that a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Manifests and packings.
    Builder,
    /// Statements of reviewers.
    Reviewer,
    /// Approvals without a review, when a bundle cannot wait for one.
    Emergency,
    /// Trust files.
    Root,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Builder, Self::Reviewer, Self::Emergency, Self::Root];

    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builder => "builder",
            Self::Reviewer => "reviewer",
            Self::Emergency => "emergency",
            Self::Root => "root",
        }
    }
}

impl Role {
    /// Returns the namespaces of the signatures in the role that gapferry reads.
    pub fn namespaces(self) -> &'static [&'static str] {
        match self {
            Self::Builder => &[MANIFEST_NAMESPACE, PACKING_NAMESPACE],
            Self::Reviewer | Self::Emergency => &[APPROVAL_NAMESPACE],
            Self::Root => &[TRUST_NAMESPACE],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is not a role: builder, reviewer, emergency or root"))
    }
}

impl TrustFile {
    /// Returns a first trust file for `site`, whose only builder has this key.
    pub fn of_builder(site: &Label, key: &PublicKey) -> Self {
        let mut file = Self {
            epoch: Epoch::FIRST,
            expires: None,
            format: FORMAT,
            groups: Groups::new(),
            persons: BTreeMap::new(),
            quorums: BTreeMap::new(),
            site: site.clone(),
            version: 1,
        };
        if let Ok(builder) = "builder".parse::<Label>() {
            file.quorums.insert(Role::Builder, Quorum::of_one(&builder));
            file.add_key(&builder, BTreeSet::from([Role::Builder]), key);
        }
        file
    }

    /// Adds a key to a person, who need not be in the file yet.
    pub fn add_key(&mut self, person: &Label, roles: BTreeSet<Role>, key: &PublicKey) {
        let key = TrustedKey { expires: None, key: key.clone(), revoked: None, roles };
        self.persons.entry(person.clone()).or_default().push(key);
    }

    /// Parses and checks a trust file. Returns the reason if it is wrong.
    ///
    /// A file has one text, that of [`Self::to_json`], so no reader can understand it in another way.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() as u64 > MAX_TRUST_BYTES {
            return Err(format!("it is larger than {MAX_TRUST_BYTES} bytes"));
        }
        // The format first: another one has other keys, and their names would be the message.
        let format = serde_json::from_slice::<FormatOnly>(text).map_err(|e| e.to_string())?.format;
        if format != FORMAT {
            return Err(format!("its format is {format}, and this gapferry reads {FORMAT}"));
        }
        let file: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        file.check()?;
        if file.to_json().as_bytes() != text {
            return Err("it is not spelled as gapferry writes it: only `trust edit` changes it".to_owned());
        }
        Ok(file)
    }

    /// The file as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// The digest of the text, by which persons compare files.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.to_json().as_bytes())
    }

    /// Returns the reason if the file contradicts itself or has a rule that can never be met.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=MAX_INTEGER).contains(&self.version) {
            return Err("its version must be between 1 and 2^53 - 1".to_owned());
        }
        self.check_keys()?;
        for (name, group) in &self.groups {
            if self.persons.contains_key(name) {
                return Err(format!("{name} is a person and a group"));
            }
            self.check_tree(group).map_err(|reason| format!("the group {name}: {reason}"))?;
        }
        for (role, quorum) in &self.quorums {
            self.check_quorum(*role, quorum).map_err(|reason| format!("the quorum of the role {role}: {reason}"))?;
        }
        if !self.quorums.contains_key(&Role::Builder) {
            return Err("it has no quorum of the role builder".to_owned());
        }
        if self.quorums.contains_key(&Role::Emergency) && !self.quorums.contains_key(&Role::Reviewer) {
            return Err(
                "it has a quorum of the role emergency and none of the role reviewer, so nothing needs it".to_owned()
            );
        }
        Ok(())
    }

    fn check_keys(&self) -> Result<(), String> {
        let mut points = BTreeSet::new();
        for (person, key) in self.keys() {
            let fingerprint = key.key.fingerprint();
            if !points.insert(key.key.point()) {
                return Err(format!("the key {fingerprint} of {person} stands in it twice"));
            }
            if key.roles.contains(&Role::Root) && key.expires.is_some() {
                return Err(format!(
                    "the key {fingerprint} of {person} is in the role root and expires: only a whole file does, since old ones are verified later"
                ));
            }
        }
        Ok(())
    }

    fn check_tree(&self, quorum: &Quorum) -> Result<BTreeSet<Label>, String> {
        let persons = quorum.persons(&self.groups, &|name| self.persons.contains_key(name))?;
        match quorum.depth(&self.groups) > MAX_DEPTH {
            true => Err(format!("more than {MAX_DEPTH} groups are within one another")),
            false => Ok(persons),
        }
    }

    fn check_quorum(&self, role: Role, quorum: &Quorum) -> Result<(), String> {
        let persons = self.check_tree(quorum)?;
        let can_sign = |person: &Label| self.usable_keys(person, role).next().is_some();
        if !quorum.is_met(&self.groups, &can_sign) {
            return Err(format!("{quorum} can never be met: too few of them have a key in that role"));
        }
        // A manifest has one signature.
        let one_suffices = |one: &Label| can_sign(one) && quorum.is_met(&self.groups, &|person| person == one);
        if role == Role::Builder && !persons.iter().any(one_suffices) {
            return Err(format!("{quorum} can never be met: a manifest has one signature"));
        }
        let mut builders =
            self.persons.keys().filter(|person| self.usable_keys(person, Role::Builder).next().is_some());
        let can_review = |builder: &Label| quorum.is_met(&self.groups, &|person| can_sign(person) && person != builder);
        if role == Role::Reviewer && !builders.any(can_review) {
            return Err(format!("{quorum} can never be met: whoever builds a bundle does not review it"));
        }
        match self.persons.keys().find(|person| can_sign(person) && !persons.contains(*person)) {
            Some(person) => Err(format!("{person} has a key in that role and is not named, so it can never count")),
            None => Ok(()),
        }
    }

    /// Returns all keys with their persons.
    pub fn keys(&self) -> impl Iterator<Item = (&Label, &TrustedKey)> {
        self.persons.iter().flat_map(|(person, keys)| keys.iter().map(move |key| (person, key)))
    }

    /// Returns the keys of a person that count in the role, but for their expiry.
    pub(super) fn usable_keys(&self, person: &Label, role: Role) -> impl Iterator<Item = &TrustedKey> {
        let keys = self.persons.get(person).into_iter().flatten();
        keys.filter(move |key| key.revoked.is_none() && key.roles.contains(&role))
    }

    /// Returns the person and the entry of a key.
    pub(super) fn find(&self, key: &PublicKey) -> Option<(&Label, &TrustedKey)> {
        self.keys().find(|(_, trusted)| trusted.key == *key)
    }

    /// Returns the time of the next expiry, of the file or of a key that counts.
    pub fn next_expiry(&self) -> Option<Time> {
        let keys = self.keys().filter(|(_, key)| key.revoked.is_none()).filter_map(|(_, key)| key.expires);
        keys.chain(self.expires).min()
    }

    /// Checks whether the signature by `signer` over the manifest with this digest is enough, at the time `now`. Returns the
    /// person who signed.
    pub fn authorize_builder(&self, signer: &PublicKey, manifest: &Sha256, now: Time) -> Result<&Label, TrustError> {
        let (key, role) = (signer.fingerprint(), Role::Builder.as_str());
        if let Some(expires) = self.expires.filter(|expires| *expires <= now) {
            return Err(TrustError::TrustFileExpired { version: self.version, expires, now });
        }
        let Some((person, trusted)) = self.find(signer).filter(|(_, trusted)| trusted.roles.contains(&Role::Builder))
        else {
            return Err(TrustError::UntrustedKey { key, role });
        };
        match (&trusted.revoked, trusted.expires) {
            (Some(revoked), _) if revoked.valid_manifests.contains(manifest) => return Ok(person),
            (Some(_), _) => return Err(TrustError::RevokedKey { key, person: person.clone(), version: self.version }),
            (None, Some(expires)) if expires <= now => {
                return Err(TrustError::ExpiredKey { key, person: person.clone(), expires, now });
            }
            _ => {}
        }
        let quorum = self.quorums.get(&Role::Builder);
        match quorum.is_some_and(|quorum| quorum.is_met(&self.groups, &|name| name == person)) {
            true => Ok(person),
            false => Err(TrustError::UntrustedKey { key, role }),
        }
    }
}

/// The format alone.
#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
