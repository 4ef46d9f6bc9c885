//! Snaps collected from a store of the tests' own.

use std::fs;

use gapferry::cli::Exit;
use gapferry::upstream::assertions::TestAuthority;
use gapferry::upstream::{SnapSpec, build_snap};
use serde_json::{Value, json};

use crate::support::desk::{Desk, Ended, names};
use crate::support::server::{Fault, Times};
use crate::support::snap_store::{Stocked, TestStore};
use crate::support::snaps::{authority, snap_id};

/// A revision that the store has on `channel` for these architectures.
pub(super) fn stocked(spec: &SnapSpec, revision: u64, channel: &str, architectures: &[&str]) -> Stocked {
    let releases = architectures.iter().map(|architecture| (architecture.to_string(), channel.to_owned()));
    Stocked {
        name: spec.name.clone(),
        revision,
        yaml: spec.yaml(),
        bytes: build_snap(spec).unwrap(),
        releases: releases.collect(),
    }
}

pub(super) fn base(name: &str) -> SnapSpec {
    SnapSpec::of_kind("base", name, "20")
}

pub(super) fn app(name: &str, version: &str, base: &str) -> SnapSpec {
    SnapSpec { base: Some(base.to_owned()), ..SnapSpec::new(name, version) }
}

/// A store with an app for two architectures, what it needs, and what nobody needs.
fn store() -> TestStore {
    let store = TestStore::start();
    let stock = |snap| store.stock(authority(), snap);
    let both = ["amd64", "arm64"];
    let mut plug = app("hello", "1.0", "gapbase");
    plug.extra_yaml =
        "plugs:\n  stuff:\n    interface: content\n    target: $SNAP/x\n    default-provider: themes:some\n".into();
    stock(stocked(&plug, 11, "3.6/stable", &["amd64"]));
    plug.version = "1.0-arm".into();
    stock(stocked(&plug, 12, "3.6/stable", &["arm64"]));
    plug.version = "0.9".into();
    stock(stocked(&plug, 9, "3.5/stable", &["amd64"]));
    stock(stocked(&base("gapbase"), 4, "latest/stable", &both));
    stock(stocked(&SnapSpec::of_kind("snapd", "snapd", "2.68"), 5, "latest/stable", &both));
    stock(stocked(&app("themes", "7", "gapbase"), 6, "latest/stable", &both));
    stock(stocked(&app("stranger", "7", "gapbase"), 8, "latest/stable", &both));
    store
}

fn table(store: &TestStore, more: &str) -> String {
    format!("[[snaps]]\nname = \"hello\"\nstore-url = \"{}\"\n{more}\n", store.url())
}

const BOTH: &str = "channel = \"3.6\"\narchitectures = [\"amd64\", \"arm64\"]";

fn desk(store: &TestStore, more: &str) -> Desk {
    let desk = Desk::new();
    desk.select(&table(store, more));
    desk
}

/// The items of a bundle, by file.
fn items(desk: &Desk, bundle: &std::path::Path) -> Vec<Value> {
    let inspected = desk.run(&format!("inspect {} --json", bundle.display())).ok().json();
    inspected["collections"][0]["items"].as_array().unwrap().clone()
}

/// The channels that offer a snap, with a space between.
fn channels(item: &Value) -> String {
    let channels = item["details"]["snap"]["channels"].as_array().unwrap().iter();
    channels.map(|channel| channel.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn published(desk: &Desk) -> Value {
    serde_json::from_slice(&fs::read(desk.path("site/current/snaps/store/index.json")).unwrap()).unwrap()
}

#[test]
fn a_snap_comes_with_what_it_needs_for_every_architecture() {
    let store = store();
    let desk = desk(&store, BOTH);
    let dry = desk.export("--dry-run --json").ok().json();
    assert_eq!((&dry["selected"]["files"], &dry["fetched"]["files"]), (&json!(5), &json!(5)));
    let bundle = desk.bundle();
    let items = items(&desk, &bundle);
    let says = |file: &str| {
        let item = items.iter().find(|item| item["path"] == file).unwrap_or_else(|| panic!("no {file}"));
        let text = |field: &str| item[field].as_str().unwrap().to_owned();
        [text("version"), channels(item), text("reason")]
    };
    assert_eq!(items.len(), 5, "{items:?}");
    assert_eq!(says("hello_11.snap"), ["1.0", "amd64:3.6/stable", "requested"]);
    assert_eq!(says("hello_12.snap"), ["1.0-arm", "arm64:3.6/stable", "requested"]);
    let both = "amd64:latest/stable arm64:latest/stable";
    assert_eq!(says("themes_6.snap"), ["7", both, "default provider of hello"]);
    assert_eq!(says("gapbase_4.snap")[1..], [both, "base of hello"]);
    assert_eq!(says("snapd_5.snap")[1..], [both, "snapd for hello"]);

    desk.init(&[], "");
    desk.import(&bundle).ok();
    let index = published(&desk);
    assert_eq!(index["channels"].as_array().unwrap().len(), 8);
    let hello = index["snaps"].as_array().unwrap().iter().find(|snap| snap["revision"] == 11).unwrap();
    assert_eq!((&hello["base"], &hello["snap-id"]), (&json!("gapbase"), &json!(snap_id("hello"))));
    for name in names(&desk.path("site/current/snaps/store")).iter().filter(|name| name.ends_with(".snap")) {
        let (snap, revision) = name.strip_suffix(".snap").unwrap().rsplit_once('_').unwrap();
        let upstream = store.folder().join(format!("download/{}_{revision}.snap", snap_id(snap)));
        let same = fs::read(upstream).unwrap() == fs::read(desk.path("site/current/snaps/store").join(name)).unwrap();
        assert!(same, "{name}");
    }

    // Nothing is fetched twice, and the workspace knows what it has by the digest that the store names.
    desk.export("").says(Exit::NothingNew, &["nothing is new"]);
    assert_eq!(store.server.requests(&format!("download/{}_11.snap", snap_id("hello"))).len(), 1);
    let dry = desk.export("--dry-run --force --json").ok().json();
    assert_eq!(dry["fetched"]["files"], 0);

    // A new revision, and only it, travels next.
    store.stock(authority(), stocked(&app("hello", "1.1", "gapbase"), 20, "3.6/stable", &["amd64"]));
    desk.ferry();
    let amd64 =
        published(&desk)["channels"].as_array().unwrap().iter().find(|c| c["name"] == "hello").cloned().unwrap();
    assert_eq!(amd64, json!({ "name": "hello", "architecture": "amd64", "channel": "3.6/stable", "revision": 20 }));
}

#[test]
fn a_revision_can_be_pinned_and_the_closure_left_out() {
    let store = store();
    let desk = desk(&store, "revision = 9\nclosure = false\narchitectures = [\"amd64\"]");
    let items = items(&desk, &desk.bundle());
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["path"], "hello_9.snap");
    assert_eq!(items[0]["details"]["snap"], json!({ "channels": ["amd64:latest/stable"], "revision": 9 }));
}

#[test]
fn a_snap_that_is_selected_itself_is_not_taken_from_the_default_channel() {
    let store = store();
    store.stock(authority(), stocked(&base("gapbase"), 40, "2/edge", &["amd64"]));
    let more = format!(
        "channel = \"3.5\"\narchitectures = [\"amd64\"]\n[[snaps]]\nname = \"gapbase\"\nchannel = \"2/edge\"\n\
         architectures = [\"amd64\"]\nstore-url = \"{}\"",
        store.url()
    );
    let desk = desk(&store, &more);
    let files: Vec<Value> = items(&desk, &desk.bundle()).iter().map(|item| item["path"].clone()).collect();
    assert_eq!(files, ["gapbase_40.snap", "hello_9.snap", "snapd_5.snap", "themes_6.snap"]);
}

#[test]
fn what_the_store_does_not_have_is_named_with_what_it_has() {
    let store = store();
    let refused = |more: &str, words: &[&str]| drop(desk(&store, more).export("").says(Exit::Usage, words));
    let amd64 = "architectures = [\"amd64\"]";
    refused(&format!("channel = \"4\"\n{amd64}"), &["hello 4/stable for amd64", "3.6/stable for arm64", "3.5/stable"]);
    refused("channel = \"3.6\"\narchitectures = [\"s390x\"]", &["hello 3.6/stable for s390x", "3.6/stable for amd64"]);
    refused(&format!("revision = 10\n{amd64}"), &["hello revision 10"]);
    refused("", &["architectures"]);
    refused(&format!("channel = \"a/b\"\n{amd64}"), &["not a channel"]);
    refused(&format!("{amd64}\nfrom = \"x\""), &["exactly one of name and from"]);
    let desk = Desk::new();
    desk.select(&format!("[[snaps]]\nname = \"helo\"\n{amd64}\nstore-url = \"{}\"\n", store.url()));
    desk.export("").says(Exit::Usage, &["helo", "name-not-found"]);
    drop(store);
}

#[test]
fn a_store_that_is_not_there_is_unavailable() {
    let (store, dead) = (store(), TestStore::start().url());
    let desk = desk(&store, BOTH);
    desk.select(&format!("[[snaps]]\nname = \"hello\"\narchitectures = [\"amd64\"]\nstore-url = \"{dead}\"\n"));
    desk.export("").says(Exit::UpstreamUnavailable, &["cannot ask the store"]);
}

/// The end of an export after `twist` changed the store.
fn after(change: impl Fn(&TestStore)) -> Ended {
    let store = store();
    change(&store);
    let desk = desk(&store, BOTH);
    let ended = desk.export("");
    assert_eq!(names(&desk.path("medium")), Vec::<String>::new());
    store.straighten();
    ended
}

fn digest_path(name: &str, revision: u64, store: &TestStore) -> String {
    let bytes = fs::read(store.folder().join(format!("download/{}_{revision}.snap", snap_id(name)))).unwrap();
    format!("v2/assertions/snap-revision/{}", gapferry::formats::assertions::Sha3::of(&bytes))
}

/// Whatever the store does, nothing that is not signed for gets in.
#[test]
fn a_store_that_lies_is_found_out() {
    let verification = |change: &dyn Fn(&TestStore), words: &str| {
        drop(after(change).says(Exit::VerificationFailed, &[words]));
    };
    let hello = || format!("download/{}_11.snap", snap_id("hello"));
    verification(&|s| s.server.fault(&hello(), Times::ALWAYS, Fault::Flip(3000)), "sha3-384");
    verification(&|s| s.server.fault(&hello(), Times::ALWAYS, Fault::ChunkedExtra(5)), "hello");
    verification(&|s| s.twist(|r| r["results"][0]["snap"]["download"]["size"] = json!(7)), "cannot trust hello");
    verification(&|s| s.twist(|r| r["results"][0]["snap"]["download"]["sha3-384"] = json!("00")), "digest of hello");
    verification(&|s| s.twist(|r| r["results"][0]["snap"]["revision"] = json!(99)), "revision 99 of hello");
    let file = |r: &mut Value| r["results"][0]["snap"]["download"]["url"] = json!("file:///etc/passwd");
    verification(&|s| s.twist(file), "no address that it may send us to");
    // Another snap under the name that was asked for.
    verification(
        &|s| {
            let bytes = fs::read(s.folder().join(format!("download/{}_8.snap", snap_id("stranger")))).unwrap();
            let (sha3, size) = (gapferry::formats::assertions::Sha3::of(&bytes).to_hex(), bytes.len());
            s.twist(move |r| {
                r["results"][0]["snap"]["download"]["sha3-384"] = json!(sha3);
                r["results"][0]["snap"]["download"]["size"] = json!(size);
            });
        },
        "revision 8 of stranger",
    );
    // Assertions that are cut, of another snap, or of another root.
    verification(
        &|s| {
            let path = digest_path("hello", 11, s);
            let said = fs::read(s.folder().join(&path)).unwrap();
            s.put(&path, &said[..said.len() / 2]);
        },
        "snap-revision",
    );
    verification(
        &|s| {
            let other = fs::read(s.folder().join(digest_path("gapbase", 4, s))).unwrap();
            s.put(&digest_path("hello", 11, s), &other);
        },
        "the store answers with",
    );
    verification(
        &|s| {
            let bytes = fs::read(s.folder().join(format!("download/{}_11.snap", snap_id("hello")))).unwrap();
            s.say(&crate::support::snaps::by_an_expired_key(authority(), "hello", 11, &bytes));
        },
        "cannot trust hello",
    );
    let unknown =
        |s: &TestStore| s.server.fault(&digest_path("hello", 11, s), Times::ALWAYS, Fault::Status(404, vec![]));
    verification(&unknown, "cannot trust hello");
    verification(
        &|s| {
            s.stock(
                TestAuthority::shared().unwrap(),
                stocked(&app("hello", "6.6", "gapbase"), 66, "3.6/stable", &["amd64"]),
            )
        },
        "cannot trust hello",
    );
}

#[test]
fn a_store_that_breaks_is_reported_as_that() {
    let words =
        |change: &dyn Fn(&TestStore), words: &str| drop(after(change).says(Exit::UpstreamUnavailable, &[words]));
    words(&|s| s.twist(|r| r["results"] = json!([])), "says nothing about hello");
    words(&|s| s.twist(|r| *r = json!({ "results": 7 })), "malformed");
    words(&|s| s.server.fault("v2/snaps/refresh", Times::ALWAYS, Fault::Status(400, vec![])), "cannot ask the store");
    let failing =
        |s: &TestStore| s.server.fault(&digest_path("hello", 11, s), Times::ALWAYS, Fault::Status(500, vec![]));
    words(&failing, "snap-revision");
}

#[test]
fn a_download_that_is_cut_goes_on_where_it_stopped() {
    let store = store();
    let desk = desk(&store, BOTH);
    let path = format!("download/{}_11.snap", snap_id("hello"));
    store.server.fault(&path, Times::ALWAYS, Fault::CutAt(2000));
    desk.export("").says(Exit::UpstreamUnavailable, &["hello"]);
    store.server.heal(&path);
    desk.bundle();
    let last = store.server.requests(&path).pop().unwrap();
    assert!(last.header("range").is_some_and(|range| range.starts_with("bytes=") && range != "bytes=0-"), "{last:?}");
}

#[test]
fn missing_need_is_named_with_its_architecture_and_who_needs_it() {
    let mut plug = app("hello", "1.0", "gapbase");
    plug.extra_yaml =
        "plugs:\n  stuff:\n    interface: content\n    target: $SNAP/x\n    default-provider: themes:some\n".into();
    let both = ["amd64", "arm64"];
    for (of_base, words) in [
        (&both[..1], "has no gapbase latest/stable for arm64 (base of hello)"),
        (&both, "has no themes latest/stable for amd64 (default provider of hello)"),
    ] {
        let store = TestStore::start();
        store.stock(authority(), stocked(&plug, 11, "3.6/stable", &both));
        store.stock(authority(), stocked(&SnapSpec::of_kind("snapd", "snapd", "2.68"), 5, "latest/stable", &both));
        store.stock(authority(), stocked(&base("gapbase"), 4, "latest/stable", of_base));
        let themes = if of_base.len() == 1 { "latest/stable" } else { "latest/edge" };
        store.stock(authority(), stocked(&app("themes", "7", "gapbase"), 6, themes, &both));
        desk(&store, BOTH).export("").says(Exit::Usage, &[words]);
    }
}

#[test]
fn a_folders_snaps_need_what_they_need() {
    let desk = Desk::new();
    let store = store();
    let folder = desk.path("snaps");
    fs::create_dir_all(&folder).unwrap();
    let bytes = build_snap(&app("local", "1", "gapbase")).unwrap();
    fs::write(folder.join("local_1.assert"), crate::support::snaps::assertions(authority(), "local", 1, &bytes))
        .unwrap();
    fs::write(folder.join("local_1.snap"), bytes).unwrap();
    desk.select("[[snaps]]\nfrom = \"../snaps\"\n");
    desk.export("")
        .says(Exit::Usage, &["local needs the snap gapbase for all architectures (base of local)", "closure = false"]);
    desk.select("[[snaps]]\nfrom = \"../snaps\"\nclosure = false\nchannel = \"beta\"\n");
    assert_eq!(channels(&items(&desk, &desk.bundle())[0]), "all:latest/beta");
    let of_store = |name: &str| {
        format!("[[snaps]]\nname = \"{name}\"\narchitectures = [\"amd64\"]\nstore-url = \"{}\"\n", store.url())
    };
    desk.select(&format!("[[snaps]]\nfrom = \"../snaps\"\n{}{}", of_store("gapbase"), of_store("snapd")));
    assert_eq!(items(&desk, &desk.bundle()).len(), 3);
    // What a snap of the store brings along is as good as what is selected.
    desk.select(&format!("[[snaps]]\nfrom = \"../snaps\"\n{}", of_store("themes")));
    assert_eq!(items(&desk, &desk.bundle()).len(), 4);
}
