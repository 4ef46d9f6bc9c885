//! Stanzas and fields, sliced out of any bytes.
#![no_main]

use gapferry::formats::apt::deb822::Stanzas;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut total = 0;
    for stanza in Stanzas::new(text) {
        total += stanza.bytes().len();
        stanza.fields().for_each(drop);
        let _ = stanza.field("Package");
    }
    assert!(total <= text.len());
});
