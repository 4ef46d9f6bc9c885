//! A snap's image: never more than the cap comes out, and what is found is found again.
#![no_main]

use std::io::Cursor;

use gapferry::formats::snap::squashfs::read_file;
use libfuzzer_sys::fuzz_target;

const CAP: u64 = 1 << 20;

fuzz_target!(|image: &[u8]| {
    for path in [&["meta", "snap.yaml"][..], &["meta"], &["f"]] {
        if let Ok(content) = read_file(&mut Cursor::new(image), path, CAP) {
            assert!(content.len() as u64 <= CAP);
            assert_eq!(read_file(&mut Cursor::new(image), path, content.len() as u64).expect("the same"), content);
        }
    }
});
