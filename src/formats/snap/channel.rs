//! Channels: TRACK/RISK/BRANCH, as snapd's `snap/channel/channel.go` reads them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest part of a channel that is taken, in bytes.
const MAX_PART_BYTES: usize = 128;
/// The track of those who name none.
const LATEST: &str = "latest";

/// How well a revision is known to work; the first is the best known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// For all.
    Stable,
    /// About to be stable.
    Candidate,
    /// For testers.
    Beta,
    /// The newest.
    Edge,
}

/// From the riskiest to the safest, as the store falls back.
const RISKS: [Risk; 4] = [Risk::Edge, Risk::Beta, Risk::Candidate, Risk::Stable];

impl Risk {
    /// The risk's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Candidate => "candidate",
            Self::Beta => "beta",
            Self::Edge => "edge",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        RISKS.into_iter().find(|risk| risk.as_str() == text)
    }
}

/// A channel in full.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// Whether the track is another than `latest`, so that `latest` sorts first.
    other: bool,
    track: String,
    risk: Risk,
    branch: Option<String>,
}

/// The text names no channel.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a channel: TRACK, RISK, TRACK/RISK, RISK/BRANCH or TRACK/RISK/BRANCH, such as 3.6/stable")]
pub struct MalformedChannel;

/// Whether this may be a track or a branch.
fn is_part(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    !text.is_empty() && text.len() <= MAX_PART_BYTES && text.chars().all(allowed)
}

impl Default for Channel {
    /// `latest/stable`.
    fn default() -> Self {
        Self::new(LATEST, Risk::Stable, None)
    }
}

impl Channel {
    fn new(track: &str, risk: Risk, branch: Option<&str>) -> Self {
        Self { other: track != LATEST, track: track.to_owned(), risk, branch: branch.map(str::to_owned) }
    }

    /// The track.
    pub fn track(&self) -> &str {
        &self.track
    }

    /// The branch, if it names one.
    pub fn branch(&self) -> Option<&str> {
        self.branch.as_deref()
    }

    /// The risk.
    pub fn risk(&self) -> Risk {
        self.risk
    }

    /// As it is shown: without a track that is `latest`.
    pub fn short(&self) -> String {
        let full = self.to_string();
        match full.strip_prefix("latest/") {
            Some(rest) => rest.to_owned(),
            None => full,
        }
    }

    /// This channel, and then those that a device gets its snap from while this one has none: without the branch, and
    /// then ever safer ones of the track.
    pub fn with_fallbacks(&self) -> impl Iterator<Item = Self> + '_ {
        let itself = self.branch.is_some().then(|| self.clone());
        let safer = RISKS.into_iter().filter(|risk| *risk <= self.risk);
        itself.into_iter().chain(safer.map(|risk| Self::new(&self.track, risk, None)))
    }
}

impl FromStr for Channel {
    type Err = MalformedChannel;

    fn from_str(text: &str) -> Result<Self, MalformedChannel> {
        let mut parts = text.splitn(4, '/');
        let parts = [(); 4].map(|()| parts.next());
        if !parts.into_iter().flatten().all(is_part) {
            return Err(MalformedChannel);
        }
        let risk = |text: &str| Risk::parse(text).ok_or(MalformedChannel);
        match parts {
            [Some(one), None, ..] => Ok(match Risk::parse(one) {
                Some(risk) => Self::new(LATEST, risk, None),
                None => Self::new(one, Risk::Stable, None),
            }),
            [Some(one), Some(two), None, _] => match Risk::parse(one) {
                Some(risk) => Ok(Self::new(LATEST, risk, Some(two))),
                None => Ok(Self::new(one, risk(two)?, None)),
            },
            [Some(track), Some(two), Some(branch), None] => Ok(Self::new(track, risk(two)?, Some(branch))),
            _ => Err(MalformedChannel),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.track, self.risk.as_str())?;
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
    fn short_forms_stand_for_whole_ones() {
        for (text, full) in [
            ("stable", "latest/stable"),
            ("edge", "latest/edge"),
            ("3.6", "3.6/stable"),
            ("latest", "latest/stable"),
            ("3.6/beta", "3.6/beta"),
            ("edge/fix", "latest/edge/fix"),
            ("latest/edge/fix", "latest/edge/fix"),
            ("3.6/candidate/fix-1", "3.6/candidate/fix-1"),
        ] {
            assert_eq!(text.parse::<Channel>().unwrap().to_string(), full, "{text}");
        }
        for text in [
            "",
            "/",
            "stable/",
            "/stable",
            "3.6/fix",
            "3.6//fix",
            "a/b/c",
            "3.6/stable/x/y",
            "a/stable/x/",
            "ä",
            "a b/stable",
        ] {
            assert_eq!(text.parse::<Channel>(), Err(MalformedChannel), "{text}");
        }
    }

    #[test]
    fn what_is_closed_falls_back_to_what_is_safer() {
        let ways = |text: &str| -> Vec<String> {
            text.parse::<Channel>().unwrap().with_fallbacks().map(|channel| channel.short()).collect()
        };
        assert_eq!(ways("edge"), ["edge", "beta", "candidate", "stable"]);
        assert_eq!(ways("stable"), ["stable"]);
        assert_eq!(ways("2/beta/x"), ["2/beta/x", "2/beta", "2/candidate", "2/stable"]);
    }

    #[test]
    fn latest_comes_first() {
        let mut channels: Vec<Channel> =
            ["3/stable", "edge", "2/edge", "stable", "2/stable"].map(|text| text.parse().unwrap()).to_vec();
        channels.sort();
        let sorted: Vec<String> = channels.iter().map(Channel::short).collect();
        assert_eq!(sorted, ["stable", "edge", "2/stable", "2/edge", "3/stable"]);
    }
}
