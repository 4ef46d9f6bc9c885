//! A local .deb: its ar headers, control.tar in every compression, and control file.
#![no_main]

use std::io::Cursor;

use gapferry::formats::deb::{Control, read_control};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_control(&mut Cursor::new(bytes));
    if let Ok(control) = Control::parse(bytes) {
        assert_eq!(Control::parse(control.text().as_bytes()), Ok(control));
    }
});
