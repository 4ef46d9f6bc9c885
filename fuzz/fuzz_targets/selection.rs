//! A selection, in TOML.
#![no_main]

use gapferry::selection::Selection;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Selection::parse(text);
});
