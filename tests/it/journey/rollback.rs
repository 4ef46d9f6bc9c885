//! Rollback and gc under a real apt: over a server that is never restarted, and from disk.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::depot::Depot;
use gapferry::site::Site;
use gapferry::upstream::Upstream;

use super::{candidate, client, key};
use crate::apt_client::AptClient;
use crate::support::desk::{Desk, clean, end, heavy, names};

/// Publishes this version upstream; `origin` names who publishes it.
pub(super) fn publish(desk: &Desk, version: &str, origin: &str) {
    let mut upstream = Upstream::new(origin, &["amd64"]);
    upstream.add("stable", "main", heavy("hello", version, 50_000));
    upstream.add("stable", "main", heavy("constant", "1.0-1", 50_000));
    upstream.suite("stable").codename = format!("code-{origin}").to_lowercase();
    desk.archive("up", &mut upstream, &["stable"]);
}

pub(super) fn desk() -> Desk {
    let desk = Desk::new();
    publish(&desk, "1.0-1", "First");
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    desk.init(&["demo"], "");
    desk
}

/// One client over HTTP and one on the disk.
pub(super) fn clients(desk: &Desk, address: &str) -> [AptClient; 2] {
    let http = AptClient::new("amd64");
    http.source("deb", &format!("http://{address}/apt/demo"), "stable", "main", &key(desk));
    [http, client(desk, "demo", "stable", "main")]
}

#[track_caller]
pub(super) fn all_see(clients: &[AptClient], version: &str) {
    for client in clients {
        client.apt_get("update -o APT::Update::Error-Mode=any");
        assert_eq!(candidate(client, "hello"), version);
        client.apt_get("install -y --download-only hello");
    }
}

#[test]
fn back_and_on_again() {
    let desk = desk();
    let first = desk.bundle();
    desk.import(&first).ok();
    let serving = desk.serve();
    let clients = clients(&desk, &serving.address);
    all_see(&clients, "1.0-1");

    // Upstream changes the names by which apt knows a repository again: the site's clients must not notice.
    publish(&desk, "2.0-1", "Second");
    let second = desk.bundle();
    desk.import(&second).ok();
    all_see(&clients, "2.0-1");

    let ended = desk.run("rollback --site site --json").ok().json();
    assert_eq!((&ended["generation"], &ended["reason"]), (&3.into(), &"rollback to 1".into()));
    all_see(&clients, "1.0-1");
    desk.import(&first).says(Exit::Refused, &["sequence 1", "2"]);
    desk.import(&second).says(Exit::NothingNew, &["is here already"]);
    let status = desk.run("status --site site").ok().out;
    assert!(status.contains("dc1-base-000001, newest accepted sequence 2"), "{status}");

    publish(&desk, "3.0-1", "Third");
    desk.ferry();
    all_see(&clients, "3.0-1");
    desk.run("gc --keep 1 --site site").ok();
    fs::remove_dir_all(clients[0].path("var/cache/apt")).unwrap();
    fs::create_dir_all(clients[0].path("var/cache/apt/archives/partial")).unwrap();
    all_see(&clients, "3.0-1");
    assert_eq!(names(&desk.path("site/generations")), ["4"]);
    only_what_is_needed(&desk);
    for gone in ["1", "4", "9"] {
        let ended = desk.run(&format!("rollback {gone} --site site"));
        ended.says(Exit::Usage, &[&format!("generation {gone} is not"), "gapferry status"]);
    }
    desk.run("rollback --site site").says(Exit::Usage, &["no earlier generation"]);
}

/// Every blob is linked into a tree of the one generation, is a path map or is named by evidence, and every file of a tree is a blob.
fn only_what_is_needed(desk: &Desk) {
    let inodes = |below: &str| -> BTreeSet<u64> {
        let files = walkdir::WalkDir::new(desk.path(below)).into_iter().map(Result::unwrap);
        files.filter(|e| e.file_type().is_file()).map(|e| e.metadata().unwrap().ino()).collect()
    };
    let (mut published, blobs) = (inodes("site/trees"), inodes("site/depot/sha256"));
    let depot = Depot::open(&desk.path("site/depot")).unwrap();
    for mount in Site::open(&desk.path("site")).unwrap().current().unwrap().mounts.values() {
        assert!(published.insert(fs::metadata(depot.place(&mount.paths)).unwrap().ino()));
    }
    for record in Site::open(&desk.path("site")).unwrap().evidence_records().unwrap() {
        published.extend(record.files.values().map(|blob| fs::metadata(depot.place(blob)).unwrap().ino()));
    }
    assert_eq!(blobs, published);
    assert!(names(&desk.path("site/depot/partial")).is_empty() && names(&desk.path("site/waiting")).is_empty());
}

#[test]
fn collected_generations_can_be_imported_again_only_as_something_new() {
    let desk = desk();
    desk.ferry();
    publish(&desk, "2.0-1", "First");
    desk.ferry();
    desk.run("gc --keep 2 --site site").ok();
    desk.run("rollback --site site").ok();
    let ended = desk.run("gc --keep 2 --site site --json").ok().json();
    assert_eq!(ended["generations"], serde_json::json!([1]));
    let client = client(&desk, "demo", "stable", "main");
    all_see(&[client], "1.0-1");
    // What was rolled back is still there to go forward to.
    desk.run("rollback 2 --site site").ok();
    let client = self::client(&desk, "demo", "stable", "main");
    all_see(&[client], "2.0-1");
}

/// The program with another clock.
fn at(desk: &Desk, offset: &str, arguments: &str) -> crate::support::desk::Ended {
    let mut command = Command::new("faketime");
    command.args(["-f", offset, env!("CARGO_BIN_EXE_gapferry")]).args(arguments.split_whitespace());
    command.current_dir(desk.path(""));
    clean(&mut command);
    end(&mut command)
}

#[test]
fn clocks_that_are_wrong() {
    let desk = desk();
    let first = desk.bundle().display().to_string();
    at(&desk, "-3d", &format!("import {first} --site site")).says(Exit::WrongClock, &["clock"]);
    at(&desk, "+120d", &format!("import {first} --site site")).says(Exit::Refused, &["expire", "--allow-expired"]);
    // Half a day behind the builder is a clock that nobody set well, not an attack.
    at(&desk, "-10h", &format!("import {first} --site site")).ok();
    publish(&desk, "2.0-1", "First");
    let second = desk.bundle().display().to_string();
    desk.run(&format!("import {second} --site site")).ok();
    let ended = at(&desk, "-5h", "rollback --site site");
    ended.says(Exit::WrongClock, &["the site published at", "set the clock"]);
    let client = client(&desk, "demo", "stable", "main");
    all_see(&[client], "2.0-1");
}
