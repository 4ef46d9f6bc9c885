//! The online side's own housekeeping.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::cli::Exit;

use crate::support::desk::{Desk, clean, end};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
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

/// The item list of a bundle: its path below a folder with item lists, and its blob in the workspace's depot.
struct ListedFile {
    path: PathBuf,
    blob: PathBuf,
}

fn item_list(desk: &Desk, bundle: &Path) -> ListedFile {
    let path = PathBuf::from("items/apt-demo.jsonl.zst");
    let digest = Sha256::of(&fs::read(bundle.join(&path)).unwrap());
    ListedFile { path, blob: Depot::existing(&desk.path("online/workspace/depot")).place(&digest) }
}

/// Turns a byte in the middle of the file round.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A desk with a bundle for each of these versions.
fn desk_with_bundles(versions: &[&str]) -> (Desk, Vec<PathBuf>) {
    let desk = Desk::new();
    publish(&desk, versions[0]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", "packages = [\"hello\"]"));
    let bundle = |version: &&str| {
        publish(&desk, version);
        desk.bundle()
    };
    let bundles = versions.iter().map(bundle).collect();
    (desk, bundles)
}

#[test]
fn gc_works_without_an_item_list_of_an_older_bundle() {
    let (desk, bundles) = desk_with_bundles(&["1.0-1", "2.0-1"]);
    fs::remove_file(item_list(&desk, &bundles[0]).blob).unwrap();
    let gone = desk.run("gc --workspace online/workspace --json").ok().json();
    assert_ne!(gone["blobs"], 0, "what only the first bundle carries goes");
    assert!(item_list(&desk, &bundles[1]).blob.exists());
}

#[test]
fn an_export_replaces_a_damaged_item_list() {
    let (desk, bundles) = desk_with_bundles(&["1.0-1"]);
    let list = item_list(&desk, &bundles[0]);
    damage(&list.blob);
    publish(&desk, "2.0-1");
    desk.bundle();
    assert_eq!(fs::read(&list.blob).unwrap(), fs::read(bundles[0].join(&list.path)).unwrap());
}

#[test]
fn an_export_without_any_good_item_list_says_where_to_take_it_from() {
    let (desk, bundles) = desk_with_bundles(&["1.0-1"]);
    let list = item_list(&desk, &bundles[0]);
    damage(&list.blob);
    damage(&desk.path("online/workspace/history/dc1-base/1-000001.lists").join(&list.path));
    publish(&desk, "2.0-1");
    let refused = desk.export("").says(Exit::Failed, &["the item lists of dc1-base-000001", "run the command again"]);
    let command = refused.err.split('`').nth(1).unwrap();
    let mut shell = Command::new("sh");
    clean(shell.args(["-c", command]).current_dir(desk.path("")));
    end(&mut shell).ok();
    desk.bundle();
    desk.run("gc --workspace online/workspace").ok();
}
