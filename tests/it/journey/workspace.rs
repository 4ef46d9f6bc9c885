//! The online side's own housekeeping.

use std::fs;

use gapferry::cli::Exit;

use crate::support::desk::Desk;
use gapferry::upstream::{DebSpec, Upstream};

fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Keep", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
}

/// How many blobs the workspace has.
fn blobs(desk: &Desk) -> usize {
    let walk = walkdir::WalkDir::new(desk.path("online/workspace/depot/sha256"));
    walk.into_iter().filter(|entry| entry.as_ref().unwrap().file_type().is_file()).count()
}

#[test]
fn gc_keeps_what_the_last_bundle_of_each_name_carries() {
    let desk = Desk::new();
    publish(&desk, "1.0-1");
    let table = desk.table("demo", &desk.url("up"), "stable main amd64", "packages = [\"hello\"]");
    desk.select_as("other", &table.replace("\"demo\"", "\"other\""));
    desk.bundle();
    desk.select(&table);
    desk.bundle();
    let one = blobs(&desk);
    publish(&desk, "2.0-1");
    desk.bundle();
    publish(&desk, "3.0-1");
    desk.bundle();
    assert!(blobs(&desk) > 2 * one);
    fs::write(desk.path("online/workspace/depot/partial").join("0".repeat(64)), "half").unwrap();

    let would = desk.run("gc --workspace online/workspace --dry-run --json").ok().json();
    let before = blobs(&desk);
    let did = desk.run("gc --workspace online/workspace --json").ok().json();
    assert_eq!(would["blobs"], did["blobs"]);
    assert_eq!(before - blobs(&desk), usize::try_from(did["blobs"].as_u64().unwrap()).unwrap());
    assert!(blobs(&desk) <= 2 * one && blobs(&desk) > one);
    assert_eq!(fs::read_dir(desk.path("online/workspace/depot/partial")).unwrap().count(), 0);
    let again = desk.run("gc --workspace online/workspace --json").ok().json();
    assert_eq!(again["blobs"], 0);

    // Nothing that the last bundles carry has to be fetched again.
    let dry = desk.export("--dry-run --force --json").ok().json();
    assert_eq!(dry["fetched"]["files"], 0);
    desk.run("gc --workspace nowhere").says(Exit::Usage, &["nowhere", "is --workspace right?"]);
    desk.run("gc").says(Exit::Usage, &["--site"]);
}
