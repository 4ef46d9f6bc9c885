//! Security data: read or refused, and all versions of a statement can be compared. The first byte chooses the format; data for debsecan
//! is taken before it is packed.
#![no_main]

use std::io::Write as _;

use gapferry::formats::feed::{FeedFormat, check_feed, likely_format, read_feed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let _ = likely_format("x.json", rest);
    let format = FeedFormat::ALL[usize::from(*first) % FeedFormat::ALL.len()];
    let mut packed = Vec::new();
    if format == FeedFormat::Debsecan && first & 0x80 == 0 {
        let mut encoder = flate2::write::ZlibEncoder::new(&mut packed, flate2::Compression::fast());
        encoder.write_all(rest).and_then(|()| encoder.finish().map(drop)).expect("memory");
    } else {
        packed.extend_from_slice(rest);
    }
    let mut count = 0;
    let read = read_feed(format, "release/1/bookworm", packed.as_slice(), &mut |statement| {
        count += 1;
        for version in ["", "1.0", "2:1-1~deb12u1"] {
            if let Some(fixed) = statement.versions.fixed_above(version) {
                assert!(!fixed.is_empty());
            }
        }
        Ok(())
    });
    if format.is_read("release/1/bookworm") {
        assert_eq!(read.is_ok(), check_feed(format, "release/1/bookworm", packed.as_slice()).is_ok());
    }
});
