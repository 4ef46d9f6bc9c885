//! What the site's key signs is accepted by the real gpgv, and the key itself by the real gpg.

use gapferry::formats::openpgp::{Keyring, SiteKey, verify_clear_signed, verify_detached};

use super::gnupg::Gnupg;

const CREATED: i64 = 1_700_000_000;
const MADE: i64 = CREATED + 60;
const NOW: i64 = CREATED + 3600;

#[test]
fn gpgv_accepts_what_the_site_key_signs_and_returns_the_text_byte_for_byte() {
    let gnupg = Gnupg::new();
    let key = SiteKey::generate("gapferry site dc1 <dc1@example.org>", CREATED).unwrap();
    let public = key.public_binary().unwrap();
    let ring = Keyring::parse(&public).unwrap();
    assert_eq!(Keyring::parse(key.public_armored().unwrap().as_bytes()).unwrap().fingerprints(), ring.fingerprints());
    for text in
        ["Origin: dc1\nSHA256:\n 00 1 main\n", "- x\n-----BEGIN PGP SIGNATURE-----\nFrom: y\nFrom y\n", "\n", "a\n\n"]
    {
        let message = key.sign_clear(text, MADE).unwrap();
        let says = gnupg.gpgv(&public, message.as_bytes(), None, NOW);
        assert!(says.accepts, "{says:?}");
        assert_eq!(says.text, text.as_bytes());
        assert_eq!(verify_clear_signed(message.as_bytes(), &ring, NOW).unwrap().text, text.as_bytes());
    }
    for data in [&b""[..], b"Release\n", b"\r\n\0\xff"] {
        let signature = key.sign_detached(data, MADE).unwrap();
        let says = gnupg.gpgv(&public, signature.as_bytes(), Some(data), NOW);
        assert!(says.accepts, "{says:?}");
        verify_detached(data, signature.as_bytes(), &ring, NOW).unwrap();
    }
}

#[test]
fn gpg_imports_both_halves_of_the_site_key_and_can_sign_with_it() {
    let gnupg = Gnupg::new();
    let key = SiteKey::generate("dc1", CREATED).unwrap();
    gnupg.gpg(&["--import"], &key.to_bytes().unwrap());
    let listed = String::from_utf8(gnupg.gpg(&["--with-colons", "--list-secret-keys"], b"")).unwrap();
    assert!(listed.contains(&format!("fpr:::::::::{}:", key.fingerprint())), "{listed}");
    // Algorithm 22, no expiry, may sign and certify.
    assert!(listed.contains(":22:") && listed.contains(&format!(":{CREATED}:::")) && listed.contains("sc"), "{listed}");
    let message = gnupg.gpg(&["--clearsign"], b"text\n");
    let ring = Keyring::parse(&key.public_binary().unwrap()).unwrap();
    let now = i64::from(u32::MAX);
    assert_eq!(verify_clear_signed(&message, &ring, now).unwrap().signers[0].fingerprint, key.fingerprint());
}
