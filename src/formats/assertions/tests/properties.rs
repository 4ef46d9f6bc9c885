//! Properties.

use std::sync::LazyLock;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A header's value; lists and maps are never empty, since those cannot be written.
fn value() -> impl Strategy<Value = Value> {
    let text = "[^\r\0]{0,12}".prop_map(Value::Text);
    text.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(Value::List),
            btree_map("[a-z](-?[a-z0-9]){0,6}", inner, 1..4).prop_map(Value::Map),
        ]
    })
}

/// The bytes of a stream that verifies.
static STREAM: LazyLock<Vec<u8>> =
    LazyLock::new(|| Assertion::write_stream(pool(&[publisher(), declaration(), revision()]).iter()));

/// The same value for a draft.
fn drafted(value: &Value) -> DraftValue {
    match value {
        Value::Text(text) => DraftValue::Text(text.clone()),
        Value::List(list) => DraftValue::List(list.iter().map(drafted).collect()),
        Value::Map(map) => DraftValue::Map(map.iter().map(|(name, value)| (name.clone(), drafted(value))).collect()),
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        headers in btree_map("[a-z](-?[a-z0-9]){3,9}", value(), 0..5),
        body in "[^\0]{0,60}",
        revision in 0_u64..1000,
    ) {
        let mut draft = Draft::new("x-type", "someone").revision(revision).body(body.as_bytes());
        for (name, value) in &headers {
            draft = draft.value(&format!("x-{name}"), drafted(value));
        }
        let bytes = signed(&draft);
        let assertion = Assertion::parse(&bytes).unwrap();
        for (name, value) in &headers {
            prop_assert_eq!(&assertion.headers()[&format!("x-{name}")], value);
        }
        prop_assert_eq!(assertion.body(), body.as_bytes());
        prop_assert_eq!(assertion.revision(), revision);
        prop_assert_eq!(assertion.encoded(), &bytes[..]);
        prop_assert_eq!(assertion.sign_key(), authority().store.id());
        let twice = Assertion::write_stream([&assertion, &assertion]);
        prop_assert_eq!(Assertion::parse_stream(&twice).unwrap(), vec![assertion.clone(), assertion]);
    }

    #[test]
    fn nothing_panics(bytes in vec(any::<u8>(), 0..400), text in "[a-z0-9:\n -]{0,400}") {
        let _ = Assertion::parse_stream(&bytes);
        let _ = Assertion::parse_stream(text.as_bytes());
        let _ = text.parse::<Sha3>();
    }

    /// Only what is not signed may change without notice: how the signature is packed and wrapped in lines.
    #[test]
    fn a_changed_stream_does_not_verify(at in any::<Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = STREAM.clone();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        let trust = trust();
        let original = Pool::of_stream(&STREAM).unwrap();
        let Ok(pool) = Pool::of_stream(&bytes) else { return Ok(()) };
        for assertion in pool.iter() {
            if Verifier::new(&trust, &pool, now()).verify(assertion.reference()).is_ok() {
                let same = original.get(assertion.reference()).unwrap();
                prop_assert_eq!(assertion.content(), same.content());
            }
        }
    }
}
