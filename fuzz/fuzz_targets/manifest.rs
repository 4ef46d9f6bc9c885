//! A manifest: there is one text for each, and its layout can always be computed once it has been checked.
#![no_main]

use gapferry::bundle::Manifest;
use gapferry::bundle::layout;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(manifest.to_text().expect("text of a manifest").as_bytes(), bytes);
        for member in layout::members(&manifest).iter().flatten() {
            assert_eq!(layout::header(&member.name, member.part.length).len() % 512, 0);
        }
    }
});
