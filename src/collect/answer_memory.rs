//! Files that earlier exports fetched although nobody signed their digests, so that an export does not fetch again what has not changed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::digest::Sha256;
use crate::fetch::FileValidators;

/// The most that is read of the list, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The files of one selection by their addresses, at its last export and at this one.
#[derive(Debug, Default)]
pub struct AnswerMemory {
    before: BTreeMap<String, RememberedAnswer>,
    now: RefCell<BTreeMap<String, RememberedAnswer>>,
}

/// A file that a server has sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RememberedAnswer {
    /// Its digest.
    pub sha256: Sha256,
    /// Its size, in bytes.
    pub size: u64,
    /// The names that its server gives to this version.
    pub validators: FileValidators,
}

impl AnswerMemory {
    /// Reads the list that an earlier export kept; `None` if it is damaged.
    pub fn read(from: impl Read) -> Option<Self> {
        let before = serde_json::from_reader(from.take(MAX_BYTES)).ok()?;
        Some(Self { before, now: RefCell::default() })
    }

    /// Writes the list to keep.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        Ok(serde_json::to_writer(to, &*self.now.borrow())?)
    }

    /// Returns what the server has sent for this address before.
    pub(super) fn find(&self, url: &Url) -> Option<&RememberedAnswer> {
        self.before.get(&key(url))
    }

    /// Notes what the server has sent.
    pub(super) fn note(&self, url: &Url, answer: RememberedAnswer) {
        self.now.borrow_mut().insert(key(url), answer);
    }

    /// Returns `true` if the list is another one than was read.
    pub fn is_news(&self) -> bool {
        *self.now.borrow() != self.before
    }
}

/// The address without a login, which must not be kept.
fn key(url: &Url) -> String {
    super::address::origin(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_found_by_their_addresses_without_logins() {
        let first = AnswerMemory::default();
        let validators = FileValidators { etag: Some("\"a\"".into()), last_modified: None };
        let answer = RememberedAnswer { sha256: Sha256::of(b"a"), size: 1, validators };
        first.note(&Url::parse("https://me:secret@a.example/x").unwrap(), answer.clone());
        assert!(first.is_news());
        let mut text = Vec::new();
        first.write(&mut text).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("secret"));
        let second = AnswerMemory::read(text.as_slice()).unwrap();
        assert_eq!(second.find(&Url::parse("https://a.example/x").unwrap()), Some(&answer));
        assert_eq!(second.find(&Url::parse("https://a.example/y").unwrap()), None);
        assert!(AnswerMemory::read(&b"{"[..]).is_none());
    }
}
