//! What a site says of itself to the online side, in a small text that people can read and that the site's key signs.
//!
//! A *receipt* says which state the site has published, so that the next export need not carry it again; which states it holds
//! and has not published; and which it has refused. A *request* is a receipt that lists the blobs which the site lacks for a
//! state that it holds in part. Both are one form, clear-signed (RFC 4880, section 7), so that `gpgv` can check it too.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::formats::Invalid;
use crate::formats::openpgp::{Keyring, SiteKey, verify_clear_signed};
use crate::label::Label;
use crate::numbers::{Epoch, Sequence};
use crate::time::Time;

/// The most blobs that a receipt names, for its writer and for its reader. A site that lacks more needs all content anew.
pub const MAX_LACKED_BLOBS: usize = 250_000;
/// The largest receipt that is read, in bytes.
pub const MAX_RECEIPT_BYTES: u64 = 20 << 20;

const HEAD: &str = "gapferry receipt 2";

/// Orders the receipts and requests of one site: the higher number is the newer word.
///
/// A hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): the microseconds since 1970 that the site's clock
/// shows, or one more than the site's last number if the clock is not beyond that. So numbers rise within one second and after
/// the clock was set back, and a site that was restored from a backup still gives a higher number than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReceiptNumber(u64);

impl ReceiptNumber {
    /// Returns the number that follows `last` when the clock shows `clock`.
    pub fn after(last: Option<Self>, clock: Timestamp) -> Self {
        let clock = u64::try_from(clock.as_microsecond()).unwrap_or_default();
        Self(last.map_or(clock, |last| clock.max(last.0.saturating_add(1))))
    }
}

impl fmt::Display for ReceiptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for ReceiptNumber {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The most states of each list of a receipt.
const MAX_STATES: usize = 1024;

/// The states of one name that a site has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The site.
    pub site: Label,
    /// Which of its bundles.
    pub name: Label,
    /// The site's epoch.
    pub epoch: Epoch,
    /// Orders this among the site's receipts and requests.
    pub number: ReceiptNumber,
    /// The site's clock. Tells people the age of the receipt and orders nothing.
    pub made: Time,
    /// The newest state that the site has published and still holds; `None` if it has none.
    pub published: Option<ReceiptState>,
    /// States that the site holds, all of them or in part, and has not published.
    pub held: BTreeSet<ReceiptState>,
    /// States that the site has refused.
    pub refused: BTreeSet<ReceiptState>,
    /// Blobs of published and held states that the site does not hold.
    pub lacks: BTreeSet<Sha256>,
}

/// A state in a receipt. Ordered by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReceiptState {
    /// Its sequence.
    pub sequence: Sequence,
    /// Digest of its manifest.
    pub manifest: Sha256,
}

impl fmt::Display for ReceiptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sequence, self.manifest)
    }
}

impl std::str::FromStr for ReceiptState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sequence, manifest) = text.split_once(' ').ok_or(())?;
        Ok(Self { sequence: sequence.parse().map_err(|_| ())?, manifest: manifest.parse().map_err(|_| ())? })
    }
}

/// Why a text is no receipt.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error("the receipt is not signed by the site's key")]
    Signature(#[from] Invalid),
    #[error("line {line} of the receipt is malformed")]
    Malformed { line: usize },
}

impl Receipt {
    /// The text, signed.
    pub fn sign(&self, key: &SiteKey) -> Result<String, Invalid> {
        key.sign_clear(&self.to_text(), self.made.unix())
    }

    /// Checks the signature and reads the text.
    pub fn verify(message: &[u8], keyring: &Keyring, now: Time) -> Result<Self, ReceiptError> {
        Self::parse(&verify_clear_signed(message, keyring, now.unix())?.text)
    }

    /// Returns `true` if the site holds the state whose manifest has this digest, all of it or in part.
    pub fn knows(&self, manifest: &Sha256) -> bool {
        self.published.iter().chain(&self.held).any(|state| state.manifest == *manifest)
    }

    fn to_text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for (key, value) in self.fields() {
            let _ = writeln!(text, "{key}: {value}"); // a String takes all
        }
        for (key, states) in [("Held", &self.held), ("Refused", &self.refused)] {
            // A reader takes no more; the newest count.
            for state in states.iter().skip(states.len().saturating_sub(MAX_STATES)) {
                let _ = writeln!(text, "{key}: {state}");
            }
        }
        for digest in &self.lacks {
            let _ = writeln!(text, "Lacks: {digest}");
        }
        text
    }

    fn fields(&self) -> [(&'static str, String); 6] {
        [
            ("Site", self.site.to_string()),
            ("Name", self.name.to_string()),
            ("Epoch", self.epoch.to_string()),
            ("Number", self.number.to_string()),
            ("Made", self.made.to_string()),
            ("Published", self.published.map_or_else(|| "none".to_owned(), |state| state.to_string())),
        ]
    }

    /// Reads the text. There is one text for each receipt.
    fn parse(text: &[u8]) -> Result<Self, ReceiptError> {
        let text = std::str::from_utf8(text).map_err(|_| ReceiptError::Malformed { line: 1 })?;
        let mut lines = (1..).zip(text.lines());
        let mut at = 1;
        let mut read = || -> Option<Self> {
            lines.next().filter(|(_, head)| *head == HEAD)?;
            let mut next = |key: &str| {
                let (number, line) = lines.next()?;
                at = number;
                line.strip_prefix(key)?.strip_prefix(": ")
            };
            let mut receipt = Self {
                site: next("Site")?.parse().ok()?,
                name: next("Name")?.parse().ok()?,
                epoch: next("Epoch")?.parse().ok()?,
                number: next("Number")?.parse().ok()?,
                made: next("Made")?.parse().ok()?,
                published: match next("Published")? {
                    "none" => None,
                    state => Some(state.parse().ok()?),
                },
                held: BTreeSet::new(),
                refused: BTreeSet::new(),
                lacks: BTreeSet::new(),
            };
            for (number, line) in lines.by_ref() {
                at = number;
                receipt.add(line)?;
            }
            (receipt.to_text() == text).then_some(receipt)
        };
        read().ok_or(ReceiptError::Malformed { line: at })
    }

    /// Takes a line behind the head. Returns `None` if it is malformed.
    fn add(&mut self, line: &str) -> Option<()> {
        let (key, value) = line.split_once(": ")?;
        let states = match key {
            "Held" => &mut self.held,
            "Refused" => &mut self.refused,
            "Lacks" => {
                self.lacks.insert(value.parse().ok()?);
                return (self.lacks.len() <= MAX_LACKED_BLOBS).then_some(());
            }
            _ => return None,
        };
        states.insert(value.parse().ok()?);
        (states.len() <= MAX_STATES).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state(sequence: u64) -> ReceiptState {
        ReceiptState { sequence: sequence.try_into().unwrap(), manifest: Sha256::of(&sequence.to_be_bytes()) }
    }

    fn receipt(lacks: &[u8]) -> Receipt {
        Receipt {
            site: "dc1".parse().unwrap(),
            name: "base".parse().unwrap(),
            epoch: Epoch::FIRST,
            number: ReceiptNumber(1_795_255_200_123_456),
            made: Time::from_unix(1_795_255_200).unwrap(),
            published: Some(state(42)),
            held: BTreeSet::from([state(43), state(44)]),
            refused: BTreeSet::from([state(41)]),
            lacks: lacks.iter().map(|byte| Sha256::of(&[*byte])).collect(),
        }
    }

    #[test]
    fn what_is_signed_is_read_back_and_nothing_else() {
        let (key, other) = (SiteKey::generate("a", 0).unwrap(), SiteKey::generate("b", 0).unwrap());
        let keyring = |key: &SiteKey| Keyring::parse(&key.public_binary().unwrap()).unwrap();
        let now = Time::from_unix(1_795_255_300).unwrap();
        for lacks in [&[][..], &[1, 2, 3]] {
            let receipt = receipt(lacks);
            let text = receipt.sign(&key).unwrap();
            assert_eq!(Receipt::verify(text.as_bytes(), &keyring(&key), now).unwrap(), receipt);
            let forged = text.replace("Published: 42", "Published: 43");
            for (text, keyring) in [(&text, keyring(&other)), (&forged, keyring(&key))] {
                let error = Receipt::verify(text.as_bytes(), &keyring, now).unwrap_err();
                assert!(matches!(error, ReceiptError::Signature(_)));
            }
        }
    }

    #[test]
    fn there_is_one_text_for_each() {
        let text = receipt(&[1, 2]).to_text();
        assert_eq!(Receipt::parse(text.as_bytes()).unwrap(), receipt(&[1, 2]));
        for (from, to) in [
            ("Epoch: 1", "Epoch: 01"),
            ("Published: 42", "Published: 0"),
            ("Published: 42", "Published: 9007199254740992"),
            ("Number: ", "Number: 0"),
            ("Site: ", "Site:  "),
            ("\nName", "\n\nName"),
            (HEAD, "receipt 2"),
            ("Published: 42", "Published: 042"),
            ("Held: 43", "Held: 45"),
            ("Refused: ", "Rejected: "),
            ("Held: 44", "Published: 44"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(Receipt::parse(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
        assert!(Receipt::parse(format!("{text}Lacks: {}\n", Sha256::of(&[1])).as_bytes()).is_err(), "unsorted");
    }

    #[test]
    fn rejects_more_blobs_than_a_site_names() {
        let lacks = |count: usize| (0..count).map(|number| Sha256::of(&number.to_be_bytes())).collect();
        let text = |count| Receipt { lacks: lacks(count), ..receipt(&[]) }.to_text();
        let largest = text(MAX_LACKED_BLOBS);
        assert!((largest.len() as u64) < MAX_RECEIPT_BYTES);
        assert_eq!(Receipt::parse(largest.as_bytes()).unwrap().lacks.len(), MAX_LACKED_BLOBS);
        assert!(Receipt::parse(text(MAX_LACKED_BLOBS + 1).as_bytes()).is_err());
    }

    #[test]
    fn names_the_newest_of_many_refused_states() {
        let all: BTreeSet<ReceiptState> = (1..=MAX_STATES as u64 + 5).map(state).collect();
        let text = Receipt { refused: all.clone(), ..receipt(&[]) }.to_text();
        assert_eq!(Receipt::parse(text.as_bytes()).unwrap().refused, all.into_iter().skip(5).collect());
    }

    #[test]
    fn numbers_rise_whatever_the_clock_does() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let first = ReceiptNumber::after(None, at(1000));
        assert_eq!(first, ReceiptNumber(1_000_000_000));
        let stopped = ReceiptNumber::after(Some(first), at(1000));
        let set_back = ReceiptNumber::after(Some(stopped), at(500));
        assert_eq!([stopped, set_back], [ReceiptNumber(1_000_000_001), ReceiptNumber(1_000_000_002)]);
        // A backup of the site has an older number; the clock makes up for that.
        assert!(ReceiptNumber::after(Some(first), at(1001)) > set_back);
        assert_eq!(ReceiptNumber::after(None, Timestamp::MIN), ReceiptNumber(0));
        assert_eq!(ReceiptNumber::after(Some(ReceiptNumber(u64::MAX)), at(0)), ReceiptNumber(u64::MAX));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(gapferry receipt 2\n)?(\\PC{0,40}\n){0,9}") {
            let _ = Receipt::parse(text.as_bytes());
        }
    }
}
