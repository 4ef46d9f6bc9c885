//! A Release file: what we write of what we read reads the same again.
#![no_main]

use gapferry::formats::apt::release::Release;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(release) = Release::parse(text) else { return };
    if let Ok(written) = release.to_text() {
        let again = Release::parse(written.as_bytes()).expect("a Release that we wrote");
        assert_eq!(again.to_text().ok(), Some(written));
    }
});
