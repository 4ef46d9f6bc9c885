//! A snap's `meta/snap.yaml`: names in what is read are such as can be asked for, and become names of files.
#![no_main]

use gapferry::formats::snap::{Metadata, SnapRights};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|yaml: &[u8]| {
    let _ = SnapRights::parse(yaml);
    let Ok(metadata) = Metadata::parse(yaml) else { return };
    let names = metadata.needs().into_iter().map(|need| need.name).chain([metadata.name]);
    for name in names {
        assert!((1..=40).contains(&name.len()), "{name:?}");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
            "{name:?}"
        );
    }
    assert!(metadata.epoch.read.iter().any(|number| metadata.epoch.write.contains(number)));
});
