//! Versions of RPM packages: any two have an order, and it is the same from both sides.
#![no_main]

use gapferry::formats::rpm::evr::compare;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|versions: (&str, &str)| {
    assert_eq!(compare(versions.0, versions.1), compare(versions.1, versions.0).reverse());
});
