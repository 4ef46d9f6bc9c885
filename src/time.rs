//! Points in time, to the second, in UTC: RFC 3339 in our own files, RFC 2822 in those of upstreams.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Seconds since 1970-01-01T00:00:00Z, written as `2026-11-22T10:00:00Z`. Between the years 1970 and 9999.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// The text or number is not a time that we can hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a time of the form 2026-11-22T10:00:00Z between 1970 and 9999")]
pub struct MalformedTime;

const LAST: i64 = 253_402_300_799; // 9999-12-31T23:59:59Z

impl Time {
    /// The time `seconds` after 1970-01-01T00:00:00Z.
    pub fn from_unix(seconds: i64) -> Result<Self, MalformedTime> {
        if (0..=LAST).contains(&seconds) { Ok(Self(seconds)) } else { Err(MalformedTime) }
    }

    /// The system's clock.
    pub fn now() -> Self {
        Self(Timestamp::now().as_second().clamp(0, LAST))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// This time and `seconds` more, held within the range of the type.
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds).clamp(0, LAST))
    }

    /// Reads a date such as `Sat, 21 Nov 2026 10:00:00 +0000` (RFC 2822), also with the zone names that archives use.
    pub fn parse_rfc2822(text: &str) -> Result<Self, MalformedTime> {
        let text = text.trim();
        let zone = |zone| text.strip_suffix(zone).map(|time| format!("{time} +0000"));
        let universal = zone(" UTC").or_else(|| zone(" Z"));
        let parser = DateTimeParser::new().relaxed_weekday(true);
        let time = parser.parse_timestamp(universal.as_deref().unwrap_or(text)).map_err(|_| MalformedTime)?;
        Self::from_unix(time.as_second())
    }

    /// Reads a date of a Release as apt does: RFC 1123, RFC 850 or asctime, with English names, in UTC.
    ///
    /// Like apt (`RFC1123StrToTime`), it tells the forms apart by the length of the weekday, and does not check that weekday.
    pub fn parse_release_date(text: &str) -> Result<Self, MalformedTime> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let weekday = words.first().ok_or(MalformedTime)?.to_ascii_lowercase();
        if !weekday.get(..3).is_some_and(|name| DAYS.contains(&name)) {
            return Err(MalformedTime);
        }
        let (day, month, year, time, zone) = match (weekday.len(), words.as_slice()) {
            (3, [_, month, day, time, year]) => (*day, *month, (*year).to_owned(), *time, "UTC"),
            (4, [_, day, month, year, time, zone]) if weekday.ends_with(',') => {
                (*day, *month, (*year).to_owned(), *time, *zone)
            }
            (5.., [_, date, time, zone]) if weekday.ends_with(',') => {
                let [day, month, year] = date.split('-').collect::<Vec<_>>().try_into().map_err(|_| MalformedTime)?;
                (day, month, (1900 + number(year)?).to_string(), *time, *zone)
            }
            _ => return Err(MalformedTime),
        };
        let offset = zone.strip_prefix(['+', '-']).unwrap_or("1");
        if !matches!(zone, "UTC" | "GMT" | "Z") && number(offset) != Ok(0) {
            return Err(MalformedTime);
        }
        let [hour, minute, second] = time.split(':').collect::<Vec<_>>().try_into().map_err(|_| MalformedTime)?;
        let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name)).ok_or(MalformedTime)? + 1;
        let (year, day) = (number(&year)?, number(day)?);
        let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        Self::from_unix(text.parse::<Timestamp>().map_err(|_| MalformedTime)?.as_second())
    }

    /// As RFC 2822 has it, without the zone: `Sat, 21 Nov 2026 10:00:00`.
    pub fn day_and_time(self) -> String {
        self.timestamp().strftime("%a, %d %b %Y %H:%M:%S").to_string()
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_second(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A number of at most four digits.
fn number(text: &str) -> Result<u16, MalformedTime> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().map_err(|_| MalformedTime) } else { Err(MalformedTime) }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Time {
    type Err = MalformedTime;

    fn from_str(text: &str) -> Result<Self, MalformedTime> {
        let time: Timestamp = text.parse().map_err(|_| MalformedTime)?;
        let time = Self::from_unix(time.as_second())?;
        if time.to_string() == text { Ok(time) } else { Err(MalformedTime) }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
            "description": "RFC 3339, UTC, whole seconds"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let time = Time::from_unix(1_795_341_600).unwrap();
        assert_eq!(time.to_string().parse(), Ok(time));
        for text in ["2026-11-22T10:00:00+00:00", "2026-11-22T10:00:00.5Z", "2026-11-22", "1969-12-31T23:59:59Z", ""] {
            assert_eq!(text.parse::<Time>(), Err(MalformedTime), "{text}");
        }
    }

    #[test]
    fn dates_of_a_release_are_read_as_apt_reads_them() {
        let unix = |text| Time::parse_release_date(text).map(Time::unix).ok();
        for text in ["Sat, 21 Nov 2026 10:00:00 UTC", "Fri, 21 Nov 2026 10:00:00 +0000", "Sat Nov 21 10:00:00 2026"] {
            assert_eq!(unix(text), Some(1_795_255_200), "{text}");
        }
        assert_eq!(unix("Sunday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(unix("Sun, 6 Nov 1994 8:49:37 GMT"), Some(784_111_777));
        for text in
            ["", "Sat", "Thu., 09 May 2024 10:00:00 UTC", "Mon, Jan 08 2024 10:00:00 UTC", "2024-05-09T10:00:00Z"]
        {
            assert_eq!(unix(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_date_of_a_release_is_read_or_refused(text in "(Sat|Sunday|\\PC{0,3}),? ?\\PC{0,30}", seconds in 0..4_000_000_000_i64) {
            let _ = Time::parse_release_date(&text);
            let time = Time::from_unix(seconds).unwrap();
            assert_eq!(Time::parse_release_date(&format!("{} UTC", time.day_and_time())), Ok(time));
        }
    }

    #[test]
    fn dates_are_read_in_the_forms_that_upstreams_use() {
        let unix = |text| Time::parse_rfc2822(text).map(Time::unix);
        let same = [
            "Sat, 21 Nov 2026 10:00:00 UTC",
            "Sat, 21 Nov 2026 10:00:00 +0000",
            "Sat, 21 Nov 2026 10:00:00 GMT",
            "21 Nov 2026 10:00:00 UTC",
            "Mon, 21 Nov 2026 12:00:00 +0200",
        ];
        assert_eq!(same.map(|text| unix(text).ok()), [Some(1_795_255_200); 5]);
        assert_eq!(unix("Sat, 1 Feb 2025 09:00:00 UTC"), Ok(1_738_400_400));
        assert_eq!(["", "2026-11-21", "Sat, 41 Nov 2026 10:00:00 UTC"].map(|text| unix(text).ok()), [None; 3]);
        assert_eq!(Time::from_unix(1_795_255_200).unwrap().day_and_time(), "Sat, 21 Nov 2026 10:00:00");
    }
}
