//! A line of an OpenSSH public key file.
#![no_main]

use gapferry::trust::PublicKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    if let Ok(key) = PublicKey::from_line(line) {
        assert!(PublicKey::from_line(&key.to_line()).is_ok());
    }
});
