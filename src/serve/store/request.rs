//! Reads what devices post. Limits: bytes, entries, and serde_json's own limit on depth.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::formats::snap::api::{Action, Installed};

/// The largest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 4 << 20;
/// The most snaps that a device may tell of or ask for in one request. An entry takes fifty times the memory of its shortest
/// text.
pub const MAX_ENTRIES: usize = 4096;

/// What a device asks at `/v2/snaps/refresh`, as far as it is needed for an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// What is installed.
    #[serde(deserialize_with = "few")]
    pub context: Vec<Installed>,
    /// What is wanted.
    #[serde(deserialize_with = "few")]
    pub actions: Vec<Action>,
}

impl Asked {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

/// A list, or `null` for an empty one, of at most [`MAX_ENTRIES`].
fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(Few(PhantomData))
}

struct Few<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX_ENTRIES} entries")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            if list.len() == MAX_ENTRIES {
                return Err(A::Error::invalid_length(MAX_ENTRIES + 1, &self));
            }
            list.push(entry);
        }
        Ok(list)
    }
}
