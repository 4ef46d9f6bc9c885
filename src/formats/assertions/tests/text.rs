//! What is no assertion.

use super::*;
use crate::error_class::causes;
use crate::formats::refusal;

const KEY: &str = "BWDEoaqyr25nF5SNCvEv2v7QnM9QsfCc0PBMYD_i2NGSQ32EF2d4D0hqUel3m8ul";

/// An assertion of an unknown type with these further headers, and a body.
fn with(headers: &str, body: &str) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("\nbody-length: {}", body.len()) };
    let body = if body.is_empty() { String::new() } else { format!("\n\n{body}") };
    format!("type: x\nauthority-id: a{headers}{length}\nsign-key-sha3-384: {KEY}{body}\n\nAQ==\n").into_bytes()
}

/// The fault of the first assertion that cannot be read.
fn flaw(bytes: &[u8]) -> String {
    let causes = causes(&Assertion::parse_stream(bytes).unwrap_err());
    assert!(causes[0].ends_with("cannot be read"), "{causes:?}");
    causes[1..].join(": ")
}

fn header_flaw(headers: &str) -> String {
    flaw(&with(headers, "")).to_string()
}

#[test]
fn headers_are_texts_lists_and_maps() {
    let headers = include_str!("../../../../fixtures/assertions/nested-headers.txt");
    let assertion = Assertion::parse(&with(headers, "body\n\nwith a gap")).unwrap();
    let text = |name| assertion.header(name).unwrap();
    assert_eq!((text("one"), text("empty"), text("many")), ("1", "", "a\n  b\n\nc"));
    let list = assertion.headers()["list"].list().unwrap();
    assert_eq!(list[..2], ["x".into(), Value::List(vec!["y".into()])]);
    assert_eq!(list[2].map().unwrap()["k"].text(), Some("v"));
    assert_eq!(list[3].text(), Some("t\n  u"));
    let map = assertion.headers()["map"].map().unwrap();
    assert_eq!((map["a"].text(), map["e"].text()), (Some("b"), Some("f\ng")));
    assert_eq!(map["c"].list().unwrap(), ["d".into()]);
    assert_eq!(assertion.body(), b"body\n\nwith a gap");
    assert!(assertion.content().ends_with(b"body\n\nwith a gap"));
    assert_eq!(assertion.encoded(), with(headers, "body\n\nwith a gap"));
    assert_eq!((assertion.kind(), assertion.revision(), assertion.format()), ("x", 0, 0));
}

#[test]
fn malformed_headers_are_refused() {
    for (headers, reason) in [
        ("\nno colon", "line 3 is no header: it has no colon"),
        ("\nUpper: x", "line 3 is no header: its name is malformed"),
        ("\n1a: x", "line 3 is no header: its name is malformed"),
        ("\na--b: x", "line 3 is no header: its name is malformed"),
        ("\na-: x", "line 3 is no header: its name is malformed"),
        ("\n: x", "line 3 is no header: its name is malformed"),
        ("\n a: x", "line 3 is no header: its name is malformed"),
        ("\na:x", "line 3 is no header: no space stands before its value"),
        ("\na:", "line 3 is no header: it has no value"),
        ("\na:\n   x", "line 3 is no header: it has no value"),
        ("\na: x\nb: y\na: z", "line 5 is no header: its name is there already"),
        ("\nm:\n  a: x\n  a: y", "line 5 is no header: its name is there already"),
        ("\nm:\n  a: x\n    b", "line 5 is no header: it has no colon"),
        ("\nm:\n  A: x", "line 4 is no header: its name is malformed"),
        ("\nl:\n  -x", "line 4 is no header: no space stands before its value"),
        ("\nl:\n  - x\n  b: y", "line 5 is no header: its name is malformed"),
        ("\na: x\r", "its headers have a byte 0x0d; were line ends converted?"),
        ("\na: x\0", "its headers have a byte 0x00; were line ends converted?"),
    ] {
        assert_eq!(header_flaw(headers), reason, "{headers:?}");
    }
    assert_eq!(flaw(b"type: \xFF\n\nAQ==\n"), "its headers is no UTF-8");
    let mut body = with("", "body");
    let at = body.windows(4).position(|window| window == b"body").unwrap();
    body[at..at + 4].copy_from_slice(b"body");
    let at = body.windows(5).rposition(|window| window == b"\nbody").unwrap();
    body[at + 1] = 0xFF;
    assert_eq!(flaw(&body), "its body is no UTF-8");
}

#[test]
fn headers_that_every_assertion_has_are_demanded() {
    for (text, reason) in [
        (format!("authority-id: a\nsign-key-sha3-384: {KEY}"), "it has no type"),
        (format!("type: \nauthority-id: a\nsign-key-sha3-384: {KEY}"), "its type is malformed"),
        (format!("type: x\nsign-key-sha3-384: {KEY}"), "it has no authority-id"),
        (format!("type: x\nauthority-id:\n  - a\nsign-key-sha3-384: {KEY}"), "its authority-id is malformed"),
        ("type: x\nauthority-id: a".to_owned(), "it has no sign-key-sha3-384"),
        ("type: x\nauthority-id: a\nsign-key-sha3-384: abc".to_owned(), "its sign-key-sha3-384 is malformed"),
        (format!("type: x\nauthority-id: a\nsign-key-sha3-384: {KEY}="), "its sign-key-sha3-384 is malformed"),
        (format!("type: serial-request\nbrand-id: a\nsign-key-sha3-384: {KEY}"), "it has no authority-id"),
        (format!("type: account\nauthority-id: a\nsign-key-sha3-384: {KEY}"), "it has no account-id"),
        (format!("type: store\nauthority-id: a\nstore: a/b\nsign-key-sha3-384: {KEY}"), "its store is malformed"),
        (format!("type: model\nauthority-id: a\nseries: 16\nsign-key-sha3-384: {KEY}"), "it has no brand-id"),
    ] {
        assert_eq!(flaw(format!("{text}\n\nAQ==\n").as_bytes()).to_string(), reason, "{text:?}");
    }
}

#[test]
fn numbers_are_plain_and_in_range() {
    for number in ["", "-1", "+1", "01", "1 ", "x", "9223372036854775808", "99999999999999999999999"] {
        assert_eq!(header_flaw(&format!("\nrevision: {number}")), "its revision is malformed", "{number:?}");
        assert_eq!(header_flaw(&format!("\nformat: {number}")), "its format is malformed", "{number:?}");
        assert_eq!(header_flaw(&format!("\nbody-length: {number}")), "its body-length is malformed", "{number:?}");
    }
    assert_eq!(header_flaw("\nrevision:\n  - 1"), "its revision is malformed");
    let most = Assertion::parse(&with("\nrevision: 9223372036854775807\nformat: 0", "")).unwrap();
    assert_eq!(most.revision(), i64::MAX as u64);
}

#[test]
fn formats_that_are_not_known_are_refused() {
    for (draft, known) in [
        (declaration(), 6),
        (publisher(), 0),
        (revision(), 0),
        (authority().account_key(&authority().store, "publisher1", "k", "2020-01-01T00:00:00Z"), 1),
    ] {
        let format = |format: u64| signed(&draft.clone().header("format", &format.to_string()));
        assert_eq!(Assertion::parse(&format(known)).unwrap().format(), known);
        assert_eq!(
            flaw(&format(known + 1)),
            format!("it is of format {}, where {known} is the newest known here", known + 1)
        );
    }
    assert_eq!((max_format(SNAP_DECLARATION), max_format("anything")), (6, 0));
    // What is not understood is not misunderstood either.
    assert_eq!(Assertion::parse(&with("\nformat: 9", "")).unwrap().format(), 9);
}

#[test]
fn sizes_are_limited_before_anything_is_read() {
    let large = vec![b' '; MAX_STREAM_BYTES + 1];
    let error = Assertion::parse_stream(&large).unwrap_err();
    assert!(error.to_string().ends_with(&format!("are more than {MAX_STREAM_BYTES} bytes")), "{error}");
    let long = "x".repeat(MAX_HEADERS_BYTES);
    let headers = flaw(&with(&format!("\na: {long}"), ""));
    assert_eq!(headers, format!("its headers has more than {MAX_HEADERS_BYTES} bytes"));
    let body = "its body has more than 2097152 bytes";
    assert_eq!(header_flaw(&format!("\nbody-length: {}", MAX_BODY_BYTES + 1)), body);
    assert_eq!(header_flaw("\nbody-length: 9223372036854775807"), body);
    assert_eq!(header_flaw(&format!("\nbody-length: {MAX_BODY_BYTES}")), "it is cut short");
    let whole = with("", "");
    let signature = [whole.strip_suffix(b"AQ==\n").unwrap(), &vec![b'A'; MAX_SIGNATURE_BYTES + 3]].concat();
    assert_eq!(flaw(&signature), format!("its signature has more than {MAX_SIGNATURE_BYTES} bytes"));
}

#[test]
fn nesting_is_limited() {
    let nested = |levels: usize| {
        let lines = (1..=levels).map(|level| format!("\n{:1$}-", "", level * 2)).collect::<String>();
        with(&format!("\nlist:{lines} x"), "")
    };
    assert!(Assertion::parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(flaw(&nested(MAX_DEPTH + 1)), format!("its headers are nested more than {MAX_DEPTH} deep"));
    assert_eq!(flaw(&nested(200)), format!("its headers are nested more than {MAX_DEPTH} deep"));
}

#[test]
fn a_stream_is_assertions_with_one_empty_line_between() {
    let (one, two) = (with("\nn: 1", ""), with("\nn: 2", "body"));
    let stream = [&one[..], b"\n", &two].concat();
    let read = Assertion::parse_stream(&stream).unwrap();
    assert_eq!(read.iter().map(Assertion::encoded).collect::<Vec<_>>(), [&one[..], &two]);
    assert_eq!(Assertion::write_stream(&read), stream);
    assert_eq!(Assertion::parse_stream(b"").unwrap(), []);
    // The end may lack its newline, or have one more.
    for end in [&b""[..], b"\n", b"\n\n"] {
        let bytes = [two.strip_suffix(b"\n").unwrap(), end].concat();
        assert_eq!(Assertion::parse(&bytes).unwrap().encoded(), two);
    }
    assert!(refusal(Assertion::parse(&stream)).contains("there are more than 1 assertions"));
    assert!(refusal(Assertion::parse(b"")).contains("assertion 1"));
    let many = vec![one.clone(); MAX_STREAM_ASSERTIONS + 1].join(&b"\n"[..]);
    assert!(refusal(Assertion::parse_stream(&many)).contains("there are more than "));
}

#[test]
fn what_is_cut_or_follows_is_refused() {
    let whole = with("\nn: 1", "body");
    let end = whole.windows(2).rposition(|window| window == b"\n\n").unwrap();
    for length in 1..=end + 1 {
        assert!(Assertion::parse_stream(&whole[..length]).is_err(), "{length} of {}", whole.len());
    }
    assert_eq!(flaw(&whole[..end + 2]), "it has no signature");
    for trailing in ["\n\n", "\n\n\n", "\n\0", "\nx", "\n \n"] {
        let bytes = [&whole[..], trailing.as_bytes()].concat();
        let error = Assertion::parse_stream(&bytes).unwrap_err();
        assert!(error.to_string().contains("assertion 2"), "{trailing:?}: {error}");
    }
    assert_eq!(flaw(&with("\nbody-length: 2", "")), "its body does not end where body-length says");
    assert_eq!([flaw(b"type: x\n\n"), flaw(b"type: x")], ["it has no signature", "it is cut short"]);
    let leading = [b"\n", &whole[..]].concat();
    assert!(flaw(&leading).starts_with("line 1 is no header"));
    let text = String::from_utf8(whole).unwrap();
    assert_eq!(flaw(text.replace("\n\nAQ", "\n\n\nAQ").as_bytes()), "it has no signature");
    assert_eq!(flaw(text.replace("\n\nAQ", "\n\n\n\nAQ").as_bytes()), "it has no signature");
    assert_eq!(flaw(text.replace('\n', "\r\n").as_bytes()), "its headers have a byte 0x0d; were line ends converted?");
}

#[test]
fn an_empty_body_may_have_its_empty_line_and_that_is_signed_then() {
    let text = String::from_utf8(with("", "")).unwrap().replace("\n\nAQ", "\n\n\n\nAQ");
    let assertion = Assertion::parse(text.as_bytes()).unwrap();
    assert!(assertion.content().ends_with(b"\n\n"));
    assert_eq!((assertion.body(), assertion.encoded()), (&b""[..], text.as_bytes()));
}

#[test]
fn what_the_types_need_is_demanded() {
    let key = authority().account_key(&authority().store, "publisher1", "k", "2020-01-01T00:00:00Z");
    let store = authority().store_at("s", "publisher1", "https://x.invalid/p");
    for (draft, name, values) in [
        (
            publisher(),
            "timestamp",
            &["2025", "2025-01-01 00:00:00Z", "2025-01-01T00:00:00", "2025-13-01T00:00:00Z"][..],
        ),
        (publisher(), "timestamp", &["2025-01-01T00:00:60Z", "2025-01-01T00:00:00.Z", "2025-01-01T00:00:00+2400", ""]),
        (publisher(), "timestamp", &["2025-01-01t00:00:00z", "2025-01-01T00:00:00+24:00", "2025-01-01T00:00Z", "ü"]),
        (publisher(), "display-name", &[""]),
        (publisher(), "validation", &[""]),
        (key.clone(), "since", &["", "x"]),
        (key.clone(), "until", &["", "x"]),
        (key.clone(), "name", &["", "-", "Upper", "1", "a--b", "a b"]),
        (key.clone(), "account-id", &[""]),
        (
            declaration(),
            "snap-name",
            &["UPPER", "a/b", "..", "a--b", "123", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
        ),
        (declaration(), "publisher-id", &[""]),
        (declaration(), "snap-id", &["", "a/b"]),
        (declaration(), "timestamp", &["", "now"]),
        (declaration(), "revision-authority", &["x"]),
        (revision(), "snap-sha3-384", &["", "abc", &"é".repeat(32)]),
        (revision(), "snap-size", &["", "-1", "1.5", "007"]),
        (revision(), "snap-revision", &["", "0", "-1", "x1"]),
        (revision(), "developer-id", &[""]),
        (revision(), "provenance", &["", "a--b", "a b", "ü"]),
        (store.clone(), "url", &["x", "ftp://x.invalid", "https://", "https://x.invalid/?q", "https://x.invalid/#f"]),
        (store.clone(), "operator-id", &[""]),
        (store.clone(), "friendly-stores", &["x"]),
    ] {
        for value in values {
            let found = flaw(&signed(&draft.clone().header(name, value)));
            assert_eq!(found, format!("its {name} is malformed"), "{value:?}");
        }
        let optional = ["until", "name", "revision-authority", "provenance", "url", "friendly-stores"].contains(&name);
        let without = Assertion::parse(&signed(&draft.clone().without(name)));
        assert_eq!(without.is_ok(), optional, "{name}");
    }
    assert_eq!(flaw(&signed(&key.clone().header("until", "2019-12-31T23:59:59Z"))), "its until is before its since");
    let other = key.header("public-key-sha3-384", &authority().root.id().to_string());
    let found = format!("its key is {}, another one than public-key-sha3-384 says", authority().store.id());
    assert_eq!(flaw(&signed(&other)), found);
    let nameless = parsed(&declaration().header("snap-name", ""));
    assert!(matches!(nameless.statement(), Statement::SnapDeclaration(it) if it.snap_name.is_empty()));
    let Statement::Store(it) = parsed(&store).statement().clone() else { panic!() };
    assert_eq!(it.url.unwrap().as_str(), "https://x.invalid/p");
}

#[test]
fn times_are_read_to_the_fraction_and_in_any_zone() {
    for (text, wanted) in [
        ("2016-12-14T18:39:30.465695Z", "2016-12-14T18:39:30.465695Z"),
        ("2016-04-01T02:00:00.0+02:00", "2016-04-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ] {
        assert_eq!(parsed(&publisher().header("timestamp", text)).timestamp().unwrap().to_string(), wanted);
    }
    // Of other types it is only a header, unless it is a time.
    assert_eq!(Assertion::parse(&with("\ntimestamp: soon", "")).unwrap().timestamp(), None);
    assert!(Assertion::parse(&with("\ntimestamp: 2020-01-01T00:00:00Z", "")).unwrap().timestamp().is_some());
}

#[test]
fn names_tell_assertions_apart() {
    let name = |draft: &Draft| parsed(draft).reference().to_string();
    assert_eq!(name(&declaration()), format!("snap-declaration 16/{SNAP_ID}"));
    assert_eq!(name(&publisher()), "account publisher1");
    let digest = Sha3::of(SNAP);
    assert_eq!(name(&revision()), format!("snap-revision {digest}"));
    assert_eq!(name(&revision().header("provenance", "mine")), format!("snap-revision {digest}/mine"));
    assert_eq!(*parsed(&revision()).reference(), Reference::snap_revision(digest));
    assert_eq!(parsed(&revision()).reference().short_key(), [digest.to_string()]);
    let hidden = Reference::account("a\x1b[2J").to_string();
    assert_eq!(hidden, "account a\\u{1b}[2J");
    let [one, two] = ["1", "2"].map(|n| Assertion::parse(&with(&format!("\nn: {n}"), "")).unwrap());
    assert_ne!(one.reference(), two.reference());
    assert_eq!(digest, Sha3::from_hex(&digest.to_hex()).unwrap());
    assert_eq!(Sha3::from_hex(&digest.to_hex().to_uppercase()), Err(crate::digest::MalformedSha3));
    assert_eq!(Sha3::from_hex("00"), Err(crate::digest::MalformedSha3));
    assert_eq!(
        Sha3::of(b"").to_hex(),
        "0c63a75b845e4f7d01107d852e4c2485c51a50aaaa94fc61995e71bbee983a2ac3713831264adb47fb6bd1e058d5f004"
    );
}
