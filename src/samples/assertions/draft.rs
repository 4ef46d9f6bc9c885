//! An assertion that is not signed yet.

use std::collections::BTreeMap;

use super::key::{SignError, TestKey};

/// The value of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftValue {
    /// A text, of one line or several.
    Text(String),
    /// A list.
    List(Vec<DraftValue>),
    /// A map.
    Map(BTreeMap<String, DraftValue>),
}

impl From<&str> for DraftValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// An assertion in the making: headers and a body, in the order in which snapd writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    kind: String,
    headers: BTreeMap<String, DraftValue>,
    body: Vec<u8>,
    /// When it is signed, in Unix seconds.
    pub signed: u32,
}

/// When assertions are signed unless told otherwise: 2025-01-01, in Unix seconds.
const SIGNED: u32 = 1_735_689_600;

impl Draft {
    /// An assertion of this type, for which this account answers.
    pub fn new(kind: &str, authority_id: &str) -> Self {
        let draft = Self { kind: kind.to_owned(), headers: BTreeMap::new(), body: Vec::new(), signed: SIGNED };
        draft.header("authority-id", authority_id)
    }

    /// Sets a header to a text.
    pub fn header(self, name: &str, text: &str) -> Self {
        self.value(name, DraftValue::from(text))
    }

    /// Sets a header to any value. Empty lists and maps cannot be written and are left out.
    pub fn value(mut self, name: &str, value: DraftValue) -> Self {
        self.headers.insert(name.to_owned(), value);
        self
    }

    /// Takes a header away.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Sets `revision`.
    pub fn revision(self, revision: u64) -> Self {
        self.header("revision", &revision.to_string())
    }

    /// Sets the body.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The assertion, signed with `key`, which it names.
    pub fn sign(&self, key: &TestKey) -> Result<Vec<u8>, SignError> {
        Self::seal(&self.content(key), key, self.signed)
    }

    /// Any bytes at all with a good signature by `key`, made at `time` in Unix seconds.
    pub fn seal(content: &[u8], key: &TestKey, time: u32) -> Result<Vec<u8>, SignError> {
        Ok([content, b"\n\n", key.sign(content, time)?.as_bytes(), b"\n"].concat())
    }

    /// What is signed. The order: what is about the assertion itself, its primary key, all else by name, and at the end
    /// `body-length` and the key.
    pub fn content(&self, key: &TestKey) -> Vec<u8> {
        let first = ["format", "authority-id", "revision"].into_iter();
        let first: Vec<&str> = first.chain(primary_key(&self.kind).iter().copied()).collect();
        let others = self.headers.keys().map(String::as_str).filter(|name| !first.contains(name));
        let mut text = format!("type: {}", self.kind);
        for name in first.iter().copied().chain(others.filter(|name| !LAST.contains(name))) {
            if let Some(value) = self.headers.get(name) {
                write_value(&mut text, &format!("{name}:"), value, 0);
            }
        }
        let length = self.body.len().to_string();
        let length = if self.body.is_empty() { None } else { Some(DraftValue::Text(length)) };
        let id = DraftValue::Text(key.id().to_string());
        for (name, own) in LAST.into_iter().zip([length, Some(id)]) {
            if let Some(value) = self.headers.get(name).or(own.as_ref()) {
                write_value(&mut text, &format!("{name}:"), value, 0);
            }
        }
        let mut content = text.into_bytes();
        if !self.body.is_empty() {
            content.extend_from_slice(b"\n\n");
            content.extend_from_slice(&self.body);
        }
        content
    }
}

/// The headers of the primary key of assertions that [`TestAuthority`](super::TestAuthority) makes.
fn primary_key(kind: &str) -> &'static [&'static str] {
    match kind {
        "account" => &["account-id"],
        "account-key" => &["public-key-sha3-384"],
        "model" => &["series", "brand-id", "model"],
        "snap-declaration" => &["series", "snap-id"],
        "snap-revision" => &["snap-sha3-384", "provenance"],
        "store" => &["store"],
        _ => &[],
    }
}

/// The headers at the end.
const LAST: [&str; 2] = ["body-length", "sign-key-sha3-384"];

/// Appends a line that begins with `intro`, and the lines below it, as snapd's `asserts/headers.go` does.
fn write_value(out: &mut String, intro: &str, value: &DraftValue, indent: usize) {
    let below = " ".repeat(indent + 2);
    match value {
        DraftValue::Text(text) if text.contains('\n') => {
            out.extend(["\n", intro]);
            for line in text.split('\n') {
                out.extend(["\n", &below, "  ", line]);
            }
        }
        DraftValue::Text(text) => out.extend(["\n", intro, " ", text]),
        DraftValue::List(list) if !list.is_empty() => {
            out.extend(["\n", intro]);
            list.iter().for_each(|entry| write_value(out, &format!("{below}-"), entry, indent + 2));
        }
        DraftValue::Map(map) if !map.is_empty() => {
            out.extend(["\n", intro]);
            map.iter().for_each(|(name, entry)| write_value(out, &format!("{below}{name}:"), entry, indent + 2));
        }
        DraftValue::List(_) | DraftValue::Map(_) => {}
    }
}
