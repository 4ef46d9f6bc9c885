//! An InRelease. What verifies must be what was signed; the fuzzer does not find keys, so nothing else may.
#![no_main]

use std::sync::LazyLock;

use gapferry::formats::openpgp::{Keyring, SiteKey, verify_clear_signed};
use libfuzzer_sys::fuzz_target;

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let key = SiteKey::generate("fuzz <fuzz@example.invalid>", 0).expect("a key");
    Keyring::parse(&key.public_binary().expect("its public half")).expect("a keyring")
});

fuzz_target!(|bytes: &[u8]| {
    assert!(verify_clear_signed(bytes, &KEYRING, 1_000).is_err());
});
