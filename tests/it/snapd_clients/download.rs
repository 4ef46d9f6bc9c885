//! `snap download` and `snap known --remote`: every byte that is published arrives.

use std::fs;

use gapferry::formats::assertions::{Assertion, Sha3};

use super::shop::{FIRST, SECOND, Ware, desk};
use crate::support::desk::{Desk, Ended, Serving};
use crate::support::snapd::{Build, alone};

/// Runs `snap` alone, in the desk's folder `medium`.
fn snap(desk: &Desk, serving: &Serving, build: Build, arguments: &str) -> Option<Ended> {
    alone(build, &format!("http://{}", serving.address), &desk.path("medium"), arguments)
}

/// A published file of a snap.
fn published(desk: &Desk, ware: &Ware, extension: &str) -> Vec<u8> {
    let name = format!("site/current/snaps/store/{}_{}.{extension}", ware.name, ware.revision);
    fs::read(desk.path(&name)).unwrap()
}

fn all() -> Vec<Ware> {
    [FIRST, SECOND].concat()
}

/// By the digest of the snap, the snap's id and so on.
fn known(assertion: &Assertion) -> String {
    let text = String::from_utf8(assertion.content().to_vec()).unwrap();
    let keys: &[&str] = match assertion.kind() {
        "account" => &["account-id"],
        "account-key" => &["public-key-sha3-384"],
        "snap-declaration" => &["series", "snap-id"],
        "snap-revision" => &["snap-sha3-384"],
        kind => panic!("{kind}"),
    };
    let value = |key: &&str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}: "))).unwrap();
        format!(" {key}={line}")
    };
    format!("known --remote {}{}", assertion.kind(), keys.iter().map(value).collect::<String>())
}

#[test]
fn stock_snap_fetches_every_byte_and_misses_the_root() {
    let desk = desk(&all());
    let serving = desk.serve();
    for ware in all() {
        let Ware { name, revision, .. } = ware;
        let ended = snap(&desk, &serving, Build::Stock, &format!("download {name} --revision={revision}")).unwrap();
        // It has read the snap, and what is said of it, up to the authority, which it does not know.
        assert_ne!(ended.code, 0, "stock snap trusts the tests' root: {}", ended.out);
        assert!(ended.out.contains(&format!("Fetching assertions for \"{name}\"")), "{} {}", ended.out, ended.err);
        assert!(ended.err.contains("account (testsuite) not found"), "{}", ended.err);
        let fetched = fs::read(desk.path(&format!("medium/{name}_{revision}.snap"))).unwrap();
        assert!(fetched == published(&desk, &ware, "snap"), "{name}");
        for assertion in Assertion::parse_stream(&published(&desk, &ware, "assert")).unwrap() {
            let ended = snap(&desk, &serving, Build::Stock, &known(&assertion)).unwrap().ok();
            assert_eq!(ended.out.as_bytes(), assertion.encoded(), "{}", known(&assertion));
        }
    }
}

#[test]
fn who_trusts_the_root_gets_snaps_with_their_assertions() {
    let desk = desk(&all());
    let serving = desk.serve();
    for ware in all() {
        let Ware { name, revision, .. } = ware;
        let arguments = format!("download {name} --revision={revision}");
        let Some(ended) = snap(&desk, &serving, Build::TrustsTests, &arguments) else { return };
        ended.ok();
        let fetched = |extension| fs::read(desk.path(&format!("medium/{name}_{revision}.{extension}"))).unwrap();
        assert!(fetched("snap") == published(&desk, &ware, "snap"), "{name}");
        let sorted = |stream: &[u8]| {
            let mut parts: Vec<Vec<u8>> =
                Assertion::parse_stream(stream).unwrap().iter().map(|part| part.encoded().to_vec()).collect();
            parts.sort();
            parts
        };
        assert!(sorted(&fetched("assert")) == sorted(&published(&desk, &ware, "assert")), "{name}");
    }
    // Without a revision, it is the one of latest/stable; a wrong blob would not pass.
    snap(&desk, &serving, Build::TrustsTests, "download gapword --basename=last").unwrap().ok();
    let last = fs::read(desk.path("medium/last.snap")).unwrap();
    assert_eq!(Sha3::of(&last), Sha3::of(&published(&desk, &SECOND[1], "snap")));
}

#[test]
fn a_snap_that_was_changed_at_the_site_is_refused() {
    let desk = desk(FIRST);
    let path = desk.path("site/current/snaps/store/gapword_1.snap");
    let mut bytes = fs::read(&path).unwrap();
    bytes[200] ^= 1;
    fs::write(path, bytes).unwrap();
    let ended = snap(&desk, &desk.serve(), Build::Stock, "download gapword").unwrap();
    assert!(ended.code != 0 && ended.err.contains("sha3-384 mismatch for \"gapword\""), "{}", ended.err);
}
