//! Keys and signatures that do not count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::key::Signature;
use super::*;
use crate::formats::refusal;

/// The bytes of base64 in lines.
fn raw(text: &[u8]) -> Vec<u8> {
    STANDARD.decode(text.iter().copied().filter(|byte| *byte != b'\n').collect::<Vec<_>>()).unwrap()
}

fn signature() -> Vec<u8> {
    raw(authority().store.sign(b"content", 1).unwrap().as_bytes())
}

fn flaw_of_signature(bytes: &[u8]) -> String {
    Signature::parse(STANDARD.encode(bytes).as_bytes()).unwrap_err().to_string()
}

fn flaw_of_key(bytes: &[u8]) -> String {
    RsaPublicKey::parse(STANDARD.encode(bytes).as_bytes()).unwrap_err().to_string()
}

/// `bytes` with others from `at` on.
fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

/// A signature packet around `body`.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1, 0xC0 | tag, 0xFF][..], &length, body].concat()
}

#[test]
fn signatures_are_parsed_strictly() {
    let good = signature();
    // 1 C2 C0+ .. | 4 0 1 10 | 0 6 5 2 t t t t | 0 0 | first two | length integer
    assert_eq!(good[4..9], [4, 0, 1, 10, 0]);
    for (at, new, reason) in [
        (0, &[2][..], "its version is not 1"),
        (1, &[0xC6], "it is another kind of packet"),
        (1, &[0x88], "it is another kind of packet"),
        (2, &[0xE0], "its length is not given at once"),
        (2, &[0xC2], "its length is wrong"),
        (4, &[3], "it is no signature of version 4"),
        (5, &[1], "it is no signature of a document"),
        (6, &[3], "it is no RSA signature"),
        (7, &[2], "its hash is neither SHA-512 nor SHA-256"),
        (8, &[0xFF], "it is cut short"),
        (10, &[200], "it is cut short"),
        (11, &[3], "it does not say when it was made"),
        (11, &[0x80 | 20], "it demands what is not known here"),
        (10, &[0], "it is cut short"),
        (16, &[9], "it is cut short"),
    ] {
        assert_eq!(flaw_of_signature(&with(&good, at, new)), reason, "byte {at}: {new:?}");
    }
    for length in 0..good.len() {
        assert!(Signature::parse(STANDARD.encode(&good[..length]).as_bytes()).is_err(), "{length}");
    }
    assert_eq!(flaw_of_signature(&[&good[..], &[0]].concat()), "its length is wrong");
    let body = &good[4..];
    assert!(Signature::parse(STANDARD.encode(packet(2, body)).as_bytes()).is_ok());
    assert_eq!(flaw_of_signature(&packet(2, &[body, &[0]].concat())), "bytes follow what it should hold");
    assert_eq!(flaw_of_signature(&[1, 0xC2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), "its length is wrong");
    assert_eq!(Signature::parse(b"*").unwrap_err().to_string(), "it is no base64");
    assert_eq!(Signature::parse(b"").unwrap_err().to_string(), "its version is not 1");
}

#[test]
fn subpackets_that_are_not_signed_are_walked_over() {
    let good = signature();
    let (before, after) = good[4..].split_at(12);
    let with_unhashed = |area: &[u8]| {
        let length = u16::try_from(area.len()).unwrap().to_be_bytes();
        STANDARD.encode(packet(2, &[before, &length, area, &after[2..]].concat()))
    };
    for area in [&[9, 16, 1, 2, 3, 4, 5, 6, 7, 8][..], &[1, 100], &[0xC0, 0, 100], &[0xFF, 0, 0, 0, 1, 100]] {
        let area = match area {
            [0xC0, ..] => &[area, &[0; 191]].concat(),
            other => other,
        };
        assert!(Signature::parse(with_unhashed(area).as_bytes()).is_ok(), "{area:?}");
    }
    for area in [&[0][..], &[2, 100], &[1, 0x80 | 100], &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 100], &[0xC0]] {
        assert!(Signature::parse(with_unhashed(area).as_bytes()).is_err(), "{area:?}");
    }
}

#[test]
fn a_key_verifies_what_it_signed_and_nothing_else() {
    let (store, root) = (&authority().store, &authority().root);
    let key = |key: &TestKey| RsaPublicKey::parse(key.public().as_bytes()).unwrap();
    let parse = |text: String| Signature::parse(text.as_bytes()).unwrap();
    assert_eq!(key(store).id(), store.id());
    for good in [store.sign(b"content", 1).unwrap(), store.sign_with_sha256(b"content", 1).unwrap()] {
        let good = parse(good);
        assert_eq!(key(store).verify(b"content", &good), Ok(()));
        assert!(refusal(key(store).verify(b"Content", &good)).contains("of another key or on other bytes"));
        assert!(refusal(key(store).verify(b"", &good)).contains("of another key or on other bytes"));
        assert!(refusal(key(root).verify(b"content", &good)).contains("of another key or on other bytes"));
    }
    let good = signature();
    // Time, first bytes of the digest, first and last byte of the integer.
    for at in [15, 18, 19, 22, good.len() - 1] {
        let changed = with(&good, at, &[good[at] ^ 1]);
        if let Ok(changed) = Signature::parse(STANDARD.encode(changed).as_bytes()) {
            assert!(
                refusal(key(store).verify(b"content", &changed)).contains("of another key or on other bytes"),
                "byte {at}"
            );
        }
    }
}

/// The store writes all of the integer's bytes, and 4096 as its length in bits, whatever it is.
#[test]
fn signatures_may_have_leading_zeros() {
    let (store, good) = (&authority().store, signature());
    let key = RsaPublicKey::parse(store.public().as_bytes()).unwrap();
    let (body, integer) = good[4..].split_at(18 - 4 + 2);
    let number = &integer[2..];
    for (zeros, bits, good) in [(0, 2048, true), (1, 2056, false), (0, 2047, true), (0, 2040, false)] {
        if zeros == 0 && number.len() < 256 {
            continue;
        }
        let length = u16::try_from(bits).unwrap().to_be_bytes();
        let packet = packet(2, &[body, &length, &vec![0; zeros], number].concat());
        let signature = Signature::parse(STANDARD.encode(packet).as_bytes());
        let verdict = signature.is_ok_and(|signature| key.verify(b"content", &signature).is_ok());
        assert_eq!(verdict, good, "{bits} bits");
    }
}

#[test]
fn keys_are_parsed_strictly() {
    let good = raw(authority().store.public().as_bytes());
    // 1 C6 C0+ .. | 4 time(4) 1 | length modulus | 0 17 1 0 1
    assert_eq!(good[4..10], [4, 0x56, 0x85, 0xC1, 0x80, 1]);
    for (at, new, reason) in [
        (1, &[0xC2][..], "it is another kind of packet"),
        (4, &[6], "it is no key of version 4"),
        (5, &[0], "its creation time is not the one that all keys have"),
        (9, &[17], "it is no RSA key"),
        (10, &[7, 0xFF], "an integer has another length"),
        (12, &[0], "an integer has another length"),
        (good.len() - 5, &[0, 16], "an integer has another length"),
    ] {
        assert_eq!(flaw_of_key(&with(&good, at, new)), reason, "byte {at}");
    }
    assert_eq!(flaw_of_key(&packet(6, &good[4..])), "its length is not written as snapd writes it");
    let key = |bytes: usize| {
        let bits = u16::try_from(bytes * 8).unwrap().to_be_bytes();
        let body = [&good[4..10], &bits, &vec![0xFF; bytes], &[0, 17, 1, 0, 1]].concat();
        let length = body.len() - 192;
        [&[1, 0xC6, 192 + (length >> 8) as u8, (length & 0xFF) as u8][..], &body].concat()
    };
    assert!(RsaPublicKey::parse(STANDARD.encode(key(256)).as_bytes()).is_ok());
    assert!(RsaPublicKey::parse(STANDARD.encode(key(1024)).as_bytes()).is_ok());
    assert_eq!(flaw_of_key(&key(255)), "its modulus has not 2048 to 8192 bits");
    assert_eq!(flaw_of_key(&key(1025)), "its modulus has not 2048 to 8192 bits");
}
