//! Packages, Sources and dpkg's status file: every stanza is read or refused, and its paths never leave the tree.
#![no_main]

use gapferry::formats::apt::packages::{installed, packages, sources};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for package in packages(text).flatten() {
        let _ = package.path().map(|path| package.stanza_with(&path));
    }
    for source in sources(text).flatten() {
        let _ = source.normalized_stanza();
        for file in &source.files {
            let _ = source.path(file);
        }
    }
    installed(text).for_each(drop);
});
