//! A Release.gpg over a fixed text, by nobody in the keyring: nothing may verify.
#![no_main]

use std::sync::LazyLock;

use gapferry::formats::openpgp::{Keyring, SiteKey, verify_detached};
use libfuzzer_sys::fuzz_target;

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let key = SiteKey::generate("fuzz <fuzz@example.invalid>", 0).expect("a key");
    Keyring::parse(&key.public_binary().expect("its public half")).expect("a keyring")
});

fuzz_target!(|signature: &[u8]| {
    assert!(verify_detached(b"Suite: stable\n", signature, &KEYRING, 1_000).is_err());
});
