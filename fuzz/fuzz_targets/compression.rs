//! Compressed indexes: never more than the cap comes out.
#![no_main]

use gapferry::formats::compression::{Compression, decompress};
use libfuzzer_sys::fuzz_target;

const CAP: u64 = 1 << 20;

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let kind = Compression::ALL[usize::from(kind) % Compression::ALL.len()];
    if let Ok(content) = decompress(bytes, kind, CAP) {
        assert!(content.len() as u64 <= CAP);
    }
});
