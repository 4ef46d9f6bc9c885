//! The place at which a snap is listed: `ARCHITECTURE:CHANNEL`, as a snap's item has it.

use std::fmt;
use std::str::FromStr;

use crate::formats::{Invalid, shortened};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::channel::Channel;

/// What fits every architecture, in a snap's own words.
pub const ALL: &str = "all";

/// A channel offers the snap to devices of one architecture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelListing {
    /// As dpkg calls it, or `all`.
    pub architecture: String,
    /// The channel.
    pub channel: Channel,
}

/// Returns whether this may be an architecture, as dpkg writes them.
pub(super) fn is_architecture(word: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&word.len()) && word.bytes().all(is_good)
}

/// Reads what [`Display`](fmt::Display) writes, and nothing else.
impl FromStr for ChannelListing {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (architecture, channel) = text.split_once(':').ok_or_else(|| malformed(text))?;
        let channel = channel.parse().map_err(|_| malformed(text))?;
        let listing = Self { architecture: architecture.to_owned(), channel };
        match is_architecture(architecture) && listing.to_string() == text {
            true => Ok(listing),
            false => Err(malformed(text)),
        }
    }
}

impl fmt::Display for ChannelListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.architecture, self.channel)
    }
}

impl Serialize for ChannelListing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChannelListing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ChannelListing {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ChannelListing".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!( {"type": "string", "description": "ARCHITECTURE:TRACK/RISK or ARCHITECTURE:TRACK/RISK/BRANCH"})
    }
}

fn malformed(text: &str) -> Invalid {
    Invalid::new(format!("{:?} is not ARCHITECTURE:TRACK/RISK", shortened(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_are_read_as_they_are_written() {
        for text in ["amd64:3.6/stable", "all:latest/edge/fix"] {
            assert_eq!(text.parse::<ChannelListing>().unwrap().to_string(), text);
        }
        for bad in ["", "amd64", ":stable", "amd64:stable", "AMD64:a/stable", "a:x/stable b:x/stable"] {
            assert!(bad.parse::<ChannelListing>().is_err(), "{bad:?}");
        }
    }
}
