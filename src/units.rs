//! Sizes and times as people write them.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A number of bytes, written as `4 GB` (10⁹), `4 GiB` (2³⁰), `700 MB`, as bytes alone, or by a medium: `FAT32`, `DVD`, `BD-R`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A number of days, written as `90 days` or `12 weeks`; at most ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days(pub u32);

/// A share, written as `5 %`; from 1 to 50.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u32);

/// The largest number of spare volumes of a bundle.
pub const MAX_SPARES: u32 = 8;

/// A number of spare volumes, at most [`MAX_SPARES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spares(pub u32);

/// The text is no size or time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not {wanted}")]
pub struct MalformedUnit {
    text: String,
    wanted: &'static str,
}

/// Sizes of volumes, by the medium that they are for, in bytes.
///
/// - FAT32 has files of up to 4 GiB − 1.
/// - A DVD has 4.7 GB, and ISO 9660 files of up to 4 GiB − 1 on it: one volume, and room for the largest manifest (ECMA-267, ECMA-119).
/// - A BD-R has 25.0 GB, of which formatting for spare sectors takes 0.3 GB, and the largest manifest as much.
const MEDIA: [(&str, u64); 3] = [("FAT32", Bytes::FAT32.0), ("DVD", 4_290_000_000), ("BD-R", 24_000_000_000)];

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

impl Bytes {
    /// The largest volume for FAT32, rounded down.
    pub const FAT32: Self = Self(4_000_000_000);
}

impl FromStr for Bytes {
    type Err = MalformedUnit;

    fn from_str(text: &str) -> Result<Self, MalformedUnit> {
        if let Some((_, bytes)) = MEDIA.iter().find(|(name, _)| *name == text.trim()) {
            return Ok(Self(*bytes));
        }
        let bytes = split(text).and_then(|(number, unit)| {
            let factor: u64 = match unit {
                "" | "B" => 1,
                "kB" => 1_000,
                "KiB" => 1 << 10,
                "MB" => 1_000_000,
                "MiB" => 1 << 20,
                "GB" => 1_000_000_000,
                "GiB" => 1 << 30,
                "TB" => 1_000_000_000_000,
                "TiB" => 1 << 40,
                _ => return None,
            };
            number.checked_mul(factor)
        });
        let malformed =
            || MalformedUnit { text: text.chars().take(64).collect(), wanted: "a size such as \"4 GB\" or \"4 GiB\"" };
        bytes.map(Self).ok_or_else(malformed)
    }
}

impl FromStr for Days {
    type Err = MalformedUnit;

    fn from_str(text: &str) -> Result<Self, MalformedUnit> {
        let days = split(text).and_then(|(number, unit)| {
            let factor = match unit {
                "day" | "days" => 1,
                "week" | "weeks" => 7,
                _ => return None,
            };
            number
                .checked_mul(factor)
                .and_then(|days| u32::try_from(days).ok())
                .filter(|days| (1..=3660).contains(days))
        });
        let malformed = || MalformedUnit {
            text: text.chars().take(64).collect(),
            wanted: "a time such as \"90 days\" or \"12 weeks\"",
        };
        days.map(Self).ok_or_else(malformed)
    }
}

impl FromStr for Percent {
    type Err = MalformedUnit;

    fn from_str(text: &str) -> Result<Self, MalformedUnit> {
        let percent = split(text).filter(|(_, unit)| *unit == "%").and_then(|(number, _)| u32::try_from(number).ok());
        let percent = percent.filter(|percent| (1..=50).contains(percent));
        let malformed = || MalformedUnit {
            text: text.chars().take(64).collect(),
            wanted: "a share such as \"5 %\", at most \"50 %\"",
        };
        percent.map(Self).ok_or_else(malformed)
    }
}

impl<'de> Deserialize<'de> for Spares {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        let spares = u32::try_from(number).ok().filter(|number| *number <= MAX_SPARES);
        let refuse = || serde::de::Error::custom(format!("{number} is not a number of spare volumes: at most 8"));
        spares.map(Self).ok_or_else(refuse)
    }
}

/// Decimal units, as media are sold by: `95.2 MB`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TB", 1_000_000_000_000_u64), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
        match units.into_iter().find(|(_, factor)| self.0 >= *factor) {
            None => write!(f, "{} B", self.0),
            Some((unit, factor)) => write!(f, "{}.{} {unit}", self.0 / factor, self.0 % factor * 10 / factor),
        }
    }
}

macro_rules! deserialize_from_text {
    ($type:ty) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
deserialize_from_text!(Bytes);
deserialize_from_text!(Days);
deserialize_from_text!(Percent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, bytes) in
            [("4 GB", 4_000_000_000), ("1KiB", 1024), ("512", 512), (" 2 TiB ", 2 << 40), ("DVD", 4_290_000_000)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "GB", "dvd", "4 gb", "-1", "99999999999 TB", "1.5 GB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        assert_eq!(("90 days".parse(), "2 weeks".parse()), (Ok(Days(90)), Ok(Days(14))));
        for text in ["90", "0 days", "4000 days", "1 year"] {
            assert!(text.parse::<Days>().is_err(), "{text}");
        }
        assert_eq!(("5 %".parse(), "50%".parse()), (Ok(Percent(5)), Ok(Percent(50))));
        for text in ["", "5", "0 %", "51 %", "%", "-1 %"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
        assert_eq!([999, 1000, 95_211_000].map(|n| Bytes(n).to_string()), ["999 B", "1.0 kB", "95.2 MB"]);
    }
}
