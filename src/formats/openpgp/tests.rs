//! Properties and small cases; the table against the real gpgv is an integration test.

use super::*;

const CREATED: i64 = 1_700_000_000;
const MADE: i64 = CREATED + 60;
const NOW: i64 = CREATED + 3600;

fn site_key() -> SiteKey {
    SiteKey::generate("test <test@example.org>", CREATED).unwrap()
}

fn keyring(key: &SiteKey) -> Keyring {
    Keyring::parse(&key.public_binary().unwrap()).unwrap()
}

#[test]
fn what_the_site_signs_verifies_and_gives_the_text_back() {
    let key = site_key();
    let ring = keyring(&key);
    let signer = Signer { fingerprint: key.fingerprint(), signed_by: key.fingerprint(), made: MADE };
    for text in ["Origin: x\nSHA256:\n abc\n", "- dash\n--\n-----BEGIN\nFrom me\n", "\n", "\n\n", "a\rb\n", "ü\n"] {
        let message = key.sign_clear(text, MADE).unwrap();
        let verified = verify_clear_signed(message.as_bytes(), &ring, NOW).unwrap();
        assert_eq!(verified, ClearText { text: text.as_bytes().to_vec(), signers: vec![signer.clone()] }, "{message}");
    }
    let signature = key.sign_detached(b"data", MADE).unwrap();
    assert_eq!(verify_detached(b"data", signature.as_bytes(), &ring, NOW).unwrap(), [signer]);
    let error = verify_detached(b"Data", signature.as_bytes(), &ring, NOW).unwrap_err();
    assert!(matches!(error, OpenPgpError::BadSignature { .. }), "{error}");
}

#[test]
fn a_text_that_clear_signing_would_change_is_refused() {
    for text in ["a \nb\n", "a\nb\t", "a\r\nb\n"] {
        assert!(matches!(site_key().sign_clear(text, MADE), Err(OpenPgpError::TrailingSpace { .. })), "{text:?}");
    }
}

#[test]
fn a_site_key_survives_storage_and_shows_no_secret() {
    let key = site_key();
    let bytes = key.to_bytes().unwrap();
    let again = SiteKey::from_bytes(&bytes).unwrap();
    assert_eq!(again.to_bytes().unwrap(), bytes);
    assert_eq!(format!("{again:?}"), format!("SiteKey({})", key.fingerprint()));
    assert!(matches!(SiteKey::from_bytes(&key.public_binary().unwrap()), Err(OpenPgpError::SecretKey(_))));
    assert!(SiteKey::from_bytes(b"").is_err());
}

#[test]
fn times_outside_of_openpgp_are_errors() {
    for seconds in [-1, i64::from(u32::MAX) + 1, i64::MAX, i64::MIN] {
        assert!(matches!(SiteKey::generate("x", seconds), Err(OpenPgpError::Time { .. })));
        assert!(matches!(site_key().sign_clear("x", seconds), Err(OpenPgpError::Time { .. })));
    }
}
