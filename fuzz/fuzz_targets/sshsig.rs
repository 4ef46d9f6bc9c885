//! A manifest's signature file, over a fixed message.
#![no_main]

use gapferry::trust::{MANIFEST_NAMESPACE, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|armored: &[u8]| {
    // A fuzzer can make up a key of its own, so what verifies is not an error; it must only not panic.
    let _ = verify(armored, MANIFEST_NAMESPACE, b"a manifest");
});
