use super::*;

#[test]
fn a_draft_is_written_in_snapd_s_order() {
    let authority = TestAuthority::shared().unwrap();
    let list = DraftValue::List(vec!["a".into(), DraftValue::Map([("b".to_owned(), "c\nd".into())].into())]);
    let draft = authority.draft("snap-declaration").header("zoo", "z").header("snap-id", "id").header("series", "16");
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
    assert_eq!(TestAuthority::trusted_in_tests().unwrap().roots(), ROOT_OF_TESTS);
}
