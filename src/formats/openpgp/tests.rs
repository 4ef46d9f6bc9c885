//! Properties and small cases; the table against the real gpgv is an integration test.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::formats::{ReadError, refusal};

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
    assert!(error.to_string().contains("bad signature by key"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_no_wrong_signature() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("rot"))
        }
    }
    impl std::io::Seek for Broken {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(0)
        }
    }
    let signature = SAMPLE.signature.as_bytes();
    let error = verify_detached_file(&mut Broken, signature, &SAMPLE.ring, NOW).unwrap_err();
    assert!(matches!(error, ReadError::Io(error) if error.to_string() == "rot"));
    let mut file = std::io::Cursor::new(TEXT);
    std::io::Read::read_exact(&mut file, &mut [0; 5]).unwrap();
    assert_eq!(verify_detached_file(&mut file, signature, &SAMPLE.ring, NOW).unwrap().len(), 1);
    let refused = verify_detached_file(&mut std::io::Cursor::new("other"), signature, &SAMPLE.ring, NOW);
    assert!(refusal(refused).contains("bad signature by key"));
}

#[test]
fn a_text_that_clear_signing_would_change_is_refused() {
    for text in ["a \nb\n", "a\nb\t", "a\r\nb\n"] {
        assert!(refusal(site_key().sign_clear(text, MADE)).contains("ends in white space"), "{text:?}");
    }
}

#[test]
fn a_site_key_survives_storage_and_shows_no_secret() {
    let key = site_key();
    let bytes = key.to_bytes().unwrap();
    let again = SiteKey::from_bytes(&bytes).unwrap();
    assert_eq!(again.to_bytes().unwrap(), bytes);
    assert_eq!(format!("{again:?}"), format!("SiteKey({})", key.fingerprint()));
    assert!(refusal(SiteKey::from_bytes(&key.public_binary().unwrap())).contains("secret key"));
    assert!(SiteKey::from_bytes(b"").is_err());
}

#[test]
fn times_outside_of_openpgp_are_errors() {
    for seconds in [-1, i64::from(u32::MAX) + 1, i64::MAX, i64::MIN] {
        assert!(refusal(SiteKey::generate("x", seconds)).contains("outside of what OpenPGP"));
        assert!(refusal(site_key().sign_clear("x", seconds)).contains("outside of what OpenPGP"));
    }
}

/// A key made once, with its public half and one message.
struct Sample {
    ring: Keyring,
    public: Vec<u8>,
    message: String,
    signature: String,
}

const TEXT: &str = "Origin: x\n- dash\n\nSHA256:\n 00 1 main/Packages\n";

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let key = site_key();
    Sample {
        ring: keyring(&key),
        public: key.public_binary().unwrap(),
        message: key.sign_clear(TEXT, MADE).unwrap(),
        signature: key.sign_detached(TEXT.as_bytes(), MADE).unwrap(),
    }
});

/// One way to damage bytes.
#[derive(Debug, Clone)]
enum Corruption {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Truncate(Index),
    Duplicate(Index, usize),
}

impl Corruption {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let range = |at: &Index, bytes: &[u8], length: usize| {
            let at = at.index(bytes.len() + 1);
            at..bytes.len().min(at + length)
        };
        match self {
            Self::Flip(at, bits) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Self::Flip(..) => {}
            Self::Insert(at, new) => drop(bytes.splice(range(at, bytes, 0), new.iter().copied())),
            Self::Remove(at, length) => drop(bytes.drain(range(at, bytes, *length))),
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Self::Duplicate(at, length) => {
                let range = range(at, bytes, *length);
                let copy = bytes[range.clone()].to_vec();
                drop(bytes.splice(range.end..range.end, copy));
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Vec<Corruption>> {
    let new = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..40),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b" ".to_vec()),
        Just(b"- ".to_vec()),
        Just(b"\n-----BEGIN PGP SIGNATURE-----\n".to_vec()),
        Just(b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n".to_vec()),
    ];
    let one = prop_oneof![
        (any::<Index>(), 1..=255_u8).prop_map(|(at, bits)| Corruption::Flip(at, bits)),
        (any::<Index>(), new).prop_map(|(at, new)| Corruption::Insert(at, new)),
        (any::<Index>(), 1..60_usize).prop_map(|(at, length)| Corruption::Remove(at, length)),
        any::<Index>().prop_map(Corruption::Truncate),
        (any::<Index>(), 1..200_usize).prop_map(|(at, length)| Corruption::Duplicate(at, length)),
    ];
    proptest::collection::vec(one, 1..4)
}

fn damaged(bytes: &[u8], damages: &[Corruption]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    damages.iter().for_each(|damage| damage.apply(&mut bytes));
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), framed in any::<bool>()) {
        let packet = [&[0xc2, u8::try_from(bytes.len().min(191)).unwrap()], bytes.as_slice()].concat();
        let bytes = if framed { packet } else { bytes };
        let _ = Keyring::parse(&bytes);
        let _ = SiteKey::from_bytes(&bytes);
        prop_assert!(verify_detached(b"x", &bytes, &SAMPLE.ring, NOW).is_err());
        prop_assert!(verify_clear_signed(&bytes, &SAMPLE.ring, NOW).is_err());
    }

    #[test]
    fn a_damaged_message_gives_the_same_text_or_none(damages in damage()) {
        let message = damaged(SAMPLE.message.as_bytes(), &damages);
        if let Ok(verified) = verify_clear_signed(&message, &SAMPLE.ring, NOW) {
            prop_assert_eq!(verified.text, TEXT.as_bytes());
            prop_assert!(message.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----"));
        }
    }

    #[test]
    fn a_damaged_detached_signature_signs_nothing_else(damages in damage(), other in damage()) {
        let signature = damaged(SAMPLE.signature.as_bytes(), &damages);
        let data = damaged(TEXT.as_bytes(), &other);
        let good = verify_detached(&data, &signature, &SAMPLE.ring, NOW).is_ok();
        prop_assert!(!good || data == TEXT.as_bytes());
    }

    #[test]
    fn a_damaged_keyring_trusts_no_other_key(damages in damage()) {
        if let Ok(ring) = Keyring::parse(&damaged(&SAMPLE.public, &damages)) {
            prop_assert_eq!(ring.fingerprints(), SAMPLE.ring.fingerprints());
        }
    }

    #[test]
    fn any_text_without_trailing_space_survives_signing(text in "([a\r \t-][^\n]{0,8}[^ \t\r\n]\n|-\n|\n){1,8}") {
        let key = site_key();
        let message = key.sign_clear(&text, MADE).unwrap();
        let verified = verify_clear_signed(message.as_bytes(), &keyring(&key), NOW).unwrap();
        prop_assert_eq!(verified.text, text.as_bytes());
    }
}

#[test]
fn oversize_keyrings_and_signatures_are_refused_unread() {
    let error = Keyring::parse(&vec![0x99; (16 << 20) + 1]).unwrap_err();
    assert!(error.to_string().contains("keyring of "), "{error}");
    let error = verify_detached(b"", &vec![0xc2; (1 << 20) + 1], &SAMPLE.ring, NOW).unwrap_err();
    assert!(error.to_string().contains("signature of "), "{error}");
}
