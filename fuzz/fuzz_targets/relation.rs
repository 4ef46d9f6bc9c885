//! A relation field such as Depends, and the versions in it.
#![no_main]

use gapferry::formats::apt::relation::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|field: &str| {
    for relation in parse(field).into_iter().flatten().flatten() {
        let _ = relation.admits("1:2.0-1");
        let _ = relation.applies_to("amd64");
    }
});
