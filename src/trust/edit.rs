//! Changes of a trust file: the next version, which nobody has signed yet.

use std::collections::BTreeSet;

use super::file::{MAX_TRUST_BYTES, Revocation, Role, TrustFile, TrustedKey};
use super::{PublicKey, Quorum};
use crate::digest::Sha256;
use crate::label::Label;
use crate::numbers::Epoch;
use crate::time::Time;

/// One change of a trust file.
#[derive(Clone, Debug)]
pub enum TrustChange {
    /// Gives a person one more key.
    AddKey(Label, BTreeSet<Role>, PublicKey),
    /// Takes a person out. Revoked keys stay, so a person who has one stays with it.
    RemovePerson(Label),
    /// Says in which roles a key counts.
    SetRoles(KeyName, BTreeSet<Role>),
    /// Says when a key expires; never without a time.
    SetKeyExpiry(KeyName, Option<Time>),
    /// Revokes a key.
    Revoke(KeyName),
    /// Lets a manifest that a revoked key signed stay valid.
    KeepManifest(KeyName, Sha256),
    /// Sets a group.
    SetGroup(Label, Quorum),
    /// Takes a group out.
    RemoveGroup(Label),
    /// Sets the quorum of a role.
    SetQuorum(Role, Quorum),
    /// Sets the epoch.
    SetEpoch(Epoch),
    /// Says when the file expires; never without a time.
    SetExpiry(Option<Time>),
}

/// The name of a key: its fingerprint, `SHA256:…`.
pub type KeyName = String;

impl TrustFile {
    /// Returns the next version, with these changes. Returns the reason if they make no sense.
    pub fn changed(&self, changes: &[TrustChange]) -> Result<Self, String> {
        let mut next = Self { version: self.version + 1, ..self.clone() };
        changes.iter().try_for_each(|change| next.change(change))?;
        next.check()?;
        if next.to_json().len() as u64 > MAX_TRUST_BYTES {
            return Err(format!("it would be larger than {MAX_TRUST_BYTES} bytes"));
        }
        Ok(next)
    }

    fn change(&mut self, change: &TrustChange) -> Result<(), String> {
        match change {
            TrustChange::AddKey(person, roles, key) => self.add_key(person, roles.clone(), key),
            TrustChange::RemovePerson(person) => return self.remove_person(person),
            TrustChange::SetRoles(name, roles) => self.key_mut(name)?.roles.clone_from(roles),
            TrustChange::SetKeyExpiry(name, expires) => self.key_mut(name)?.expires = *expires,
            TrustChange::Revoke(name) => {
                self.key_mut(name)?.revoked.get_or_insert_with(Revocation::default);
            }
            TrustChange::KeepManifest(name, digest) => {
                let missing = || format!("the key {name} is not revoked: revoke it too");
                self.key_mut(name)?.revoked.as_mut().ok_or_else(missing)?.valid_manifests.insert(*digest);
            }
            TrustChange::SetGroup(name, group) => drop(self.groups.insert(name.clone(), group.clone())),
            TrustChange::RemoveGroup(name) => {
                self.groups.remove(name).ok_or_else(|| format!("there is no group {name}"))?;
            }
            TrustChange::SetQuorum(role, quorum) => drop(self.quorums.insert(*role, quorum.clone())),
            TrustChange::SetEpoch(epoch) if *epoch < self.epoch => {
                return Err(format!("the epoch is {}, and cannot fall to {epoch}", self.epoch));
            }
            TrustChange::SetEpoch(epoch) => self.epoch = *epoch,
            TrustChange::SetExpiry(expires) => self.expires = *expires,
        }
        Ok(())
    }

    fn remove_person(&mut self, person: &Label) -> Result<(), String> {
        let keys = self.persons.get_mut(person).ok_or_else(|| format!("there is no person {person}"))?;
        keys.retain(|key| key.revoked.is_some());
        if keys.is_empty() {
            self.persons.remove(person);
        }
        Ok(())
    }

    fn key_mut(&mut self, name: &KeyName) -> Result<&mut TrustedKey, String> {
        let mut keys = self.persons.values_mut().flatten();
        keys.find(|key| key.key.fingerprint() == *name).ok_or_else(|| format!("there is no key {name}"))
    }

    /// Returns a sentence of advice for each rule that one lost key would break.
    pub fn advice(&self) -> Vec<String> {
        let Some(quorum) = self.quorums.get(&Role::Root) else {
            return vec![format!(
                "no root quorum: nobody can sign a change of this trust file, so it changes by hand on the host of {} alone",
                self.site
            )];
        };
        let Ok(persons) = quorum.persons(&self.groups, &|name| self.persons.contains_key(name)) else {
            return Vec::new();
        };
        let has_key = |person: &Label| self.usable_keys(person, Role::Root).next().is_some();
        let is_needed = |lost: &&Label| !quorum.is_met(&self.groups, &|person| has_key(person) && person != *lost);
        let needed: Vec<&str> = persons.iter().filter(is_needed).map(Label::as_str).collect();
        let mut advice = Vec::new();
        if !needed.is_empty() {
            advice.push(format!(
                "the root quorum cannot be met once {} is lost: let it need fewer persons than it has",
                needed.join(" or ")
            ));
        }
        if persons.iter().any(|one| has_key(one) && quorum.is_met(&self.groups, &|person| person == one)) {
            advice.push("one person alone can change this trust file: let the root quorum need two".to_owned());
        }
        advice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SecretKey;

    fn label(text: &str) -> Label {
        text.parse().unwrap()
    }

    fn key() -> PublicKey {
        SecretKey::generate().public()
    }

    #[test]
    fn a_builder_key_is_replaced_and_stays_revoked() {
        let (old, new) = (key(), key());
        let first = TrustFile::of_builder(&label("dc1"), &old);
        let add = TrustChange::AddKey(label("builder"), BTreeSet::from([Role::Builder]), new);
        let revoke = TrustChange::Revoke(old.fingerprint());
        assert!(first.changed(std::slice::from_ref(&revoke)).unwrap_err().contains("can never be met"));
        let keep = TrustChange::KeepManifest(old.fingerprint(), Sha256::of(b"m"));
        assert!(first.changed(std::slice::from_ref(&keep)).unwrap_err().contains("is not revoked"));
        let second = first.changed(&[add, revoke, keep]).unwrap();
        assert_eq!(second.version, 2);
        assert_eq!(second.persons[&label("builder")].len(), 2);
        assert!(second.persons[&label("builder")][0].revoked.is_some());
        assert_eq!(TrustFile::parse(second.to_json().as_bytes()).unwrap(), second);
        let without = second.changed(&[
            TrustChange::RemovePerson(label("builder")),
            TrustChange::AddKey(label("other"), BTreeSet::from([Role::Builder]), key()),
            TrustChange::SetQuorum(Role::Builder, "1:other".parse().unwrap()),
        ]);
        assert_eq!(without.unwrap().persons[&label("builder")].len(), 1, "the revoked key stays");
    }

    #[test]
    fn advice_names_what_one_loss_breaks() {
        let roots = |quorum: &str| {
            let mut file = TrustFile::of_builder(&label("dc1"), &key());
            for person in ["anna", "bert", "carl"] {
                file.add_key(&label(person), BTreeSet::from([Role::Root]), &key());
            }
            file.quorums.insert(Role::Root, quorum.parse().unwrap());
            file.check().unwrap();
            file.advice().join("\n")
        };
        assert_eq!(roots("2:anna,bert,carl"), "");
        assert!(roots("3:anna,bert,carl").contains("once anna or bert or carl is lost"));
        assert!(roots("1:anna,bert,carl").contains("one person alone"));
        assert!(TrustFile::of_builder(&label("dc1"), &key()).advice()[0].contains("no root quorum"));
    }
}
