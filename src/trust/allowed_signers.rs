//! The keys of a trust file for ssh-keygen, and the persons of keys.

use super::{PublicKey, TrustFile, TrustedKey};
use crate::label::Label;
use crate::time::Time;

/// Returns a time as ssh-keygen(1) reads it: a time without zone is local, one with `Z` is UTC; whole seconds.
pub fn openssh_time(time: Time) -> String {
    let digits: String = time.to_string().chars().filter(char::is_ascii_digit).collect();
    format!("{digits}Z")
}

impl TrustFile {
    /// Returns the name of the person who has this key.
    pub fn find_person(&self, key: &PublicKey) -> Option<&Label> {
        self.find(key).map(|(person, _)| person)
    }

    /// Returns the keys that count, as ssh-keygen's allowed signers.
    pub fn allowed_signers(&self) -> String {
        let line = |(person, key): (&Label, &TrustedKey)| {
            let namespaces: Vec<&str> = key.roles.iter().flat_map(|role| role.namespaces()).copied().collect();
            if key.revoked.is_some() || namespaces.is_empty() {
                return None;
            }
            let before = key.expires.map(|time| format!(",valid-before=\"{}\"", openssh_time(time)));
            let before = before.unwrap_or_default();
            Some(format!("{person} namespaces=\"{}\"{before} {}\n", namespaces.join(","), key.key.to_line()))
        };
        self.keys().filter_map(line).collect()
    }
}
