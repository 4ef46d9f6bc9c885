//! A site's trust file.
#![no_main]

use gapferry::trust::TrustFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(file) = TrustFile::parse(text) {
        assert!(TrustFile::parse(&file.to_json()).is_ok());
    }
});
