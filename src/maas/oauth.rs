//! The API key, and the header that it makes: OAuth 1.0 with PLAINTEXT signatures (RFC 5849, section 3.4.4).
//!
//! MAAS's keys have three parts, `CONSUMER:TOKEN:SECRET`; the consumer's own secret is empty. A PLAINTEXT signature is the
//! secret itself, so over plain http whoever listens has the key: the address should be https.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rand::RngCore as _;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use crate::error_class::Fault;
use crate::time::Time;

/// The largest key file, in bytes; real keys have some 60.
const MAX_KEY_BYTES: u64 = 4096;

/// An API key of MAAS. It has no `Debug` and no `Display`, so it cannot get into messages by mistake.
pub struct ApiKey {
    consumer: Zeroizing<String>,
    token: Zeroizing<String>,
    secret: Zeroizing<String>,
}

impl ApiKey {
    /// Reads the key from a file that has it and nothing else.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_BYTES as usize + 1)); // so that no copy is left behind
        let shown = path.display();
        let failed = |error| Fault::usage(format!("cannot read the API key from {shown}")).because(error);
        File::open(path).and_then(|file| file.take(MAX_KEY_BYTES + 1).read_to_string(&mut text)).map_err(failed)?;
        let malformed = || {
            Fault::usage(format!(
                "{shown} has no API key: it must have CONSUMER:TOKEN:SECRET and nothing else, as `maas apikey --username NAME` \
                 prints it"
            ))
        };
        if text.len() as u64 > MAX_KEY_BYTES { Err(malformed()) } else { Self::parse(&text).ok_or_else(malformed) }
    }

    /// Reads `CONSUMER:TOKEN:SECRET`; white space around it does not count.
    pub fn parse(text: &str) -> Option<Self> {
        let is_part = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let mut parts = text.trim().split(':');
        let mut part = || parts.next().filter(is_part).map(|part| Zeroizing::new(part.to_owned()));
        let key = Self { consumer: part()?, token: part()?, secret: part()? };
        parts.next().is_none().then_some(key)
    }

    /// The `Authorization` header for one request, with a nonce that was never used.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut nonce = [0; 16];
        rand::rngs::OsRng.fill_bytes(&mut nonce);
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        self.header_at(&nonce, Time::now().unix())
    }

    /// The same for this nonce and this time, in Unix seconds. The parts of a key need no escapes.
    fn header_at(&self, nonce: &str, time: i64) -> Option<HeaderValue> {
        let text = Zeroizing::new(format!(
            "OAuth oauth_version=\"1.0\", oauth_signature_method=\"PLAINTEXT\", oauth_consumer_key=\"{}\", \
             oauth_token=\"{}\", oauth_nonce=\"{nonce}\", oauth_timestamp=\"{time}\", oauth_signature=\"%26{}\"",
            *self.consumer, *self.token, *self.secret
        ));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true); // so `{:?}` of a request does not show it
        Some(value)
    }

    /// `text` without the parts of the key: MAAS's answers to a wrong key quote it.
    pub(super) fn redacted(&self, text: &str) -> String {
        let parts = [&self.consumer, &self.token, &self.secret];
        parts.into_iter().fold(text.to_owned(), |text, part| text.replace(part.as_str(), "***"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_have_three_parts() {
        for good in ["a:b:c", " aZ9:b:c\n"] {
            assert!(ApiKey::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a:b", "a:b:", ":b:c", "a::c", "a:b:c:d", "a:b:c d", "a:b:c\nx:y:z", "a:b:\"", "a:b:\u{e9}"] {
            assert!(ApiKey::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_header_has_every_field_and_is_sensitive() {
        let header = ApiKey::parse("cons:tok:sec").unwrap().header_at("n", 5).unwrap();
        assert_eq!(
            header.to_str().unwrap(),
            "OAuth oauth_version=\"1.0\", oauth_signature_method=\"PLAINTEXT\", oauth_consumer_key=\"cons\", \
             oauth_token=\"tok\", oauth_nonce=\"n\", oauth_timestamp=\"5\", oauth_signature=\"%26sec\""
        );
        assert!(!format!("{header:?}").contains("sec\""), "{header:?}");
    }

    #[test]
    fn nonces_differ_and_answers_lose_the_key() {
        let key = ApiKey::parse("cons:tok:hidden").unwrap();
        assert_ne!(key.header(), key.header());
        assert_eq!(key.redacted("Invalid access token: tok (hidden)"), "Invalid access ***en: *** (***)");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics_and_makes_a_header_if_it_is_a_key(text in "[a-c:\\PC\n ]{0,30}") {
            if let Some(key) = ApiKey::parse(&text) {
                prop_assert!(key.header().is_some());
            }
        }
    }
}
