//! Image streams: an index and a products file are read or refused, items' paths never stand where metadata does, and what
//! is written of what was read reads the same.
#![no_main]

use gapferry::formats::simplestreams::{Products, StreamIndex, cut, products_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let _ = StreamIndex::parse(text);
    let Ok(products) = Products::parse(text) else { return };
    for item in products.items() {
        if let Ok(Some(file)) = item.file() {
            assert!(!file.path.as_str().starts_with("streams/"));
        }
    }
    for part in cut(&products, |_| true).values() {
        let Ok(written) = products_text("id", "image-ids", part, "now") else { return };
        let again = Products::parse_as(written.as_bytes(), "id").expect("a products file that we wrote");
        assert_eq!(products_text("id", "image-ids", &again, "now").ok(), Some(written));
    }
});
