//! Epoch, version and release, in rpm's own order (rpm-version(7)).

use std::cmp::Ordering;
use std::fmt;

/// What orders packages of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Evr {
    /// Goes before everything else; 0 where a package has none.
    pub epoch: u32,
    /// Upstream's version.
    pub version: String,
    /// The packager's release of it.
    pub release: String,
}

impl Evr {
    /// Which of two is newer. Versions that are spelled differently may be equal, as `1.0` and `1_0`.
    pub fn compare(&self, other: &Self) -> Ordering {
        let of_version = || compare(&self.version, &other.version);
        let of_release = || compare(&self.release, &other.release);
        self.epoch.cmp(&other.epoch).then_with(of_version).then_with(of_release)
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch > 0 {
            write!(f, "{}:", self.epoch)?;
        }
        write!(f, "{}-{}", self.version, self.release)
    }
}

/// Compares two texts of the form `[EPOCH:]VERSION[-RELEASE]` as rpm does. What is missing is 0 or empty, so that any text has a place.
pub fn compare_texts(a: &str, b: &str) -> Ordering {
    let (a, b) = (split_text(a), split_text(b));
    compare(a.epoch, b.epoch).then_with(|| compare(a.version, b.version)).then_with(|| compare(a.release, b.release))
}

/// The parts of a text.
struct EvrText<'a> {
    epoch: &'a str,
    version: &'a str,
    release: &'a str,
}

fn split_text(text: &str) -> EvrText<'_> {
    let is_epoch = |(epoch, _): &(&str, &str)| !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    let (epoch, rest) = text.split_once(':').filter(is_epoch).unwrap_or(("0", text));
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    EvrText { epoch, version, release }
}

/// Compares two versions, or two releases, as rpm does: by segments of digits or of letters. `~` goes before everything, even
/// the end, `^` behind the end and before everything else; other characters only separate.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        (a, b) = (skip_separators(a), skip_separators(b));
        let order = match (a, b) {
            ([b'~', a_rest @ ..], [b'~', b_rest @ ..]) | ([b'^', a_rest @ ..], [b'^', b_rest @ ..]) => {
                (a, b) = (a_rest, b_rest);
                continue;
            }
            ([b'~', ..], _) => Ordering::Less,
            (_, [b'~', ..]) => Ordering::Greater,
            ([], []) => return Ordering::Equal,
            ([], _) => Ordering::Less,
            (_, []) => Ordering::Greater,
            ([b'^', ..], _) => Ordering::Less,
            (_, [b'^', ..]) => Ordering::Greater,
            _ => {
                let ((a_segment, a_rest), (b_segment, b_rest)) = (segment(a), segment(b));
                (a, b) = (a_rest, b_rest);
                compare_segments(a_segment, b_segment)
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn skip_separators(bytes: &[u8]) -> &[u8] {
    let separates = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"~^".contains(byte);
    bytes.get(bytes.iter().take_while(|byte| separates(byte)).count()..).unwrap_or_default()
}

/// The run of digits or of letters at the start, and the rest.
fn segment(bytes: &[u8]) -> (&[u8], &[u8]) {
    let digits = bytes.first().is_some_and(u8::is_ascii_digit);
    let belongs = |byte: &&u8| if digits { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
    bytes.split_at(bytes.iter().take_while(belongs).count())
}

/// A number is newer than letters; numbers go by their value, whatever their length.
fn compare_segments(a: &[u8], b: &[u8]) -> Ordering {
    let is_number = |segment: &[u8]| segment.first().is_some_and(u8::is_ascii_digit);
    match (is_number(a), is_number(b)) {
        (true, true) => {
            let (a, b) = (strip_zeros(a), strip_zeros(b));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (false, false) => a.cmp(b),
        (a, b) => a.cmp(&b),
    }
}

fn strip_zeros(digits: &[u8]) -> &[u8] {
    digits.get(digits.iter().take_while(|digit| **digit == b'0').count()..).unwrap_or_default()
}
