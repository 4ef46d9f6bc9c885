//! The signed texts of a bundle, manifest and packing: there is one text for each value.
#![no_main]

use gapferry::bundle::packing::Packing;
use gapferry::bundle::state::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(manifest.to_text().expect("text of a manifest").as_bytes(), bytes);
    }
    if let Ok(packing) = Packing::parse_any(bytes) {
        assert_eq!(packing.to_text().expect("text of a packing").as_bytes(), bytes);
        packing.parameters.id().expect("its ID");
    }
});
