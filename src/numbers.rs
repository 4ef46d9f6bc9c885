//! Numbers that must not be mixed up: epochs, sequences and volumes.
//!
//! Each has its own range, which every text and every JSON value is checked against when it is read.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest integer in a manifest: above it, readers that use IEEE 754 doubles would disagree with us.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The text or the value is not a number of this type.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum MalformedNumber {
    /// The value is out of range.
    #[error("{number} is no {what}: the least is {least}, and the largest {most}")]
    OutOfRange {
        /// The value.
        number: u64,
        /// The name of the type, for people.
        what: &'static str,
        /// The least value of the type.
        least: u64,
        /// The largest value of the type.
        most: u64,
    },
    /// The text is not an integer.
    #[error("not a number")]
    NotANumber(#[from] ParseIntError),
}

macro_rules! number {
    ($(#[$about:meta])* $name:ident, $what:literal, $least:literal, $most:expr) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u64", into = "u64")]
        pub struct $name(u64);

        impl $name {
            /// The first one.
            pub const FIRST: Self = Self(1);
            /// The largest one.
            pub const MAX: Self = Self($most);

            /// Returns the plain number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl TryFrom<u64> for $name {
            type Error = MalformedNumber;

            fn try_from(number: u64) -> Result<Self, MalformedNumber> {
                match ($least..=$most).contains(&number) {
                    true => Ok(Self(number)),
                    false => Err(MalformedNumber::OutOfRange { number, what: $what, least: $least, most: $most }),
                }
            }
        }

        impl From<$name> for u64 {
            fn from(number: $name) -> u64 {
                number.0
            }
        }

        impl FromStr for $name {
            type Err = MalformedNumber;

            fn from_str(text: &str) -> Result<Self, MalformedNumber> {
                text.parse::<u64>()?.try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "integer", "minimum": $least, "maximum": $most })
            }
        }
    };
}

number! {
    /// The epoch of a site's trust. Sequences start afresh in a new one.
    Epoch, "epoch", 0, MAX_INTEGER
}

number! {
    /// The place of a bundle among those of its site, name and epoch. Rises by one with each bundle.
    Sequence, "sequence", 1, MAX_INTEGER
}

number! {
    /// The number of a volume in its packing, as in `volume-007.tar`.
    VolumeNumber, "number of a volume", 1, 9999
}

impl Sequence {
    /// Returns the sequence after this one. The largest is its own successor, which every site refuses as old.
    pub fn next(self) -> Self {
        self.after(1)
    }

    /// Returns the sequence `steps` later, at most the largest.
    pub fn after(self, steps: u64) -> Self {
        Self(self.0.saturating_add(steps).min(Self::MAX.0))
    }

    /// Returns the sequence `steps` earlier; `None` if that is before the first.
    pub fn before(self, steps: u64) -> Option<Self> {
        self.0.checked_sub(steps)?.try_into().ok()
    }

    /// Returns this sequence and those after it up to `last`.
    pub fn up_to(self, last: Self) -> impl Iterator<Item = Self> {
        (self.0..=last.0).map(Self)
    }
}

impl VolumeNumber {
    /// Returns all numbers, from the first.
    pub fn all() -> impl Iterator<Item = Self> {
        (Self::FIRST.0..=Self::MAX.0).map(Self)
    }

    /// Returns the number of the volume at `index` in a manifest's list; `None` if a bundle cannot have so many.
    pub fn at(index: usize) -> Option<Self> {
        u64::try_from(index).ok()?.checked_add(1)?.try_into().ok()
    }

    /// Returns the place of the volume in a manifest's list.
    pub fn index(self) -> usize {
        usize::try_from(self.0 - 1).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_values_out_of_range() {
        for text in ["0", "9007199254740992", "18446744073709551616", "-1", "1.0", ""] {
            assert!(text.parse::<Sequence>().is_err(), "{text}");
            assert!(serde_json::from_str::<Sequence>(text).is_err(), "{text}");
        }
        assert_eq!("9007199254740991".parse(), Ok(Sequence::MAX));
        assert!(Epoch::try_from(MAX_INTEGER + 1).is_err());
        assert_eq!(Epoch::try_from(0).map(Epoch::get), Ok(0));
        assert!("10000".parse::<VolumeNumber>().is_err());
        let error = "0".parse::<VolumeNumber>().unwrap_err().to_string();
        assert_eq!(error, "0 is no number of a volume: the least is 1, and the largest 9999");
    }

    #[test]
    fn json_is_the_plain_number() {
        assert_eq!(serde_json::to_string(&Epoch::FIRST).unwrap(), "1");
        assert_eq!(serde_json::from_str::<VolumeNumber>("7").unwrap().get(), 7);
    }

    #[test]
    fn sequences_stay_in_range() {
        let third = Sequence::FIRST.after(2);
        assert_eq!((third.before(2), third.before(3)), (Some(Sequence::FIRST), None));
        assert_eq!(Sequence::MAX.next(), Sequence::MAX);
        assert_eq!(Sequence::FIRST.up_to(third).map(Sequence::get).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(format!("{third:06}"), "000003");
    }

    #[test]
    fn volumes_count_from_one() {
        assert_eq!(VolumeNumber::at(0), Some(VolumeNumber::FIRST));
        assert_eq!(VolumeNumber::FIRST.index(), 0);
        assert_eq!(VolumeNumber::at(9998), Some(VolumeNumber::MAX));
        assert_eq!((VolumeNumber::at(9999), VolumeNumber::at(usize::MAX)), (None, None));
        assert_eq!(VolumeNumber::all().next(), Some(VolumeNumber::FIRST));
    }
}
