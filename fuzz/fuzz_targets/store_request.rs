//! What a device posts to the store: it is answered or refused, and no reply is larger than it may be.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use gapferry::formats::snap::api::Reply;
use gapferry::serve::store::catalogue::Catalogue;
use gapferry::serve::store::refresh::{AskingDevice, reply};
use gapferry::serve::store::request::Asked;
use libfuzzer_sys::fuzz_target;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let index = r#"{"format": 1, "channels": [
        {"name": "words", "architecture": "amd64", "channel": "latest/stable", "revision": 3},
        {"name": "words", "architecture": "amd64", "channel": "3.6/edge/fix", "revision": 5}],
        "snaps": [{"name": "words", "snap-id": "words-id", "revision": 3, "architectures": ["amd64"]},
        {"name": "words", "snap-id": "words-id", "revision": 5, "architectures": ["all"]}]}"#;
    let mut catalogue = Catalogue::default();
    catalogue.offer(serde_json::from_str(index).expect("an index"), Path::new("snaps"));
    catalogue
});

fuzz_target!(|body: &[u8]| {
    let Ok(asked) = Asked::parse(body) else { return };
    let device = AskingDevice { architecture: "amd64", base: "http://store.test" };
    let Some(json) = reply(&CATALOGUE, &asked, device) else { return };
    let read: Reply = serde_json::from_slice(&json).expect("what we write is read back");
    assert!(read.results.len() <= asked.actions.len());
});
