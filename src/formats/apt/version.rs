//! The order of Debian versions (deb-version(7)), on borrowed text.
//!
//! A solver compares versions by the hundred thousand, so nothing is parsed into owned parts here. Any text has a place
//! in the order, as it does for dpkg and apt.

use std::cmp::Ordering;

/// Compares two versions as dpkg and apt do.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a_upstream, a_revision) = split(a);
    let (b_epoch, b_upstream, b_revision) = split(b);
    compare_part(a_epoch, b_epoch)
        .then_with(|| compare_part(a_upstream, b_upstream))
        .then_with(|| compare_part(a_revision, b_revision))
}

/// Epoch, upstream version, Debian revision; what is missing is empty, which the order takes for zero.
fn split(version: &str) -> (&[u8], &[u8], &[u8]) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch.as_bytes(), upstream.as_bytes(), revision.as_bytes())
}

/// By turns a run of other characters and a run of digits, until one differs.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (a_text, a_rest) = split_run(a, |byte| !byte.is_ascii_digit());
        let (b_text, b_rest) = split_run(b, |byte| !byte.is_ascii_digit());
        let (a_number, a_rest) = split_run(a_rest, u8::is_ascii_digit);
        let (b_number, b_rest) = split_run(b_rest, u8::is_ascii_digit);
        let order = compare_text(a_text, b_text).then_with(|| compare_number(a_number, b_number));
        if order.is_ne() || (a_rest.is_empty() && b_rest.is_empty()) {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
}

fn split_run(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|byte| !belongs(byte)).unwrap_or(bytes.len()))
}

/// `~` sorts before the end, the end before letters, letters before everything else.
fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i16::from(*letter),
        Some(other) => i16::from(*other) + 256,
    };
    let longest = a.len().max(b.len());
    (0..longest).map(|at| rank(a.get(at)).cmp(&rank(b.get(at)))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare_number(a: &[u8], b: &[u8]) -> Ordering {
    let (_, a) = split_run(a, |digit| *digit == b'0');
    let (_, b) = split_run(b, |digit| *digit == b'0');
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_stand_in_this_order() {
        let rising = [
            "~",
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0a",
            "1.0~rc1-1",
            "1.0",
            "1.0-0a",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0+dfsg-1",
            "1.0.1",
            "1.2-1-1",
            "1.10",
            "9999999999999999999999999",
            "99999999999999999999999999",
            "1:0",
            "2:0",
            "10:0",
        ];
        for (place, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(compare(a, b), place.cmp(&other), "{a} {b}");
            }
        }
    }

    #[test]
    fn what_is_left_out_is_zero() {
        for (a, b) in [("1.0", "0:1.0-0"), ("1.0a", "1.0a0"), ("01.002", "1.2"), ("", "0")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "\\PC{0,12}", b in "[0-9a.+~:-]{0,12}", c in "[0-9a.~-]{0,6}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&c, &b), compare(&b, &c).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }

        #[test]
        fn another_implementation_agrees(a in "[1-9](\\.[0-9a~+]{0,3}[1-9]){0,3}(-[1-9][a1~]{0,2}[1-9])?", b in "[1-9](\\.[0-9a~+]{0,3}[1-9]){0,3}(-[1-9][a1~]{0,2}[1-9])?") {
            // Only versions that end in a digit: the crate takes 1.0a for less than 1.0a0, dpkg takes them for equal.
            let parse = |text: &str| text.parse::<debversion::Version>().unwrap();
            if !a.contains("a.") && !b.contains("a.") {
                prop_assert_eq!(compare(&a, &b), parse(&a).cmp(&parse(&b)));
            }
        }
    }
}
