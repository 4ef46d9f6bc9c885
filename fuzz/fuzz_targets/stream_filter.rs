//! A filter of image streams: whatever is accepted judges an item.
#![no_main]

use gapferry::formats::simplestreams::{Filter, Products};
use libfuzzer_sys::fuzz_target;

const ITEM: &[u8] =
    br#"{"format": "products:1.0", "products": {"p": {"arch": "amd64", "versions": {"1": {"items": {"a": {}}}}}}}"#;

fuzz_target!(|text: &str| {
    let Ok(filter) = text.parse::<Filter>() else { return };
    let products = Products::parse(ITEM).expect("a products file");
    for item in products.items() {
        let _ = filter.matches(&item);
    }
});
