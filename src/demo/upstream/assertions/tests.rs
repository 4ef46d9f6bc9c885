use super::*;
use crate::formats::assertions::{Assertion, Pool, Value, Verifier};
use crate::time::Time;

fn now() -> Time {
    Time::from_unix(1_760_000_000).unwrap()
}

#[test]
fn what_the_authority_signs_is_trusted_by_those_who_trust_it() {
    let authority = TestAuthority::shared().unwrap();
    let trust = authority.trust().unwrap();
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
fn a_draft_is_written_in_snapd_s_order() {
    let authority = TestAuthority::shared().unwrap();
    let list = Value::List(vec!["a".into(), Value::Map([("b".to_owned(), "c\nd".into())].into())]);
    let draft = authority.draft(SNAP_DECLARATION).header("zoo", "z").header("snap-id", "id").header("series", "16");
    let draft = draft.value("list", list).revision(3).header("format", "1").body(b"body");
    let text = String::from_utf8(draft.content(&authority.store)).unwrap();
    let id = authority.store.id();
    assert_eq!(
        text,
        format!(
            "type: snap-declaration\nformat: 1\nauthority-id: testauthority\nrevision: 3\nseries: 16\nsnap-id: id\n\
             list:\n  - a\n  -\n    b:\n        c\n        d\nzoo: z\nbody-length: 4\nsign-key-sha3-384: {id}\n\nbody"
        )
    );
}

#[test]
fn a_seed_always_gives_the_same_key() {
    let [one, again, other] =
        [QUICK_SEEDS[0], QUICK_SEEDS[0], QUICK_SEEDS[1]].map(|seed| TestKey::from_seed(seed).unwrap());
    assert_eq!((one.id(), one.public()), (again.id(), again.public()));
    assert_ne!(one.id(), other.id());
    assert_eq!(format!("{one:?}"), format!("TestKey({})", one.id()));
    assert_eq!(one.sign(b"content", 1).unwrap(), again.sign(b"content", 1).unwrap());
}

#[test]
fn the_embedded_root_is_that_of_the_authority_of_tests() {
    let embedded = include_bytes!("../../../formats/assertions/roots/tests.assert");
    assert_eq!(TestAuthority::trusted_in_tests().unwrap().roots(), embedded);
}
