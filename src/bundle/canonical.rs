//! The one text of each JSON value in a bundle: keys sorted by their bytes, integers only, nothing that is unset.
//!
//! A text is written by one function and parsed by one, which serializes again what it parsed and refuses a text that differs.
//! This rules out duplicate keys, other spellings, stray white space and numbers that readers could disagree on.
//!
//! Sorted keys rest on the order of the fields of the types that are written; the tests of each type check it with
//! [`is_sorted`].

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::format_error::FormatError;

/// The largest integer in a bundle: above it, readers that use IEEE 754 doubles would disagree with us.
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Returns the text of a file that is signed as a whole: indented by two spaces, with a final LF.
pub(crate) fn to_text(value: &impl Serialize) -> Result<String, FormatError> {
    let mut bytes = Vec::new();
    write_text(value, &mut bytes)?;
    check_tokens(&bytes)?;
    String::from_utf8(bytes).map_err(|_| FormatError::NotCanonical)
}

/// Parses the text of a file that is signed as a whole. The caller has verified the signature over `bytes` first.
pub(crate) fn parse_text<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, FormatError> {
    let value: T = serde_json::from_slice(bytes).map_err(FormatError::Syntax)?;
    check_tokens(bytes)?;
    let mut rest = Unwritten(bytes);
    match write_text(&value, &mut rest).is_ok() && rest.0.is_empty() {
        true => Ok(value),
        false => Err(FormatError::NotCanonical),
    }
}

/// Does the same for a text with the key `format`. Another format than `known` is the reason, whatever else differs in it.
pub(crate) fn parse_text_of_format<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    known: u64,
) -> Result<T, FormatError> {
    match serde_json::from_slice(bytes) {
        Ok(FormatKey { format: found }) if found != known => Err(FormatError::OtherFormat { found, known }),
        _ => parse_text(bytes),
    }
}

/// The key that texts of all formats have.
#[derive(Deserialize)]
struct FormatKey {
    format: u64,
}

/// Appends the line of a list, with its LF.
pub(crate) fn push_line(value: &impl Serialize, to: &mut Vec<u8>) -> Result<(), FormatError> {
    let start = to.len();
    serde_json::to_writer(&mut *to, value).map_err(FormatError::Syntax)?;
    to.push(b'\n');
    check_tokens(to.get(start..).unwrap_or_default())
}

/// Parses the line of a list, with its LF.
pub(crate) fn parse_line<T: Serialize + DeserializeOwned>(line: &[u8]) -> Result<T, FormatError> {
    let text = line.strip_suffix(b"\n").ok_or(FormatError::NotCanonical)?;
    let value: T = serde_json::from_slice(text).map_err(FormatError::Syntax)?;
    check_tokens(text)?;
    let mut rest = Unwritten(text);
    match serde_json::to_writer(&mut rest, &value).is_ok() && rest.0.is_empty() {
        true => Ok(value),
        false => Err(FormatError::NotCanonical),
    }
}

fn write_text(value: &impl Serialize, to: &mut impl Write) -> Result<(), FormatError> {
    serde_json::to_writer_pretty(&mut *to, value).map_err(FormatError::Syntax)?;
    to.write_all(b"\n")?;
    Ok(())
}

/// The rest of a text that is known; nothing else can be written to it. So a large text is compared without a second one in memory.
struct Unwritten<'a>(&'a [u8]);

impl Write for Unwritten<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses `null`, `false`, signs, fractions, exponents and integers above [`MAX_INTEGER`] in valid JSON.
fn check_tokens(json: &[u8]) -> Result<(), FormatError> {
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'"' => behind_string(after),
            b'0'..=b'9' => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (number, after) = rest.split_at(digits);
                let number = std::str::from_utf8(number).ok().and_then(|text| text.parse::<u64>().ok());
                let is_integer = !matches!(after.first(), Some(b'e' | b'E'));
                number.filter(|number| *number <= MAX_INTEGER && is_integer).ok_or(FormatError::Number)?;
                after
            }
            b'-' | b'+' | b'.' => return Err(FormatError::Number),
            b'n' | b'f' => return Err(FormatError::NotCanonical),
            _ => after,
        };
    }
    Ok(())
}

/// Returns what follows the string whose opening quote stood before `rest`.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    loop {
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(at) if rest.get(at) == Some(&b'\\') => rest = rest.get(at + 2..).unwrap_or_default(),
            Some(at) => return rest.get(at + 1..).unwrap_or_default(),
            None => return &[],
        }
    }
}

/// Returns `true` if the value's keys stand in the order of their bytes at every level.
#[cfg(test)]
pub(crate) fn is_sorted(value: &impl Serialize) -> bool {
    let sorted = serde_json::to_value(value).and_then(|value| serde_json::to_string(&value));
    sorted.is_ok_and(|sorted| serde_json::to_string(value).is_ok_and(|text| text == sorted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn one_spelling_of_a_value_is_accepted() {
        let value = json!({"a": [1, {"b": "x\u{1}\"\\/é\u{7f}"}], "c": true});
        let text = to_text(&value).unwrap();
        assert_eq!(
            text,
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x\\u0001\\\"\\\\/é\u{7f}\"\n    }\n  ],\n  \"c\": true\n}\n"
        );
        assert_eq!(parse_text::<Value>(text.as_bytes()).unwrap(), value);
        for (from, to) in [
            ("\n}\n", "\n}"),
            ("\n}\n", "\n}\n\n"),
            ("  \"a\"", "\t\"a\""),
            ("\\u0001", "\\u0001\\u0041"),
            ("é", "\\u00e9"),
            ("/", "\\/"),
            ("\"c\": true", "\"c\": true,\n  \"c\": true"),
            ("1,", "1 ,"),
        ] {
            assert!(text.contains(from));
            assert!(parse_text::<Value>(text.replacen(from, to, 1).as_bytes()).is_err(), "{from:?} to {to:?}");
        }
    }

    #[test]
    fn only_integers_that_doubles_hold_are_numbers() {
        for number in ["0", "1", "9007199254740991"] {
            assert!(parse_line::<Value>(format!("{number}\n").as_bytes()).is_ok(), "{number}");
        }
        for number in ["9007199254740992", "18446744073709551615", "-1", "1.5", "1e300", "1E3", "0.0"] {
            assert!(parse_line::<Value>(format!("[{number}]\n").as_bytes()).is_err(), "{number}");
        }
        assert!(to_text(&(MAX_INTEGER + 1)).is_err());
        assert!(push_line(&json!({"a": -1}), &mut Vec::new()).is_err());
        assert!(push_line(&json!({"a": null}), &mut Vec::new()).is_err());
        assert!(push_line(&json!({"a": false}), &mut Vec::new()).is_err());
        assert!(push_line(&json!({"a": "-1 null 1.5 \\\" 9007199254740992"}), &mut Vec::new()).is_ok());
    }

    #[test]
    fn a_line_ends_with_one_line_feed() {
        for line in ["{}", "{}\n\n", "{}\r\n", " {}\n", "\n", ""] {
            assert!(parse_line::<Value>(line.as_bytes()).is_err(), "{line:?}");
        }
        assert!(parse_line::<Value>(b"{}\n").is_ok());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            (0..=MAX_INTEGER).prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(Value::from(true)),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
            let object = prop::collection::btree_map("\\PC{0,4}", inner, 0..4);
            prop_oneof![list, object.prop_map(|map| Value::Object(map.into_iter().collect()))]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(value in values()) {
            let text = to_text(&value).unwrap();
            prop_assert_eq!(&parse_text::<Value>(text.as_bytes()).unwrap(), &value);
            let mut line = Vec::new();
            push_line(&value, &mut line).unwrap();
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            prop_assert_eq!(parse_line::<Value>(&line).unwrap(), value);
        }

        #[test]
        fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "[\\[\\]{}\",:\\\\0-9a-z. \n-]{0,40}") {
            let _ = (parse_text::<Value>(&bytes), parse_line::<Value>(&bytes), check_tokens(&bytes));
            let _ = (parse_text::<Value>(text.as_bytes()), parse_line::<Value>(text.as_bytes()), check_tokens(text.as_bytes()));
        }
    }
}
