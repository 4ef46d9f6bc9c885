//! A list of patches: each patch stands beside the list, and is within the limits.
#![no_main]

use gapferry::formats::apt::pdiff::{MAX_PATCH_BYTES, MAX_PATCHES, PdiffIndex};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let path = PdiffIndex::path_of("main/binary-amd64/Packages").expect("a path");
    let Ok(index) = PdiffIndex::parse(text, &path) else { return };
    assert!(index.patches.len() <= MAX_PATCHES);
    for (patch, file) in &index.patches {
        let name = patch.as_str().strip_prefix("main/binary-amd64/Packages.diff/").expect("a patch beside the list");
        assert!(!name.contains('/') && name.ends_with(".gz") && file.size <= MAX_PATCH_BYTES);
    }
});
