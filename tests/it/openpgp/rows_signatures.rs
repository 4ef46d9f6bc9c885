//! Rows on signatures: how many, by whom, when, with which algorithms, and detached ones.

use pgp::armor::BlockType;

use super::keys::{BORN, DAY, Keys, NOW, SIGNED};
use super::surgery::{armored, clear_message, signatures_of};
use super::table::Expect::{BothAccept, BothRefuse, OnlyGpgv};
use super::table::Row;

const TEXT: &str = "a\nb\n";
const HASHES: &str = "Hash: SHA1,SHA256,SHA512\n";

pub(super) fn rows(keys: &Keys) -> Vec<Row> {
    [several(keys), times(keys), algorithms(keys), detached(keys)].into_iter().flatten().collect()
}

/// More than one signature on a text.
fn several(keys: &Keys) -> Vec<Row> {
    let (alice, bob) = (&*keys.alice, &*keys.bob);
    let ring = keys.ring(&[alice, bob]);
    let only_alice = keys.ring(&[alice]);
    let by = |who: &str, text: &str| signatures_of(&keys.clear(&[who], text));
    let joined = |parts: &[Vec<u8>]| clear_message("Hash: SHA256\n", TEXT, &parts.concat());
    let row = |name, ring: &[u8], message: String, expect| Row::clear(name, ring, message, expect);
    vec![
        row("two good", &ring, keys.clear(&[alice, bob], TEXT), BothAccept),
        row("good and unknown", &only_alice, keys.clear(&[alice, bob], TEXT), BothAccept),
        row("unknown and good", &only_alice, keys.clear(&[bob, alice], TEXT), BothAccept),
        row("only unknown", &only_alice, keys.clear(&[bob], TEXT), BothRefuse),
        row("good and bad", &ring, joined(&[by(alice, TEXT), by(bob, "other\n")]), BothRefuse),
        row("bad and good", &ring, joined(&[by(bob, "other\n"), by(alice, TEXT)]), BothRefuse),
        row(
            "good and wrong by an unknown key",
            &only_alice,
            joined(&[by(alice, TEXT), by(bob, "other\n")]),
            BothAccept,
        ),
        row("the same twice", &ring, joined(&[by(alice, TEXT), by(alice, TEXT)]), BothAccept),
        row("100 signatures", &ring, joined(&vec![by(alice, TEXT); 100]), OnlyGpgv("no more than 32 are looked at")),
        row(
            "a public key among the signatures",
            &ring,
            joined(&[by(alice, TEXT), keys.ring(&[bob])]),
            OnlyGpgv("only signatures may stand there"),
        ),
    ]
}

/// When a signature was made, and how long it holds.
fn times(keys: &Keys) -> Vec<Row> {
    let ring = keys.ring(&[&keys.alice]);
    let at = |made: i64, options: &[&str]| keys.clear_with(&[&keys.alice], TEXT, made, options);
    let row = |name, message: String, expect| Row::clear(name, &ring, message, expect);
    vec![
        row("made a minute ahead", at(NOW + 60, &[]), BothAccept),
        row("made a day ahead", at(NOW + DAY, &[]), OnlyGpgv("a signature from the future is refused")),
        row("made before its key", at(BORN - DAY, &["--ignore-time-conflict"]), BothRefuse),
        row("signature not yet expired", at(SIGNED, &["--default-sig-expire", "200d"]), BothAccept),
        row("signature expired", at(SIGNED, &["--default-sig-expire", "10d"]), BothRefuse),
        row("before the key's birth by our clock", at(SIGNED, &[]), BothRefuse).at(BORN - DAY),
    ]
}

/// Hashes and subpackets.
fn algorithms(keys: &Keys) -> Vec<Row> {
    let rsa = &*keys.rsa;
    let ring = keys.ring(&[rsa, &keys.alice]);
    let hashed =
        |hash: &str| keys.clear_with(&[rsa], TEXT, SIGNED, &["--allow-weak-digest-algos", "--digest-algo", hash]);
    let noted = |notation: &str| keys.clear_with(&[rsa], TEXT, SIGNED, &["--set-notation", notation]);
    let mixed = [signatures_of(&hashed("SHA1")), signatures_of(&keys.clear(&[&keys.alice], TEXT))].concat();
    let row = |name, message: String, expect| Row::clear(name, &ring, message, expect);
    vec![
        row("SHA-256", hashed("SHA256"), BothAccept),
        row("SHA-384", hashed("SHA384"), BothAccept),
        row("SHA-512", hashed("SHA512"), BothAccept),
        row("SHA-512 announced as SHA-256", hashed("SHA512").replacen("Hash: SHA512", "Hash: SHA256", 1), BothRefuse),
        row("MD5", hashed("MD5"), BothRefuse),
        row("SHA-1", hashed("SHA1"), BothRefuse),
        row("RIPEMD-160", hashed("RIPEMD160"), BothRefuse),
        row("SHA-224", hashed("SHA224"), OnlyGpgv("weaker than SHA-256")),
        row("SHA-1 beside a good one", clear_message(HASHES, TEXT, &mixed), BothAccept),
        row("notation", noted("a@example.org=b"), BothAccept),
        row("critical notation", noted("!a@example.org=b"), BothRefuse),
    ]
}

/// Signatures in a file of their own.
fn detached(keys: &Keys) -> Vec<Row> {
    let (alice, bob) = (&*keys.alice, &*keys.bob);
    let ring = keys.ring(&[alice]);
    let data: &[u8] = b"Release\r\n\xff\n";
    let binary = keys.detach(alice, data, &[]);
    let armor = armored(&binary, BlockType::Signature);
    let text_mode = keys.detach(alice, data, &["--textmode"]);
    let row = |name, signature: Vec<u8>, expect| Row::detached(name, &ring, data, signature, expect);
    let both = [binary.clone(), keys.detach(bob, data, &[])].concat();
    let clear = keys.clear(&[alice], "Release\n");
    let mut flipped = binary.clone();
    flipped.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
    vec![
        row("detached, binary", binary.clone(), BothAccept),
        row("detached, armored", armor.clone().into(), BothAccept),
        row("detached, armor with CR LF", armor.replace('\n', "\r\n").into(), BothAccept),
        row("detached, two signatures, one unknown", both, BothAccept),
        row("detached, text mode", text_mode.clone(), BothAccept),
        Row::detached("detached, text mode, other line ends", &ring, b"Release\n\xff\n", text_mode, BothAccept),
        Row::detached("detached, binary, other line ends", &ring, b"Release\n\xff\n", binary.clone(), BothRefuse),
        Row::detached("detached, other data", &ring, b"Release", binary.clone(), BothRefuse),
        Row::detached("detached, empty data", &ring, b"", binary.clone(), BothRefuse),
        row("detached, a bit flipped", flipped, BothRefuse),
        row("detached, cut short", binary[..binary.len() - 1].to_vec(), BothRefuse),
        row("detached, nothing", Vec::new(), BothRefuse),
        row("detached, by an unknown key", keys.detach(bob, data, &[]), BothRefuse),
        row("detached, SHA-1", keys.detach(&keys.rsa, data, &["--digest-algo", "SHA1"]), BothRefuse),
        row("detached, two armored blocks", armor.repeat(2).into(), BothAccept),
        row(
            "detached, second armored block by an unknown key",
            (armor.clone() + &armored(&keys.detach(bob, data, &[]), BlockType::Signature)).into(),
            BothAccept,
        ),
        row(
            "detached, text before the armor",
            format!("x\n{armor}").into(),
            OnlyGpgv("nothing may stand around the armor"),
        ),
        row(
            "detached, text after the armor",
            format!("{armor}x\n").into(),
            OnlyGpgv("nothing may stand around the armor"),
        ),
        row("detached, garbage after the packet", [binary, b"garbage".to_vec()].concat(), BothRefuse),
        Row::detached("detached, a clear-signed file as signature", &ring, b"Release", clear, BothRefuse),
        Row::detached(
            "detached, a signed message as signature",
            &ring,
            data,
            keys.gpg_at(SIGNED, &["-u", alice, "--sign"], data),
            BothRefuse,
        ),
        row("detached, of another armor type", armored(&ring, BlockType::PublicKey).into(), BothRefuse),
        row(
            "detached, signature armored as a message",
            armored(&keys.detach(alice, data, &[]), BlockType::Message).into(),
            OnlyGpgv("the armor must say what it holds"),
        ),
    ]
}
