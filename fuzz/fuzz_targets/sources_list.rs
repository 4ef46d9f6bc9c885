//! apt's source lists, in both styles.
#![no_main]

use gapferry::formats::apt::sources::{parse, parse_suites};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = parse("host.sources", text);
    let _ = parse("host.list", text);
    let _ = parse_suites("host.list", text, &["stable".to_owned()]);
});
