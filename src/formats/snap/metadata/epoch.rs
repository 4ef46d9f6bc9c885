//! The three ways to write an epoch: `1`, `1*`, and lists of what is read and written (snapd's `snap/epoch.go`).

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::Epoch;

/// Most numbers in a list.
const MAX_NUMBERS: usize = 10;

/// An epoch as `snap.yaml` has it.
#[derive(Debug, Default)]
pub(super) struct EpochYaml(pub(super) Epoch);

#[derive(serde::Deserialize)]
struct EpochLists {
    read: Option<Vec<u32>>,
    write: Option<Vec<u32>>,
}

impl<'de> Deserialize<'de> for EpochYaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EpochVisitor)
    }
}

struct EpochVisitor;

impl<'de> Visitor<'de> for EpochVisitor {
    type Value = EpochYaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an epoch: a number, perhaps with a star, or lists \"read\" and \"write\"")
    }

    fn visit_unit<E: Error>(self) -> Result<EpochYaml, E> {
        Ok(EpochYaml::default())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<EpochYaml, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<EpochYaml, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<EpochYaml, E> {
        short(text).map(EpochYaml).ok_or_else(|| E::custom("no number that an epoch can have"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EpochYaml, A::Error> {
        let lists = EpochLists::deserialize(MapAccessDeserializer::new(map))?;
        let epoch = structured(lists).filter(is_good).map(EpochYaml);
        epoch.ok_or_else(|| A::Error::custom("an epoch needs rising numbers, one of which is both read and written"))
    }
}

fn short(text: &str) -> Option<Epoch> {
    let (digits, star) = text.strip_suffix('*').map_or((text, false), |digits| (digits, true));
    let plain = digits == "0" || !digits.starts_with('0');
    let digits = Some(digits).filter(|digits| plain && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    if digits.is_empty() && !star {
        return Some(Epoch::default());
    }
    let number: u32 = digits.parse().ok()?;
    // With a star, what the epoch before it wrote is read too.
    let read = if star { vec![number.checked_sub(1)?, number] } else { vec![number] };
    Some(Epoch { read, write: vec![number] })
}

/// What is not said follows from what is.
fn structured(lists: EpochLists) -> Option<Epoch> {
    let (read, write) = match (lists.read, lists.write) {
        (None, None) => return Some(Epoch::default()),
        (None, Some(write)) => (write.clone(), write),
        (Some(read), None) => (read.clone(), vec![*read.last()?]),
        (Some(read), Some(write)) => (read, write),
    };
    Some(Epoch { read, write })
}

fn is_good(epoch: &Epoch) -> bool {
    let rises = |list: &[u32]| (1..=MAX_NUMBERS).contains(&list.len()) && list.is_sorted_by(|a, b| a < b);
    rises(&epoch.read) && rises(&epoch.write) && epoch.read.iter().any(|number| epoch.write.contains(number))
}
