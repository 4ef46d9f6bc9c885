//! Genuine assertions, where this machine has them; skipped loudly where it has not.

use gapferry::formats::assertions::{Assertion, Pool, Reference, Statement, Trust, Verifier};
use gapferry::time::Time;

use crate::support::genuine::shared_data;

/// 2026-09-01, after all of them were made.
fn now() -> Time {
    Time::from_unix(1_788_220_800).expect("time")
}

const STREAMS: [&str; 4] = ["canonical-root.assert", "canonical-store.account-key", "generic.assert", STORE];
const STORE: &str = "store-heS0H76d.assert";

#[test]
fn genuine_assertions_verify_and_keep_their_bytes() {
    let Some(folder) = shared_data() else { return };
    for name in STREAMS {
        let stream = std::fs::read(folder.join(name)).expect(name);
        let assertions = Assertion::parse_stream(&stream).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(Assertion::write_stream(&assertions), stream, "{name}");
        let pool = Pool::of_stream(&stream).expect(name);
        Verifier::new(Trust::roots(), &pool, now()).verify_all().unwrap_or_else(|error| panic!("{name}: {error}"));
        eprintln!("{name}: {} assertions are good", assertions.len());
    }
}

#[test]
fn a_genuine_store_assertion_says_where_the_store_is() {
    let Some(folder) = shared_data() else { return };
    let pool = Pool::of_stream(&std::fs::read(folder.join(STORE)).expect(STORE)).expect(STORE);
    let reference = Reference::store("heS0H76dk4bNRuKjR7wla9I1ImsE7AGr");
    assert_eq!(pool.missing(Trust::roots(), &reference), []);
    let assertion = Verifier::new(Trust::roots(), &pool, now()).verify(&reference).expect("good");
    let Statement::Store(store) = assertion.statement() else { panic!("{:?}", assertion.statement()) };
    assert_eq!(store.url.as_ref().map(url::Url::as_str), Some("https://enterprise-store.snapd.canonical.com/"));
    // Without the account of its operator, or the key that signed it, it is not taken.
    for missing in ["account", "account-key"] {
        let mut part = Pool::default();
        for assertion in pool.iter().filter(|assertion| assertion.kind() != missing) {
            part.add(assertion.clone()).expect("add");
        }
        assert_eq!(part.missing(Trust::roots(), &reference).len(), 1);
        let error = Verifier::new(Trust::roots(), &part, now()).verify(&reference).expect_err(missing);
        let words = error.to_string();
        let missing = words.contains("neither trusted nor vouched for") || words.contains("which is not there");
        assert!(missing, "{error}");
    }
}

#[test]
fn no_byte_of_what_is_signed_can_be_changed() {
    let Some(folder) = shared_data() else { return };
    let stream = std::fs::read(folder.join(STORE)).expect(STORE);
    let mut from = 0;
    for assertion in Assertion::parse_stream(&stream).expect(STORE) {
        for at in (0..assertion.content().len()).step_by(7) {
            let mut changed = stream.clone();
            changed[from + at] ^= 1;
            let Ok(pool) = Pool::of_stream(&changed) else { continue };
            let verdict = Verifier::new(Trust::roots(), &pool, now()).verify_all();
            assert!(verdict.is_err(), "byte {at} of {}", assertion.reference());
        }
        from += assertion.encoded().len() + 1;
    }
}
