//! The trust file: which keys may do what at a site.
//!
//! `gapferry site init` writes the first one. It is changed by hand at the site.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PublicKey, TrustError};
use crate::numbers::Epoch;
use crate::time::Time;

/// The largest trust file that is read, in bytes.
const MAX_TRUST_BYTES: u64 = 1 << 20;

/// The keys of a site, and what each may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustFile {
    /// Bundles must carry this epoch; raising it starts the sequences afresh after a key was stolen.
    pub epoch: Epoch,
    /// Version of the file's format; 1.
    pub format: u64,
    /// The keys.
    pub keys: Vec<TrustedKey>,
    /// How many distinct people must sign.
    pub thresholds: Thresholds,
    /// Rises with each change.
    pub version: u64,
}

/// One key and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// Not valid from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// The key, as the line of an OpenSSH `.pub` file.
    pub key: String,
    /// Whose it is; several keys of one person count once.
    pub person: String,
    /// Whether it has been revoked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// What it may do.
    pub roles: BTreeSet<Role>,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Signs manifests.
    Builder,
    /// Signs approvals.
    Reviewer,
}

impl Role {
    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builder => "builder",
            Self::Reviewer => "reviewer",
        }
    }
}

/// How many distinct people must sign, by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Signatures over a manifest; 1, since a manifest has one signature.
    pub builder: usize,
    /// Approvals of a manifest.
    pub reviewer: usize,
}

impl TrustFile {
    /// A first trust file, with one builder.
    pub fn of_builder(key: &PublicKey) -> Self {
        let builder = TrustedKey {
            expires: None,
            key: key.to_line(),
            person: "builder".to_owned(),
            revoked: false,
            roles: BTreeSet::from([Role::Builder]),
        };
        Self {
            epoch: Epoch::FIRST,
            format: 1,
            keys: vec![builder],
            thresholds: Thresholds { builder: 1, reviewer: 0 },
            version: 1,
        }
    }

    /// Reads and checks the trust file at `path`.
    pub fn load(path: &Path) -> Result<Self, TrustError> {
        let bad = |reason: String| TrustError::BadTrustFile { path: path.to_owned(), reason };
        let size = fs::metadata(path).map_err(TrustError::io("read", path))?.len();
        if size > MAX_TRUST_BYTES {
            return Err(bad(format!("it is larger than {MAX_TRUST_BYTES} bytes")));
        }
        let text = fs::read_to_string(path).map_err(TrustError::io("read", path))?;
        Self::parse(&text).map_err(bad)
    }

    /// Parses and checks a trust file; says what is wrong with a bad one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != 1 {
            return Err(format!("its format is {}, and this gapferry reads 1", self.format));
        }
        let mut seen = BTreeSet::new();
        for key in &self.keys {
            let parsed = PublicKey::from_line(&key.key).map_err(|e| format!("the key of {:?}: {e}", key.person))?;
            if !seen.insert(parsed.to_line()) {
                return Err(format!("the key of {:?} stands in it twice", key.person));
            }
        }
        // A manifest has one signature, so more builders can never be met.
        if self.thresholds.builder != 1 {
            return Err(format!("its threshold of builders is {}, and it must be 1", self.thresholds.builder));
        }
        if !self.keys.iter().any(|key| !key.revoked && key.roles.contains(&Role::Builder)) {
            return Err("no key in it that is not revoked has the role builder".to_owned());
        }
        if self.thresholds.reviewer > 0 {
            return Err("its threshold of reviewers is above 0, and this gapferry reads no approvals".to_owned());
        }
        Ok(())
    }

    /// The file as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// Checks that enough distinct people in `role` stand behind `signers`, at the time `now`.
    pub fn authorize(&self, role: Role, signers: &[PublicKey], now: Time) -> Result<(), TrustError> {
        let mut people = BTreeSet::new();
        for signer in signers {
            let line = signer.to_line();
            let trusted =
                self.keys.iter().find(|key| PublicKey::from_line(&key.key).is_ok_and(|k| k.to_line() == line));
            let valid =
                |key: &&TrustedKey| !key.revoked && key.roles.contains(&role) && key.expires.is_none_or(|e| now < e);
            match trusted.filter(valid) {
                Some(key) => people.insert(key.person.as_str()),
                None => return Err(TrustError::UntrustedKey { key: signer.fingerprint(), role: role.as_str() }),
            };
        }
        let need = match role {
            Role::Builder => self.thresholds.builder,
            Role::Reviewer => self.thresholds.reviewer,
        };
        let have = people.len();
        if have < need { Err(TrustError::BelowThreshold { role: role.as_str(), have, need }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SecretKey;

    const NOW: i64 = 1_800_000_000;

    fn now() -> Time {
        Time::from_unix(NOW).unwrap()
    }

    #[test]
    fn survives_its_own_text_and_refuses_what_it_does_not_know() {
        let file = TrustFile::of_builder(&SecretKey::generate().public());
        let text = file.to_json();
        assert_eq!(TrustFile::parse(&text).unwrap(), file);
        for (from, to) in
            [("\"format\": 1", "\"format\": 2"), ("\"builder\": 1", "\"builder\": 0"), ("\"epoch\"", "\"epohc\"")]
        {
            assert!(TrustFile::parse(&text.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn rejects_rules_that_can_never_be_met() {
        let file = TrustFile::of_builder(&SecretKey::generate().public());
        let spoil: [fn(&mut TrustFile); 5] = [
            |file| file.thresholds.builder = 2,
            |file| file.thresholds.reviewer = 1,
            |file| file.keys[0].revoked = true,
            |file| file.keys[0].roles.clear(),
            |file| file.keys.clear(),
        ];
        for (number, spoil) in spoil.iter().enumerate() {
            let mut file = file.clone();
            spoil(&mut file);
            assert!(TrustFile::parse(&file.to_json()).is_err(), "{number}");
        }
    }

    #[test]
    fn only_a_valid_key_in_its_role_counts_and_people_count_once() {
        let (first, second) = (SecretKey::generate().public(), SecretKey::generate().public());
        let mut file = TrustFile::of_builder(&first);
        file.authorize(Role::Builder, std::slice::from_ref(&first), now()).unwrap();
        let refused = |file: &TrustFile, keys: &[PublicKey]| file.authorize(Role::Builder, keys, now()).unwrap_err();
        assert!(matches!(refused(&file, std::slice::from_ref(&second)), TrustError::UntrustedKey { .. }));
        assert!(matches!(refused(&file, &[]), TrustError::BelowThreshold { .. }));

        file.keys.push(TrustedKey { key: second.to_line(), ..file.keys[0].clone() });
        file.thresholds.builder = 2;
        assert!(matches!(refused(&file, &[first.clone(), second.clone()]), TrustError::BelowThreshold { have: 1, .. }));
        file.keys[1].person = "another".to_owned();
        file.authorize(Role::Builder, &[first.clone(), second.clone()], now()).unwrap();

        let spoil: [fn(&mut TrustedKey); 3] = [
            |key| key.revoked = true,
            |key| key.expires = Time::from_unix(NOW).ok(),
            |key| key.roles = BTreeSet::from([Role::Reviewer]),
        ];
        for spoil in spoil {
            let mut file = file.clone();
            spoil(&mut file.keys[1]);
            assert!(matches!(refused(&file, &[first.clone(), second.clone()]), TrustError::UntrustedKey { .. }));
        }
    }
}
