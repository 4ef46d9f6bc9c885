//! Debian's order of versions is an order, whatever the texts.
#![no_main]

use gapferry::formats::apt::version::compare;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|versions: (&str, &str)| {
    let (a, b) = versions;
    assert_eq!(compare(a, b), compare(b, a).reverse());
});
