//! Where a snap is listed: `ARCHITECTURE:CHANNEL`, as the origin of a snap's item has it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

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

/// The text is not a listing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{:?} is not ARCHITECTURE:TRACK/RISK", .0)]
pub struct MalformedListing(String);

impl ChannelListing {
    /// Writes them with a space between.
    pub fn write_all(listings: &BTreeSet<Self>) -> String {
        listings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Reads what [`ChannelListing::write_all`] wrote, and nothing else.
    pub fn read_all(text: &str) -> Result<BTreeSet<Self>, MalformedListing> {
        let listings = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        match Self::write_all(&listings) == text {
            true => Ok(listings),
            false => Err(malformed(text)),
        }
    }
}

/// Returns whether this may be an architecture, as dpkg writes them.
pub(super) fn is_architecture(word: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&word.len()) && word.bytes().all(is_good)
}

impl FromStr for ChannelListing {
    type Err = MalformedListing;

    fn from_str(text: &str) -> Result<Self, MalformedListing> {
        let (architecture, channel) = text.split_once(':').ok_or_else(|| malformed(text))?;
        let channel = channel.parse().map_err(|_| malformed(text))?;
        match is_architecture(architecture) {
            true => Ok(Self { architecture: architecture.to_owned(), channel }),
            false => Err(malformed(text)),
        }
    }
}

impl fmt::Display for ChannelListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.architecture, self.channel)
    }
}

fn malformed(text: &str) -> MalformedListing {
    MalformedListing(text.chars().take(64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_are_read_as_they_are_written() {
        let text = "amd64:3.6/stable arm64:3.6/stable";
        assert_eq!(ChannelListing::write_all(&ChannelListing::read_all(text).unwrap()), text);
        for bad in [
            "",
            "amd64",
            ":stable",
            "amd64:stable",
            "AMD64:a/stable",
            "b:x/stable a:x/stable",
            "a:x/stable  b:x/stable",
        ] {
            assert!(ChannelListing::read_all(bad).is_err(), "{bad:?}");
        }
    }
}
