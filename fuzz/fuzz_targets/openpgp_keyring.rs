//! A keyring, binary or armored.
#![no_main]

use gapferry::formats::openpgp::Keyring;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Keyring::parse(bytes);
});
