//! A site and a workspace that were copied without hard links: nothing that is needed may go.

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use serde_json::json;

use super::rollback::{all_see, clients, desk, publish};
use crate::apt_client::run;
use crate::support::desk::{Desk, names};
use crate::support::world::manifest_of;

/// Returns the number of blobs in a depot.
fn blobs(depot: &Path) -> usize {
    let walk = walkdir::WalkDir::new(depot.join("sha256")).into_iter().map(Result::unwrap);
    walk.filter(|entry| entry.file_type().is_file()).count()
}

/// Puts a copy in the place of the folder `name`.
fn replace_by_copy(desk: &Desk, name: &str, program: &[&str]) {
    let (from, to) = (desk.path(name), desk.path("copied"));
    run(Command::new(program[0]).args(&program[1..]).arg(from.join(".")).arg(&to));
    fs::remove_dir_all(&from).unwrap();
    fs::rename(&to, &from).unwrap();
}

/// A desk whose site has three generations.
fn desk_with_three() -> Desk {
    let desk = desk();
    desk.ferry();
    for version in ["2.0-1", "3.0-1"] {
        publish(&desk, version, "First");
        desk.ferry();
    }
    desk
}

fn a_copy_stays_whole(program: &[&str]) {
    let desk = desk_with_three();
    let one_generation_less = {
        let kept = desk.path("reference");
        run(Command::new("cp").arg("-a").arg(desk.path("site")).arg(&kept));
        desk.run("gc --keep 2 --site reference").ok();
        blobs(&kept.join("depot"))
    };
    replace_by_copy(&desk, "site", program);
    let collected = desk.run("gc --keep 2 --site site --json").ok().json();
    assert_eq!(collected["generations"], json!([1]));
    assert_eq!(blobs(&desk.path("site/depot")), one_generation_less);
    desk.run("status --site site").ok();
    desk.run("site check --site site").ok();
    let serving = desk.serve();
    let clients = clients(&desk, &serving.address);
    all_see(&clients, "3.0-1");

    desk.run("confirm dc1-base-000003 --workspace online/workspace").ok();
    publish(&desk, "4.0-1", "First");
    let delta = desk.bundle();
    let read = manifest_of(&delta);
    assert!(read.carried().len() < read.blobs.len(), "it is a delta");
    desk.import(&delta).ok();
    all_see(&clients, "4.0-1");
    desk.run("rollback --site site").ok();
    all_see(&clients, "3.0-1");
    desk.run("gc --keep 1 --site site").ok();
    all_see(&clients, "3.0-1");
    desk.run("site check --site site").ok();
    assert!(fs::symlink_metadata(desk.path("site/current")).unwrap().is_symlink());
}

#[test]
fn gc_keeps_what_a_site_copied_by_cp_needs() {
    a_copy_stays_whole(&["cp", "-r"]);
}

#[test]
fn gc_keeps_what_a_site_copied_by_rsync_needs() {
    a_copy_stays_whole(&["rsync", "-a"]);
}

/// scp follows links as `cp -L` does: `current` is a folder afterwards.
#[test]
fn gc_keeps_what_a_site_copied_through_links_needs() {
    a_copy_stays_whole(&["cp", "-rL"]);
}

#[test]
fn gc_removes_nothing_if_it_cannot_read_what_is_needed() {
    let desk = desk_with_three();
    let count = || (blobs(&desk.path("site/depot")), names(&desk.path("site/generations")));
    let before = count();
    let manifest = desk.path("site/generations/2/manifests/base.json");
    let right = fs::read(&manifest).unwrap();
    fs::write(&manifest, "half").unwrap();
    let ended = desk.run("gc --keep 2 --site site");
    ended.says(Exit::VerificationFailed, &["nothing was removed", "gapferry site check --site site"]);
    assert_eq!(count(), before);
    fs::write(&manifest, right).unwrap();

    let journal = desk.path("site/waiting").join("0".repeat(64));
    fs::create_dir(&journal).unwrap();
    fs::write(journal.join("manifest.json"), "half").unwrap();
    desk.run("gc --keep 2 --site site").says(Exit::Failed, &["nothing was removed", "rm -r"]);
    assert_eq!(count(), before);
    fs::remove_dir_all(journal).unwrap();

    let current = desk.path("site/current");
    fs::remove_file(&current).unwrap();
    desk.run("gc --keep 2 --site site").says(Exit::Failed, &["ln -sfn generations/3"]);
    assert_eq!(count(), before);
}

#[test]
fn gc_keeps_what_a_copied_workspace_needs() {
    let desk = desk_with_three();
    let would = desk.run("gc --workspace online/workspace --dry-run --json").ok().json();
    replace_by_copy(&desk, "online/workspace", &["cp", "-r"]);
    let did = desk.run("gc --workspace online/workspace --json").ok().json();
    assert_eq!(would["blobs"], did["blobs"]);
    let dry = desk.export("--dry-run --force --json").ok().json();
    assert_eq!(dry["fetched"]["files"], 0);
    desk.run("recut medium/dc1-base-000003 --volumes 1 --out again --workspace online/workspace").ok();

    let before = blobs(&desk.path("online/workspace/depot"));
    fs::remove_file(desk.path("online/workspace/history/dc1-base.json")).unwrap();
    desk.run("gc --workspace online/workspace").says(Exit::Failed, &["dc1-base.json", "missing"]);
    assert_eq!(blobs(&desk.path("online/workspace/depot")), before);
}
