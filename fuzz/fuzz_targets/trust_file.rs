//! A site's trust file.
#![no_main]

use gapferry::trust::{SignedTrustFile, TrustFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // A file and its signatures, with a zero byte between them.
    let at = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, signatures) = bytes.split_at(at);
    if let Ok(file) = TrustFile::parse(text) {
        assert_eq!(file.to_json().as_bytes(), text, "a file has one text");
        if let Ok(signed) = SignedTrustFile::parse(text.to_vec(), signatures.get(1..).unwrap_or_default()) {
            let _ = (signed.signed_by(&file), signed.check_follows(&file), file.advice());
        }
    }
});
