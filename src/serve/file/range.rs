//! The header `Range` (RFC 9110, section 14).

use axum::http::HeaderValue;

/// What of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    /// All of it: no range, one that is not understood, or several, which a server need not answer in parts.
    Whole,
    /// From byte `first` to byte `last`, both included.
    Part {
        /// Counted from 0.
        first: u64,
        /// Not before `first`, and within the file.
        last: u64,
    },
    /// Nothing of it is in the file.
    Unsatisfiable,
}

/// What `value` asks for of a file of `length` bytes.
pub(super) fn parse(value: &HeaderValue, length: u64) -> Ranges {
    value.to_str().ok().and_then(|text| of_text(text, length)).unwrap_or(Ranges::Whole)
}

fn of_text(text: &str, length: u64) -> Option<Ranges> {
    let (unit, set) = text.split_once('=')?;
    let (first, last) = set.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (first, last) {
        ("", suffix) => match number(suffix)?.min(length) {
            0 => Some(Ranges::Unsatisfiable),
            suffix => Some(Ranges::Part { first: length - suffix, last: length - 1 }),
        },
        (first, last) => {
            let first = number(first)?;
            let last = if last.is_empty() { u64::MAX } else { number(last)? };
            match (first <= last, first < length) {
                (false, _) => None,
                (true, false) => Some(Ranges::Unsatisfiable),
                (true, true) => Some(Ranges::Part { first, last: last.min(length - 1) }),
            }
        }
    }
}

/// Digits and nothing else; a number that is too large is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let of = |text: &str| parse(&HeaderValue::from_str(text).unwrap(), 10);
        let part = |first, last| Ranges::Part { first, last };
        for (text, wanted) in [
            ("bytes=0-", part(0, 9)),
            ("bytes=9-9", part(9, 9)),
            ("bytes=2-4", part(2, 4)),
            ("Bytes = 2-4", part(2, 4)),
            ("bytes=5-99999999999999999999999", part(5, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-30", part(0, 9)),
            ("bytes=-0", Ranges::Unsatisfiable),
            ("bytes=10-", Ranges::Unsatisfiable),
            ("bytes=99999999999999999999999-", Ranges::Unsatisfiable),
            ("bytes=4-2", Ranges::Whole),
            ("bytes=0-1,3-4", Ranges::Whole),
            ("bytes=", Ranges::Whole),
            ("bytes=-", Ranges::Whole),
            ("bytes=+1-2", Ranges::Whole),
            ("bytes=0x1-2", Ranges::Whole),
            ("bytes=1 - 2", Ranges::Whole),
            ("lines=1-2", Ranges::Whole),
            ("", Ranges::Whole),
        ] {
            assert_eq!(of(text), wanted, "{text}");
        }
        let of_nothing = |text: &str| parse(&HeaderValue::from_str(text).unwrap(), 0);
        assert_eq!((of_nothing("bytes=0-"), of_nothing("bytes=-1")), (Ranges::Unsatisfiable, Ranges::Unsatisfiable));
    }
}
