//! The sample `manifests/snaps.toml`, with the tests' own store in the place of the public one, and folders of ours.

use std::fs;

use gapferry::upstream::{SnapSpec, build_snap};
use serde_json::{Value, json};

use super::store::{app, base, stocked};
use crate::store::stock::client;
use crate::support::desk::{Desk, names};
use crate::support::snap_store::TestStore;
use crate::support::snaps::{assertions, authority, snap_id};

const EXPORT: &str = "htop-20250101T000000.tar.gz";

/// A store with what the sample selects, what that needs, and a newer revision than the pinned one.
fn store() -> TestStore {
    let store = TestStore::start();
    let stock = |spec: &SnapSpec, revision, channel: &str, architectures: &[&str]| {
        store.stock(authority(), stocked(spec, revision, channel, architectures));
    };
    stock(&app("maas", "3.6.1", "core24"), 40, "3.6/stable", &["amd64"]);
    stock(&app("maas", "3.6.1-arm", "core24"), 41, "3.6/stable", &["arm64"]);
    stock(&app("jq", "1.5", "core24"), 6, "latest/candidate", &["amd64"]);
    stock(&app("jq", "1.7", "core24"), 7, "latest/stable", &["amd64"]);
    for (spec, revision) in needed("arm64") {
        stock(&spec, revision + 1, "latest/stable", &["amd64", "arm64"]);
    }
    store
}

/// What every app needs, for devices of one architecture.
fn needed(architecture: &str) -> [(SnapSpec, u64); 2] {
    let snapd = SnapSpec::of_kind("snapd", "snapd", "2.70");
    [(base("core24"), 20), (snapd, 30)]
        .map(|(spec, revision)| (SnapSpec { architectures: vec![architecture.to_owned()], ..spec }, revision))
}

/// A desk with the sample as its selection; its folders are the desk's, and its store is `store`.
fn desk(store: &TestStore) -> Desk {
    let desk = Desk::new();
    for folder in ["snaps", "exports"] {
        fs::create_dir(desk.path(folder)).unwrap();
    }
    let local = SnapSpec { architectures: vec!["amd64".to_owned()], ..app("local", "1", "core24") };
    for (spec, revision) in needed("amd64").into_iter().chain([(local, 3)]) {
        let (path, bytes) = (desk.path(&format!("snaps/{}_{revision}.snap", spec.name)), build_snap(&spec).unwrap());
        let said = assertions(authority(), &spec.name, revision, &bytes);
        fs::write(path.with_extension("assert"), said).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::write(desk.path("exports").join(EXPORT), "what is in it is nobody's business").unwrap();
    let sample = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/snaps.toml")).unwrap();
    let from_store = format!("store-url = \"{}\"\narchitectures = ", store.url());
    let mut text = sample;
    for (old, new, count) in [
        ("architectures = ", from_store.as_str(), 2),
        ("\"/srv/snaps\"", "\"../snaps\"", 1),
        ("\"/srv/store-admin/", "\"../exports/", 1),
    ] {
        assert_eq!(text.matches(old).count(), count, "{old} in the sample");
        text = text.replace(old, new);
    }
    fs::write(desk.path("online/selection.toml"), text).unwrap();
    desk
}

#[test]
fn devices_get_what_the_sample_selects() {
    let store = store();
    let desk = desk(&store);
    desk.init(&[], "--allow-unsigned enterprise-store");
    desk.ferry();
    let index = fs::read(desk.path("site/current/snaps/store/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let channels: Vec<String> = index["channels"].as_array().unwrap().iter().map(listing).collect();
    let expected = [
        "core24 amd64 latest/stable 20",
        "core24 arm64 latest/stable 21",
        "jq amd64 latest/stable 6",
        "local amd64 latest/stable 3",
        "maas amd64 3.6/stable 40",
        "maas arm64 3.6/stable 41",
        "snapd amd64 latest/stable 30",
        "snapd arm64 latest/stable 31",
    ];
    assert_eq!(channels, expected);
    assert_eq!(names(&desk.path("site/current/enterprise-store/exports")), [EXPORT]);

    // Stock snap takes all of it but the signatures under the tests' root.
    let serving = desk.serve();
    for (name, channel, revision) in [("maas", "3.6/stable", 40), ("jq", "stable", 6), ("local", "stable", 3)] {
        let ended = client(&desk, &serving, &["download", name, &format!("--channel={channel}")]);
        assert!(ended.err.contains("account (testsuite) not found"), "{}", ended.err);
        let upstream = match name {
            "local" => desk.path("snaps/local_3.snap"),
            name => store.folder().join(format!("download/{}_{revision}.snap", snap_id(name))),
        };
        let got = fs::read(desk.path(&format!("medium/{name}_{revision}.snap"))).unwrap();
        assert!(got == fs::read(upstream).unwrap(), "{name}");
    }
}

fn listing(channel: &Value) -> String {
    ["name", "architecture", "channel", "revision"].map(|field| word(&channel[field])).join(" ")
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A site that was not told to take exports unsigned says so, and publishes nothing.
#[test]
fn the_sample_needs_the_policy_that_it_names() {
    let store = store();
    let desk = desk(&store);
    desk.init(&[], "");
    let bundle = desk.bundle();
    desk.import(&bundle).says(gapferry::cli::Exit::Refused, &["enterprise-store"]);
    assert_eq!(desk.run("status --site site --json").ok().json()["generation"], json!(0));
}
