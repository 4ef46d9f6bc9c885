//! The head of a recovery file: one text for each, of the right shape, or none.
#![no_main]

use gapferry::bundle::recovery::geometry::Geometry;
use gapferry::bundle::recovery::record::{Head, head_bytes};
use gapferry::digest::Sha256;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, bool, u32, &[u8])| {
    let (size, across, number, bytes) = input;
    let size = u64::from(size);
    let shape = if across { Geometry::across(&[size, size / 2, 1]) } else { Geometry::within(size) };
    let (Some(shape), id) = (shape, Sha256::of(b"")) else { return };
    // The digest at the end would stop nearly everything.
    let sealed = [bytes, Sha256::of(bytes).as_bytes()].concat();
    for bytes in [bytes, &sealed] {
        if let Some(head) = Head::parse(bytes, &shape, &id, number) {
            assert_eq!(head.to_bytes(), bytes);
            assert_eq!(head_bytes(&shape, head.count), bytes.len() as u64);
        }
    }
});
