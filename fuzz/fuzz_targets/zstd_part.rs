//! The stored bytes of a compressed part: never more comes out than the manifest says.
#![no_main]

use gapferry::bundle::zstd_frame::expand;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (length, frame) = input;
    if let Some(bytes) = expand(frame, length.into()) {
        assert_eq!(bytes.len(), usize::from(length));
    }
});
