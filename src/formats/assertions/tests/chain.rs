//! Who may say what.

use super::*;
use crate::formats::Invalid;
use crate::samples::assertions::KEYS_SINCE;

fn verify(pool: &Pool, now: Time) -> Result<(), Invalid> {
    let trust = trust();
    let mut verifier = Verifier::new(&trust, pool, now);
    verifier.verify_snap(Sha3::of(SNAP), SNAP.len() as u64).map(drop)
}

/// Why the snap is refused when its assertions are these.
fn refusal(drafts: &[Draft]) -> String {
    verify(&pool(drafts), now()).unwrap_err().to_string()
}

/// Everything good but for one more assertion, already signed.
fn refusal_with(drafts: &[Draft], more: &[&[u8]]) -> String {
    let mut pool = pool(drafts);
    more.iter().for_each(|bytes| assert!(pool.add(Assertion::parse(bytes).unwrap()).unwrap()));
    verify(&pool, now()).unwrap_err().to_string()
}

fn name() -> String {
    parsed(&revision()).reference().to_string()
}

#[test]
fn trusts_assertions_of_an_authority_that_is_trusted() {
    let (authority, trust) = (authority(), trust());
    let mut pool = Pool::of_stream(authority.store_key()).unwrap();
    let (id, snap) = ("buPKUD3TKqCOgLEjjHx5kSiCpIs5cMuQ", b"hsqs a snap".as_slice());
    for draft in [
        authority.account("publisher1", "someone", "verified"),
        authority.snap_declaration(id, "hello", "publisher1"),
        authority.snap_revision(Sha3::of(snap), snap.len() as u64, id, 7, "publisher1"),
        authority.store_at("store1", "publisher1", "https://snaps.invalid"),
    ] {
        pool.add(Assertion::parse(&draft.sign(&authority.store).unwrap()).unwrap()).unwrap();
    }
    let mut verifier = Verifier::new(&trust, &pool, now());
    verifier.verify_all().unwrap();
    let verified = verifier.verify_snap(Sha3::of(snap), snap.len() as u64).unwrap();
    assert_eq!((verified.declaration.snap_name.as_str(), verified.revision.revision), ("hello", 7));
    assert_eq!(verified.publisher.username, "someone");
    let stream = Assertion::write_stream(verified.chain.iter().copied());
    assert_eq!(Pool::of_stream(&stream).unwrap().iter().count(), 4);
    let keys: Vec<&str> = verified.vouchers.iter().map(|voucher| voucher.key_name.as_str()).collect();
    assert_eq!(keys, ["root", "store", "store", "store"]);
    assert!(Verifier::new(Trust::roots(), &pool, now()).verify_all().is_err());
}

#[test]
fn every_part_of_the_chain_is_needed() {
    let all = [publisher(), declaration(), revision()];
    verify(&pool(&all), now()).unwrap();
    assert_eq!(refusal(&all[1..]), format!("{} needs account publisher1, which is not there", name()));
    let declaration_lacks = format!("{} needs snap-declaration 16/{SNAP_ID}, which is not there", name());
    assert_eq!(refusal(&[publisher(), revision()]), declaration_lacks);
    assert!(refusal(&all[..2]).starts_with("no assertion is about a snap with SHA3-384"));
    let mut without_key = Pool::default();
    all.iter().for_each(|draft| assert!(without_key.add(parsed(draft)).unwrap()));
    let id = authority().store.id();
    let unknown =
        format!("{} is signed by key {id} of testauthority, which is neither trusted nor vouched for", name());
    assert_eq!(verify(&without_key, now()).unwrap_err().to_string(), unknown);
    // Another developer than the publisher has to be there too.
    let other = authority().snap_revision(Sha3::of(SNAP), SNAP.len() as u64, SNAP_ID, 7, "developer1");
    assert!(refusal(&[publisher(), declaration(), other]).ends_with("needs account developer1, which is not there"));
}

#[test]
fn what_is_missing_is_found_step_by_step() {
    let trust = trust();
    let start = Reference::snap_revision(Sha3::of(SNAP));
    let mut pool = Pool::default();
    let mut fetched = Vec::new();
    let upstream = super::pool(&[publisher(), declaration(), revision()]);
    while let Some(missing) = pool.missing(&trust, &start).pop() {
        fetched.push(missing.kind.clone());
        pool.add(upstream.get(&missing).unwrap().clone()).unwrap();
    }
    fetched.sort();
    assert_eq!(fetched, ["account", "account-key", "snap-declaration", "snap-revision"]);
    verify(&pool, now()).unwrap();
}

#[test]
fn the_file_is_compared() {
    let trust = trust();
    let pool = pool(&[publisher(), declaration(), revision()]);
    let mut verifier = Verifier::new(&trust, &pool, now());
    let error = verifier.verify_snap(Sha3::of(SNAP), 5).unwrap_err();
    assert_eq!(error.to_string(), format!("the snap has 5 bytes, where {} says {}", name(), SNAP.len()));
    let error = verifier.verify_snap(Sha3::of(b"another"), SNAP.len() as u64).unwrap_err();
    assert!(error.to_string().contains("no assertion is about a snap"), "{error}");
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let all = [publisher(), declaration(), revision()];
    let streams: Vec<Vec<u8>> = all.iter().map(signed).collect();
    for (stream, from, to) in [
        (0, "someone", "anyone0"),
        (1, "hello", "hullo"),
        (2, "snap-revision: 7", "snap-revision: 8"),
        (2, "2025-01-01", "2025-01-02"),
    ] {
        let mut pool = Pool::of_stream(authority().store_key()).unwrap();
        for (at, bytes) in streams.iter().enumerate() {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(at != stream || text.contains(from));
            let text = if at == stream { text.replace(from, to) } else { text };
            pool.add(Assertion::parse(text.as_bytes()).unwrap()).unwrap();
        }
        let refused = crate::formats::refusal(verify(&pool, now()));
        assert!(refused.ends_with("is not good: it is of another key or on other bytes"), "{refused}");
    }
    // The signature of another assertion by the same key, and none at all.
    let revision = parsed(&revision());
    let declaration = parsed(&declaration());
    for signature in [declaration.signature(), b"AQ==\n"] {
        let moved = [revision.content(), b"\n\n", signature].concat();
        let reason = refusal_with(&all[..2], &[&moved]);
        assert_eq!(reason, format!("the signature of {} by key {} is not good", name(), authority().store.id()));
    }
}

#[test]
fn another_root_is_not_trusted() {
    let other = TestAuthority::new("testauthority", key(0), key(1)).unwrap();
    let mut pool = Pool::of_stream(other.store_key()).unwrap();
    for draft in [publisher(), declaration(), revision()] {
        pool.add(Assertion::parse(&draft.sign(&other.store).unwrap()).unwrap()).unwrap();
    }
    let error = verify(&pool, now()).unwrap_err();
    assert!(error.to_string().contains("neither trusted nor vouched for"), "{error}");
    // Nor is it when it is there: a root that signs itself vouches for nothing.
    for assertion in Assertion::parse_stream(other.roots()).unwrap() {
        pool.add(assertion).unwrap();
    }
    let error = verify(&pool, now()).unwrap_err();
    assert!(error.to_string().contains(&format!("is signed by key {} ", other.root.id())), "{error}");
    let error = Verifier::new(Trust::roots(), &pool, now()).verify_all().unwrap_err();
    assert!(error.to_string().contains("not directly trusted"), "{error}");
}

#[test]
fn keys_that_vouch_for_each_other_vouch_for_nothing() {
    let keys: Vec<TestKey> = (0..2).map(key).collect();
    let mut pool = Pool::default();
    for (key, other) in [(&keys[0], &keys[1]), (&keys[1], &keys[0])] {
        let draft = authority().account_key(key, "testauthority", "k", KEYS_SINCE);
        pool.add(Assertion::parse(&draft.sign(other).unwrap()).unwrap()).unwrap();
    }
    let trust = trust();
    let error = Verifier::new(&trust, &pool, now()).verify_all().unwrap_err();
    assert!(
        error.to_string().contains(&format!("rests on a circle of assertions, or on more than {MAX_CHAIN}")),
        "{error}"
    );
}

#[test]
fn a_trusted_key_is_not_replaced_by_one_in_the_pool() {
    // The root's own key again, as another account's and long expired: nobody looks at it.
    let root = authority().account_key(&authority().root, "publisher1", "root", KEYS_SINCE);
    let root = root.header("until", "2017-01-01T00:00:00Z").revision(9).sign(&authority().store).unwrap();
    let mut pool = pool(&[publisher(), declaration(), revision()]);
    pool.add(Assertion::parse(&root).unwrap()).unwrap();
    verify(&pool, now()).unwrap();
}

/// A key of `account` that the root vouches for, and its account-key.
fn key_of(account: &str, change: impl Fn(Draft) -> Draft) -> (TestKey, Vec<u8>) {
    let key = key(0);
    let draft = change(authority().account_key(&key, account, "brand", "2024-01-01T00:00:00Z"));
    let signed = draft.sign(&authority().root).unwrap();
    (key, signed)
}

#[test]
fn a_publisher_s_key_cannot_say_what_only_the_store_may() {
    let (key, account_key) = key_of("publisher1", |draft| draft);
    let store = authority().store_at("s", "publisher1", "https://x.invalid");
    let sub_key = authority().account_key(&super::key(1), "publisher1", "sub", KEYS_SINCE);
    for draft in [publisher(), declaration(), revision(), store, sub_key] {
        let check = |draft: &Draft| {
            let bytes = draft.sign(&key).unwrap();
            let reference = Assertion::parse(&bytes).unwrap().reference().clone();
            let mut pool = Pool::of_stream(authority().store_key()).unwrap();
            pool.add(parsed(&publisher())).unwrap();
            pool.add(parsed(&declaration())).unwrap();
            pool.add(Assertion::parse(&account_key).unwrap()).unwrap();
            pool.add(Assertion::parse(&bytes).unwrap()).unwrap();
            let trust = trust();
            Verifier::new(&trust, &pool, now()).verify(&reference).unwrap_err()
        };
        let error = check(&draft.clone().header("authority-id", "publisher1").revision(1));
        assert!(error.to_string().contains("not directly trusted"), "{error}");
        // In the store's name, with a key that is not the store's. An account cannot vouch for the key that vouches for it.
        let error = check(&draft.clone().revision(1));
        let circle = draft == publisher()
            && error.to_string().contains(&format!("rests on a circle of assertions, or on more than {MAX_CHAIN}"));
        assert!(circle || error.to_string().contains("which belongs to"), "{error}");
    }
}

#[test]
fn other_assertions_may_be_signed_by_their_authority() {
    let (key, account_key) = key_of("publisher1", |draft| draft);
    let model = Draft::new("model", "publisher1").header("series", "16").header("brand-id", "publisher1");
    let model = model.header("model", "m").sign(&key).unwrap();
    let trust = trust();
    let mut pool = pool(&[publisher()]);
    pool.add(Assertion::parse(&account_key).unwrap()).unwrap();
    pool.add(Assertion::parse(&model).unwrap()).unwrap();
    Verifier::new(&trust, &pool, now()).verify_all().unwrap();
    assert_eq!(*parsed(&publisher()).statement(), *pool.get(&Reference::account("publisher1")).unwrap().statement());
}

#[test]
fn keys_are_valid_for_a_time() {
    let until = |until: &'static str| move |draft: Draft| draft.header("until", until);
    let trust = trust();
    let at = |account_key: &[u8], key: &TestKey, timestamp: &str, now: i64| {
        let draft = publisher().header("account-id", "p2").header("timestamp", timestamp);
        let mut pool = Pool::of_stream(account_key).unwrap();
        pool.add(Assertion::parse(&draft.sign(key).unwrap()).unwrap()).unwrap();
        Verifier::new(&trust, &pool, Time::from_unix(now).unwrap()).verify(&Reference::account("p2")).map(drop)
    };
    let (key, account_key) = key_of("testauthority", until("2025-01-01T00:00:00Z"));
    let (last_second, begin) = (1_735_689_599, 1_704_067_200);
    at(&account_key, &key, "2024-12-31T23:59:59.9Z", last_second).unwrap();
    at(&account_key, &key, "2024-01-01T00:00:00Z", begin).unwrap();
    let error = at(&account_key, &key, "2024-06-01T00:00:00Z", last_second + 1).unwrap_err();
    let since = "2024-01-01T00:00:00Z until 2025-01-01T00:00:00Z";
    assert_eq!(
        error.to_string(),
        format!(
            "account p2 is signed with key {}, which is valid from {since}, and it is 2025-01-01T00:00:00Z",
            key.id()
        )
    );
    let error = at(&account_key, &key, "2024-06-01T00:00:00Z", begin - 1).unwrap_err();
    assert!(error.to_string().contains(", and it is "), "{error}");
    for timestamp in ["2025-01-01T00:00:00Z", "2023-12-31T23:59:59.999Z"] {
        let error = at(&account_key, &key, timestamp, last_second).unwrap_err();
        assert!(error.to_string().contains("and its key"), "{error}");
        assert!(error.to_string().contains(&format!("its key {} is valid from {since}", key.id())), "{error}");
    }
}

#[test]
fn a_constrained_key_signs_nothing_here() {
    let rule = [("type".to_owned(), "model".into())].into();
    let rules = DraftValue::List(vec![DraftValue::Map([("headers".to_owned(), DraftValue::Map(rule))].into())]);
    let (key, account_key) =
        key_of("testauthority", |draft| draft.header("format", "1").value("constraints", rules.clone()));
    let trust = trust();
    let mut pool = Pool::of_stream(&account_key).unwrap();
    pool.add(Assertion::parse(&publisher().sign(&key).unwrap()).unwrap()).unwrap();
    let mut verifier = Verifier::new(&trust, &pool, now());
    verifier.verify(&Reference::account_key(key.id())).unwrap();
    let error = verifier.verify(&Reference::account("publisher1")).unwrap_err();
    assert!(error.to_string().contains("constrained"), "{error}");
    let error = verifier.verify(&Reference::store("none")).unwrap_err();
    assert_eq!(error.to_string(), "there is no store none");
}

#[test]
fn a_revoked_snap_is_refused() {
    let reason = refusal(&[publisher(), declaration().header("snap-name", ""), revision()]);
    assert_eq!(reason, format!("snap-declaration 16/{SNAP_ID} revokes the snap: it has no name"));
}

#[test]
fn another_snap_s_declaration_does_not_help() {
    let other = authority().snap_declaration("otherotherotherotherotherother12", "other", "publisher1");
    let reason = refusal(&[publisher(), other.clone(), revision()]);
    assert!(reason.ends_with(&format!("needs snap-declaration 16/{SNAP_ID}, which is not there")), "{reason}");
    let other_series = declaration().header("series", "18");
    assert!(refusal(&[publisher(), other_series, revision()]).contains("which is not there"));
}

/// The declaration, which lets `account` sign revisions of provenance `mine`, so far as `rules` say.
fn delegating(account: &str, rules: &[(&str, &str)]) -> Draft {
    let mut map: std::collections::BTreeMap<String, DraftValue> = [("account-id".to_owned(), account.into())].into();
    map.insert("provenance".to_owned(), DraftValue::List(vec!["mine".into()]));
    map.extend(rules.iter().map(|(name, value)| ((*name).to_owned(), DraftValue::from(*value))));
    declaration().value("revision-authority", DraftValue::List(vec![DraftValue::Map(map)]))
}

#[test]
fn revisions_of_other_provenance_are_signed_by_whom_the_declaration_lets() {
    let (key, account_key) = key_of("publisher1", |draft| draft);
    let own = revision().header("authority-id", "publisher1");
    let mine = own.clone().header("provenance", "mine").sign(&key).unwrap();
    let check = |declaration: Draft| {
        let mut pool = pool(&[publisher(), declaration]);
        pool.add(Assertion::parse(&account_key).unwrap()).unwrap();
        pool.add(Assertion::parse(&mine).unwrap()).unwrap();
        verify(&pool, now())
    };
    check(delegating("publisher1", &[])).unwrap();
    check(delegating("publisher1", &[("min-revision", "7"), ("max-revision", "7")])).unwrap();
    for declaration in [
        declaration(),
        delegating("publisher2", &[]),
        delegating("publisher1", &[("min-revision", "8")]),
        delegating("publisher1", &[("max-revision", "6")]),
    ] {
        let error = check(declaration).unwrap_err();
        assert!(error.to_string().contains("has the provenance"), "{error}");
    }
    for rules in [&[("min-revision", "0")][..], &[("min-revision", "9"), ("max-revision", "8")], &[("provenance", "x")]]
    {
        assert!(Assertion::parse(&signed(&delegating("publisher1", rules))).is_err(), "{rules:?}");
    }
    // The store's own provenance cannot be handed on.
    let reason = refusal_with(&[publisher(), delegating("publisher1", &[])], &[&account_key, &own.sign(&key).unwrap()]);
    assert_eq!(reason, format!("{} is signed by publisher1, which is not directly trusted", name()));
    // Of several the store's own counts, and without it none.
    let yours = revision().header("provenance", "yours");
    let reason = refusal_with(&[publisher(), delegating("publisher1", &[]), yours.clone()], &[&account_key, &mine]);
    assert!(reason.contains("asserted in several provenances"), "{reason}");
    verify(&pool(&[publisher(), declaration(), yours, revision()]), now()).unwrap();
}

#[test]
fn of_one_name_the_highest_revision_counts() {
    let mut pool = pool(&[publisher().revision(2)]);
    assert!(!pool.add(parsed(&publisher().revision(1))).unwrap());
    assert!(!pool.add(parsed(&publisher().revision(2))).unwrap());
    assert!(pool.add(parsed(&publisher().revision(3).header("username", "new"))).unwrap());
    let error = pool.add(parsed(&publisher().revision(3))).unwrap_err();
    assert_eq!(error.to_string(), "there are two different versions of account publisher1 with revision 3");
    assert_eq!(pool.get(&Reference::account("publisher1")).unwrap().header("username"), Some("new"));
}

#[test]
fn the_embedded_roots_are_well_formed_and_sign_each_other() {
    let trust = Trust::roots();
    assert!(trust.is_trusted("canonical") && !trust.is_trusted("generic") && !trust.is_trusted(""));
    for id in ["-CvQKAwRQ5h3Ffn10FILJoEZUXOv6km9FwA80-Rcj-f-6jadQ89VRswHNiEB9Lxk", GENERIC_MODELS] {
        assert!(trust.knows(&Reference::account_key(id.parse().unwrap())));
    }
    assert!(trust.knows(&Reference::account("generic")) && !trust.knows(&Reference::store("generic")));
    let roots = [&include_bytes!("../roots/canonical.assert")[..], b"\n", include_bytes!("../roots/generic.assert")];
    let pool = Pool::of_stream(&roots.concat()).unwrap();
    assert_eq!(pool.iter().count(), 4);
    Verifier::new(trust, &pool, now()).verify_all().unwrap();
}

const GENERIC_MODELS: &str = "d-JcZF9nD9eBw7bwMnH61x-bklnQOhQud1Is6o_cn2wTj8EYDi9musrIT9z2MdAa";
