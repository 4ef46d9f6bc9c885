//! Channels: TRACK/RISK or TRACK/RISK/BRANCH, with the short forms that snapd takes (its `snap/channel/channel.go`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// From the safest to the least safe.
const RISKS: [&str; 4] = ["stable", "candidate", "beta", "edge"];
/// The track that is meant when none is named.
const LATEST: &str = "latest";
/// The longest part of a channel that is taken, in bytes.
const MAX_PART_BYTES: usize = 128;

/// A channel in full.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// Such as `latest` or `3.6`.
    pub track: String,
    /// `stable`, `candidate`, `beta` or `edge`.
    pub risk: String,
    /// A branch for a fix, which is short-lived.
    pub branch: Option<String>,
}

/// The text is not a channel.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{:?} is not a channel such as \"stable\", \"3.6\", \"3.6/stable\" or \"latest/edge/fix\"", .0)]
pub struct MalformedChannel(String);

impl Default for Channel {
    fn default() -> Self {
        Self { track: LATEST.to_owned(), risk: RISKS[0].to_owned(), branch: None }
    }
}

impl Channel {
    /// The channels in which snapd's store looks for what this one lacks: those of less risk, the nearest first, after this
    /// one itself.
    pub fn with_fallbacks(&self) -> impl Iterator<Item = Self> + '_ {
        let risk = RISKS.iter().position(|risk| *risk == self.risk).unwrap_or_default();
        let plain = (0..=risk).rev().map(|risk| Self { risk: RISKS[risk].to_owned(), branch: None, ..self.clone() });
        self.branch.iter().map(|_| self.clone()).chain(plain)
    }
}

impl FromStr for Channel {
    type Err = MalformedChannel;

    fn from_str(text: &str) -> Result<Self, MalformedChannel> {
        let part = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
            !part.is_empty() && part.len() <= MAX_PART_BYTES && part.chars().all(allowed)
        };
        let parts: Vec<&str> = text.split('/').collect();
        let is_risk = |part: &str| RISKS.contains(&part);
        let (track, risk, branch) = match parts[..] {
            [risk] if is_risk(risk) => (LATEST, risk, None),
            [track] => (track, RISKS[0], None),
            [risk, branch] if is_risk(risk) => (LATEST, risk, Some(branch)),
            [track, risk] if is_risk(risk) => (track, risk, None),
            [track, risk, branch] if is_risk(risk) => (track, risk, Some(branch)),
            _ => return Err(MalformedChannel(text.chars().take(64).collect())),
        };
        if !part(track) || !branch.is_none_or(part) {
            return Err(MalformedChannel(text.chars().take(64).collect()));
        }
        Ok(Self { track: track.to_owned(), risk: risk.to_owned(), branch: branch.map(str::to_owned) })
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.track, self.risk)?;
        self.branch.iter().try_for_each(|branch| write!(f, "/{branch}"))
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_the_ones_of_snapd() {
        for (text, full) in [
            ("stable", "latest/stable"),
            ("edge", "latest/edge"),
            ("3.6", "3.6/stable"),
            ("3.6/beta", "3.6/beta"),
            ("edge/fix-1", "latest/edge/fix-1"),
            ("3.6/edge/fix", "3.6/edge/fix"),
        ] {
            let channel: Channel = text.parse().unwrap();
            assert_eq!(channel.to_string(), full);
            assert_eq!(full.parse(), Ok(channel));
        }
        for bad in ["", "/", "a/b", "a/b/c", "stable/", "/stable", "a/stable/b/c", "ä", "a b", "latest/stable/"] {
            assert!(bad.parse::<Channel>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_a_channel_lacks_is_looked_for_where_the_risk_is_less() {
        let all = |text: &str| {
            let channel: Channel = text.parse().unwrap();
            channel.with_fallbacks().map(|channel| channel.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(all("stable"), "latest/stable");
        assert_eq!(all("1/beta"), "1/beta 1/candidate 1/stable");
        assert_eq!(all("1/candidate/x"), "1/candidate/x 1/candidate 1/stable");
    }
}
