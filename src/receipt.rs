//! What a site says of itself to the online side, in a small text that people can read and that the site's key signs.
//!
//! A *receipt* says which bundle the site has accepted, so that the next export need not carry it again. A *request* says
//! what the site lacks for a bundle that it could not import. Both are one form, clear-signed (RFC 4880, section 7), so that
//! `gpgv` can check it too.

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

/// The largest receipt that is read, in bytes: it names a million blobs.
pub const MAX_RECEIPT_BYTES: u64 = 80 << 20;

const HEAD: &str = "gapferry receipt 1";

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

/// What a site has of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The site.
    pub site: Label,
    /// Which of its bundles.
    pub name: Label,
    /// The site's epoch.
    pub epoch: Epoch,
    /// The bundle's sequence; `None` if the site has no bundle of this name, which the text writes as 0.
    pub sequence: Option<Sequence>,
    /// Digest of the bundle's manifest; none if the site has none.
    pub manifest: Option<Sha256>,
    /// Orders this among the site's receipts and requests.
    pub number: ReceiptNumber,
    /// The site's clock. Tells people the age of the receipt and orders nothing.
    pub made: Time,
    /// Blobs of the bundle that the site does not hold.
    pub lacks: BTreeSet<Sha256>,
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

    fn to_text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for (key, value) in self.fields() {
            let _ = writeln!(text, "{key}: {value}"); // a String takes all
        }
        for digest in &self.lacks {
            let _ = writeln!(text, "Lacks: {digest}");
        }
        text
    }

    fn fields(&self) -> [(&'static str, String); 7] {
        [
            ("Site", self.site.to_string()),
            ("Name", self.name.to_string()),
            ("Epoch", self.epoch.to_string()),
            ("Sequence", self.sequence.map_or(0, Sequence::get).to_string()),
            ("Manifest", self.manifest.map_or_else(|| "none".to_owned(), |digest| digest.to_string())),
            ("Number", self.number.to_string()),
            ("Made", self.made.to_string()),
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
                sequence: match next("Sequence")? {
                    "0" => None,
                    sequence => Some(sequence.parse().ok()?),
                },
                manifest: match next("Manifest")? {
                    "none" => None,
                    digest => Some(digest.parse().ok()?),
                },
                number: next("Number")?.parse().ok()?,
                made: next("Made")?.parse().ok()?,
                lacks: BTreeSet::new(),
            };
            for (number, line) in lines.by_ref() {
                at = number;
                receipt.lacks.insert(line.strip_prefix("Lacks: ")?.parse().ok()?);
            }
            let is_whole = receipt.sequence.is_some() == receipt.manifest.is_some();
            (is_whole && receipt.to_text() == text).then_some(receipt)
        };
        read().ok_or(ReceiptError::Malformed { line: at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn receipt(lacks: &[u8]) -> Receipt {
        Receipt {
            site: "dc1".parse().unwrap(),
            name: "base".parse().unwrap(),
            epoch: Epoch::FIRST,
            sequence: Some(42.try_into().unwrap()),
            manifest: Some(Sha256::of(b"manifest")),
            number: ReceiptNumber(1_795_255_200_123_456),
            made: Time::from_unix(1_795_255_200).unwrap(),
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
            let forged = text.replace("Sequence: 42", "Sequence: 43");
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
            ("Sequence: 42", "Sequence: 0"),
            ("Sequence: 42", "Sequence: 9007199254740992"),
            ("Number: ", "Number: 0"),
            ("Site: ", "Site:  "),
            ("\nName", "\n\nName"),
            (HEAD, "receipt 2"),
        ] {
            assert!(Receipt::parse(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
        assert!(Receipt::parse(format!("{text}Lacks: {}\n", Sha256::of(&[1])).as_bytes()).is_err(), "unsorted");
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
        fn arbitrary_text_never_panics(text in "(gapferry receipt 1\n)?(\\PC{0,40}\n){0,9}") {
            let _ = Receipt::parse(text.as_bytes());
        }
    }
}
