//! A stream of snap assertions, by nobody whom snapd trusts unless it is a genuine one: what is read is written again as it
//! was, and nothing verifies that rests on nothing.
#![no_main]

use gapferry::formats::assertions::{Assertion, Pool, Sha3, Trust, Verifier};
use gapferry::time::Time;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let Ok(assertions) = Assertion::parse_stream(stream) else { return };
    let written = Assertion::write_stream(&assertions);
    assert_eq!(Assertion::parse_stream(&written).expect("a stream that we wrote"), assertions);
    assert_eq!(written.trim_ascii_end(), stream.trim_ascii_end());
    let Ok(pool) = Pool::of_stream(stream) else { return };
    let mut verifier = Verifier::new(Trust::roots(), &pool, Time::from_unix(1_760_000_000).expect("a time"));
    for assertion in &assertions {
        let good = verifier.verify(assertion.reference()).is_ok();
        let rests_on_nothing = Trust::roots().knows(&assertion.prerequisites()[0]);
        assert!(!good || rests_on_nothing || assertions.len() > 1);
    }
    assert!(verifier.verify_snap(Sha3::of(b""), 0).is_err());
});
