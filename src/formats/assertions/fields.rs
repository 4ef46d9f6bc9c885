//! Single headers, checked as snapd's `asserts/header_checks.go` does.

use jiff::Timestamp;

use super::headers::{Headers, Value};
use crate::digest::Sha3;
use crate::formats::Invalid;

pub(super) fn lacks(name: &str) -> Invalid {
    Invalid::new(format!("it has no {name}"))
}

pub(super) fn malformed(name: &str) -> Invalid {
    Invalid::new(format!("its {name} is malformed"))
}

/// The text of a header, empty or not, unless there is none.
pub(super) fn optional<'a>(headers: &'a Headers, name: &str) -> Result<Option<&'a str>, Invalid> {
    headers.get(name).map(|value| value.text().ok_or_else(|| malformed(name))).transpose()
}

/// The text of a header that must be there and not empty.
pub(super) fn text<'a>(headers: &'a Headers, name: &str) -> Result<&'a str, Invalid> {
    let text = optional(headers, name)?.ok_or_else(|| lacks(name))?;
    if text.is_empty() { Err(malformed(name)) } else { Ok(text) }
}

/// A number without sign or leading zeros; at most what snapd's signed 64-bit numbers hold.
pub(super) fn number(headers: &Headers, name: &str) -> Result<Option<u64>, Invalid> {
    let Some(text) = optional(headers, name)? else { return Ok(None) };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = text.parse().ok().filter(|number| plain && i64::try_from(*number).is_ok());
    number.map(Some).ok_or_else(|| malformed(name))
}

/// A number that must be there.
pub(super) fn must_number(headers: &Headers, name: &str) -> Result<u64, Invalid> {
    number(headers, name)?.ok_or_else(|| lacks(name))
}

/// The revision of a snap, which is at least 1, unless it is not there.
pub(super) fn snap_revision(headers: &Headers, name: &str) -> Result<Option<u64>, Invalid> {
    match number(headers, name)? {
        Some(0) => Err(malformed(name)),
        other => Ok(other),
    }
}

/// A SHA3-384 digest in base64url.
pub(super) fn digest(headers: &Headers, name: &str) -> Result<Sha3, Invalid> {
    text(headers, name)?.parse().map_err(|_| malformed(name))
}

/// A time that must be there.
pub(super) fn must_time(headers: &Headers, name: &str) -> Result<Timestamp, Invalid> {
    time(headers, name)?.ok_or_else(|| lacks(name))
}

/// A time of RFC 3339, such as `2016-04-01T00:00:00.0Z`.
pub(super) fn time(headers: &Headers, name: &str) -> Result<Option<Timestamp>, Invalid> {
    let Some(text) = optional(headers, name)? else { return Ok(None) };
    let time = is_rfc3339(text).then(|| text.parse().ok()).flatten();
    time.map(Some).ok_or_else(|| malformed(name))
}

/// Whether `text` has the shape of RFC 3339, since the parser takes more than that. A leap second has not, as in Go.
fn is_rfc3339(text: &str) -> bool {
    fn shape(text: &str, pattern: &str) -> bool {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
    }
    let Some((time, rest)) = text.split_at_checked(19) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    let offset = zone.strip_prefix(['+', '-']);
    let zone_is_good = zone == "Z" || offset.is_some_and(|offset| shape(offset, "00:00") && offset < "24:00");
    shape(time, "0000-00-00T00:00:00") && !time.ends_with("60") && zone_is_good
}

/// The texts of a list, none if it is not there.
pub(super) fn texts(headers: &Headers, name: &str) -> Result<Vec<String>, Invalid> {
    let Some(value) = headers.get(name) else { return Ok(Vec::new()) };
    let list = value.list().ok_or_else(|| malformed(name))?;
    list.iter().map(|entry| entry.text().map(str::to_owned)).collect::<Option<_>>().ok_or_else(|| malformed(name))
}

/// The maps of a list, none if it is not there.
pub(super) fn maps<'a>(headers: &'a Headers, name: &str) -> Result<Vec<&'a Headers>, Invalid> {
    let Some(value) = headers.get(name) else { return Ok(Vec::new()) };
    let list = value.list().ok_or_else(|| malformed(name))?;
    list.iter().map(Value::map).collect::<Option<_>>().ok_or_else(|| malformed(name))
}
