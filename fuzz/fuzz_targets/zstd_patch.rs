//! The stored bytes of a patch, and what it builds on: never more comes out than the manifest says.
#![no_main]

use gapferry::bundle::patch::expand;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8], &[u8])| {
    let (length, base, frame) = input;
    if let Some(bytes) = expand(frame, base, length.into()) {
        assert_eq!(bytes.len(), usize::from(length));
    }
});
