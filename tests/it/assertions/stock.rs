//! The same streams for stock snapd and for us: the verdicts are the same, or ours is stricter on purpose.

use gapferry::formats::Invalid;
use gapferry::formats::assertions::{Assertion, Pool, Trust, Verifier};
use gapferry::time::Time;
use gapferry::upstream::assertions::TestAuthority;

use super::snapd::{Says, ack};
use crate::support::genuine::shared_data;

/// Why ours may be another verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Both accept.
    Good,
    /// Both refuse.
    Bad,
    /// snapd accepts, we refuse.
    Stricter,
}

use Wanted::{Bad, Good, Stricter};

/// Changes to a genuine stream of an account-key, an account and a store.
fn cases(key: &str, account: &str, store: &str) -> Vec<(&'static str, Wanted, String)> {
    let all = |parts: &[&str]| parts.join("\n");
    let whole = all(&[key, account, store]);
    let replace = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from:?}");
        whole.replacen(from, to, 1)
    };
    let (content, signature) = store.rsplit_once("\n\n").expect("a signature");
    let (_, of_account) = account.rsplit_once("\n\n").expect("a signature");
    let with_signature = |signature: &str| all(&[key, account, &format!("{content}\n\n{signature}")]);
    let flat = signature.replace('\n', "");
    vec![
        ("as it is", Good, whole.clone()),
        ("no newline at the end", Good, whole.trim_end().to_owned()),
        ("an empty line at the end", Good, format!("{whole}\n")),
        ("two empty lines at the end", Bad, format!("{whole}\n\n")),
        ("another order", Good, all(&[store, account, key])),
        ("one of them twice", Good, all(&[key, account, account, store])),
        ("signature in one line", Good, with_signature(&format!("{flat}\n"))),
        ("signature in other lines", Good, with_signature(&format!("{}\n{}\n", &flat[..10], &flat[10..]))),
        ("signature with CRLF", Stricter, with_signature(&signature.replace('\n', "\r\n"))),
        ("signature with a space", Bad, with_signature(&format!("{} {}", &flat[..10], &flat[10..]))),
        ("signature cut short", Bad, with_signature(&flat[..flat.len() - 8])),
        ("signature of another", Bad, with_signature(of_account)),
        ("no signature", Bad, all(&[key, account, content])),
        ("empty signature", Bad, with_signature("")),
        ("account left out", Bad, all(&[key, store])),
        ("key left out", Bad, all(&[account, store])),
        ("cut in the middle", Bad, whole[..whole.len() / 2].to_owned()),
        ("address changed", Bad, replace("enterprise-store.snapd", "enterprise-store.snapb")),
        ("account changed", Bad, replace("username: cachio", "username: kachio")),
        ("key changed", Bad, replace("AcbBTQRWhcGAARAA0KKY", "AcbBTQRWhcGAARAA0KKX")),
        ("header twice", Bad, replace("\nstore: ", "\nurl: x\nstore: ")),
        ("header added", Bad, replace("\nstore: ", "\nlocation: here\nstore: ")),
        ("header gone", Bad, replace("operator-id: ", "operator: ")),
        ("no space after a colon", Bad, replace("store: heS", "store:heS")),
        ("two empty lines between", Bad, all(&[key, account, &format!("\n{store}")])),
        ("no empty line between", Bad, format!("{key}{account}\n{store}")),
        ("body-length too large", Bad, replace("body-length: 717", "body-length: 718")),
        ("body-length too small", Bad, replace("body-length: 717", "body-length: 716")),
        ("body-length huge", Bad, replace("body-length: 717", "body-length: 99999999999")),
        ("body-length negative", Bad, replace("body-length: 717", "body-length: -1")),
        ("type unknown", Bad, replace("type: store", "type: shop")),
        ("format too new", Bad, replace("type: store", "type: store\nformat: 1")),
        ("CRLF everywhere", Bad, whole.replace('\n', "\r\n")),
        ("NUL in a header", Bad, replace("store: heS", "store: \0heS")),
        ("space after the end", Bad, format!("{whole}\n ")),
    ]
}

fn ours(trust: &Trust, stream: &[u8]) -> Result<(), Invalid> {
    // Of the program's own clock, as snapd's.
    Verifier::new(trust, &Pool::of_stream(stream)?, Time::now()).verify_all()
}

#[test]
fn our_verdicts_are_stock_snapd_s() {
    let Some(folder) = shared_data() else { return };
    let stream = std::fs::read(folder.join("store-heS0H76d.assert")).expect("the store's assertions");
    let parts = Assertion::parse_stream(&stream).expect("assertions");
    let [key, account, store] =
        parts.iter().map(|part| str::from_utf8(part.encoded()).expect("text")).collect::<Vec<_>>()[..]
    else {
        panic!("three assertions are expected");
    };
    let cases = cases(key, account, store);
    // Those that it should refuse may share a daemon, since it learns nothing from them.
    let (bad, others): (Vec<_>, Vec<_>) = cases.into_iter().partition(|(_, wanted, _)| *wanted == Bad);
    let groups = [bad].into_iter().chain(others.into_iter().map(|case| vec![case]));
    for group in groups {
        let streams: Vec<Vec<u8>> = group.iter().map(|(_, _, text)| text.clone().into_bytes()).collect();
        let Some(says) = ack(&streams) else { return };
        let wrong: Vec<String> = group.iter().zip(says).filter_map(|(case, says)| compare(case, &says)).collect();
        assert_eq!(wrong, Vec::<String>::new());
    }
}

/// What is wrong with the two verdicts.
fn compare((name, wanted, text): &(&'static str, Wanted, String), says: &Says) -> Option<String> {
    let ours = ours(Trust::roots(), text.as_bytes());
    let words = ours.as_ref().map_or_else(ToString::to_string, |()| "we accept".to_owned());
    eprintln!("{name}: {} / {words}", if says.accepts { "snapd accepts" } else { says.words.trim() });
    let found = match (says.accepts, ours.is_ok()) {
        (true, true) => Good,
        (false, false) => Bad,
        (true, false) => Stricter,
        (false, true) => return Some(format!("{name}: snapd refuses what we accept: {}", says.words)),
    };
    (found != *wanted).then(|| format!("{name}: {found:?}, not {wanted:?}: {words}"))
}

/// What our authority signs, stock snapd reads, and refuses for nothing but its root.
#[test]
fn stock_snapd_reads_what_the_test_authority_signs_and_does_not_trust_it() {
    let authority = TestAuthority::shared().expect("keys");
    let account = authority.account("publisher1", "someone", "verified").sign(&authority.store).expect("sign");
    let trust = Trust::with_test_root(authority.roots()).expect("roots");
    let good = [authority.store_key(), &account].join(&b"\n"[..]);
    ours(&trust, &good).expect("good with our root");
    assert!(ours(Trust::roots(), &good).is_err());
    let another_body = authority.account_key(&authority.root, "testauthority", "x", "2016-04-01T00:00:00Z");
    let another_body = another_body.header("public-key-sha3-384", &authority.store.id().to_string());
    let streams = [good, another_body.sign(&authority.root).expect("sign")];
    let Some(says) = ack(&streams) else { return };
    let [chain, other_key] = &says[..] else { panic!("{says:?}") };
    assert!(!chain.accepts && !other_key.accepts);
    let untrusted =
        ["no matching public key", "not signed by a directly trusted authority", "cannot resolve prerequisite"];
    assert!(untrusted.iter().any(|words| chain.words.contains(words)), "{chain:?}");
    assert!(other_key.words.contains("public key does not match provided key id"), "{other_key:?}");
    assert!(ours(&trust, &streams[1]).is_err());
}
