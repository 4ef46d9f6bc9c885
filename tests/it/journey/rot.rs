//! Bytes that change on a site's disk are found, taken away, and healed from a medium.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use serde_json::Value;

use super::rollback::{all_see, clients, desk, publish};
use crate::apt_client::run;
use crate::support::desk::{Desk, names, wait_for};

const DEB: &str = "apt/demo/pool/main/h/hello/hello_1.0-1_amd64.deb";
const PACKAGES: &str = "apt/demo/dists/stable/main/binary-amd64/Packages";

/// Overwrites four bytes of a published file, and so of its blob if they share their bytes.
fn rot(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(b"rot!", 100).unwrap();
}

fn digest(path: &Path) -> Sha256 {
    Sha256::of(&fs::read(path).unwrap())
}

/// A desk whose site has the first bundle, and that bundle.
fn desk_with_one() -> (Desk, PathBuf) {
    let desk = desk();
    let bundle = desk.bundle();
    desk.import(&bundle).ok();
    (desk, bundle)
}

/// Fails unless both generations have the file with this digest again, and a check finds nothing.
#[track_caller]
fn healed(desk: &Desk, file: &str, right: &Sha256) {
    for generation in ["1", "2"] {
        assert_eq!(digest(&desk.path("site/generations").join(generation).join(file)), *right);
    }
    desk.run("site check --site site").ok();
}

/// Returns the files that a check of the site finds.
#[track_caller]
fn flawed(desk: &Desk, more: &str) -> Vec<Value> {
    let ended = desk.run(&format!("site check --site site --json {more}"));
    assert_eq!(ended.code, i32::from(Exit::RotFound.code()), "{}", ended.err);
    ended.json()["flawed"].as_array().unwrap().clone()
}

/// Returns the files that a check of the site finds, and heals.
#[track_caller]
fn repaired(desk: &Desk) -> Vec<Value> {
    let found = desk.run("site check --repair --site site --json").ok().json();
    assert_eq!(found["left"], 0, "{found}");
    found["flawed"].as_array().unwrap().clone()
}

#[test]
fn a_check_names_what_has_changed_and_who_needs_it() {
    let (desk, _) = desk_with_one();
    let whole = desk.run("site check --site site --json").ok().json();
    assert!(whole["blobs"].as_u64().unwrap() > 5 && whole["flawed"].as_array().unwrap().is_empty(), "{whole}");
    rot(&desk.path("site/current").join(DEB));
    let words = ["changed on disk", "apt/demo: pool/main/h/hello/hello_1.0-1_amd64.deb", "dc1-base-000001", "--repair"];
    desk.run("site check --site site").says(Exit::RotFound, &words);
    let found = flawed(&desk, "");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["flaw"], &found[0]["needed_by"][0]["collection"]), (&"changed".into(), &"apt/demo".into()));
    assert!(found[0]["path"].as_str().unwrap().starts_with("depot/sha256/"), "{found:?}");
}

/// A repair that was killed after it had put the good blob into the depot, and before it linked published files to it.
fn half_repaired() -> (Desk, PathBuf, PathBuf, Sha256) {
    let (desk, bundle) = desk_with_one();
    let deb = desk.path("site/current").join(DEB);
    let (bytes, right) = (fs::read(&deb).unwrap(), digest(&deb));
    rot(&deb);
    assert_eq!(flawed(&desk, "").len(), 1);
    let hex = right.to_hex();
    let (blob, good) = (desk.path(&format!("site/depot/sha256/{}/{hex}", &hex[..2])), desk.path("good"));
    fs::write(&good, bytes).unwrap();
    fs::rename(&good, &blob).unwrap();
    assert_eq!((digest(&blob), digest(&deb) == right), (right, false));
    (desk, bundle, deb, right)
}

#[test]
fn a_check_after_a_killed_repair_leaves_the_rest_to_the_next_import() {
    let (desk, bundle, deb, right) = half_repaired();
    let found = flawed(&desk, "");
    assert!(found.len() == 1 && found[0]["path"].as_str().unwrap().starts_with("trees/"), "{found:?}");
    assert_eq!(names(&desk.path("site/depot/bad")), [right.to_hex()], "published files are not linked yet");
    desk.import(&bundle).ok();
    assert_eq!(digest(&deb), right);
    desk.run("site check --site site").ok();
    assert!(names(&desk.path("site/depot/bad")).is_empty());
}

#[test]
fn a_repair_after_a_killed_one_and_a_check_links_published_files() {
    let (desk, _, deb, right) = half_repaired();
    flawed(&desk, "");
    let found = desk.run("site check --repair --known --site site --json").ok().json();
    assert_eq!((&found["blobs"], &found["healed"], &found["known_only"]), (&1.into(), &1.into(), &true.into()));
    assert_eq!(digest(&deb), right);
    assert!(names(&desk.path("site/depot/bad")).is_empty());
    desk.run("site check --site site").ok();
}

#[test]
fn known_rot_is_healed_without_reading_all_else_again() {
    let (desk, bundle) = desk_with_one();
    let constant = desk.path("site/current/apt/demo/pool/main/c/constant/constant_1.0-1_amd64.deb");
    let deb = desk.path("site/current").join(DEB);
    let right = [&deb, &constant].map(|file| digest(file));
    rot(&deb);
    flawed(&desk, "");
    rot(&constant); // nobody knows of it yet
    let from = bundle.display();
    let found = desk.run(&format!("site check --repair --known --from {from} --site site --json")).ok().json();
    assert_eq!((&found["blobs"], &found["healed"]), (&1.into(), &1.into()));
    assert_eq!((digest(&deb), digest(&constant) == right[1]), (right[0], false));
    // A missing file is found by its name.
    fs::remove_file(fs::canonicalize(&deb).unwrap()).unwrap();
    let hex = right[0].to_hex();
    fs::remove_file(desk.path(&format!("site/depot/sha256/{}/{hex}", &hex[..2]))).unwrap();
    desk.run(&format!("site check --repair --known --from {from} --site site")).ok();
    assert_eq!(digest(&deb), right[0]);
    desk.run("site check --known --site site").says(Exit::Usage, &["--repair"]);
    assert_eq!(flawed(&desk, "").len(), 1);
}

#[test]
fn the_same_bundle_heals_what_is_published() {
    let (desk, bundle) = desk_with_one();
    let deb = desk.path("site/current").join(DEB);
    let (right, old) = (digest(&deb), desk.path("site/generations/1").join(DEB));
    rot(&deb);
    desk.import(&bundle).says(Exit::NothingNew, &["is here already"]);
    assert_ne!(digest(&deb), right);
    let healed = desk.run(&format!("import {} --reread --site site --json", bundle.display())).ok().json();
    assert_eq!((&healed["healed"], &healed["generation"]), (&1.into(), &2.into()));
    assert_eq!((digest(&deb), digest(&old)), (right, right));
    desk.run("site check --site site").ok();
    let serving = desk.serve();
    all_see(&clients(&desk, &serving.address), "1.0-1");

    // What the site has generated is made again.
    rot(&desk.path("site/current").join(PACKAGES));
    desk.run(&format!("import {} --reread --site site", bundle.display())).ok();
    desk.run("gc --keep 1 --site site").ok();
    desk.run("site check --site site").ok();
    all_see(&clients(&desk, &serving.address), "1.0-1");
}

#[test]
fn an_older_bundle_heals_what_newer_states_still_need() {
    let (desk, first) = desk_with_one();
    desk.run("confirm dc1-base-000001 --workspace online/workspace").ok();
    publish(&desk, "2.0-1", "First");
    desk.ferry();
    let constant = desk.path("site/current/apt/demo/pool/main/c/constant/constant_1.0-1_amd64.deb");
    let right = digest(&constant);
    rot(&constant);
    desk.import(&first).says(Exit::Refused, &["sequence 1"]);
    let healed = desk.run(&format!("import {} --reread --site site --json", first.display())).ok().json();
    assert_eq!(healed["healed"], 1);
    assert_eq!(digest(&constant), right);
    desk.run("site check --site site").ok();
    let serving = desk.serve();
    all_see(&clients(&desk, &serving.address), "2.0-1");
}

#[test]
fn a_new_bundle_heals_what_it_carries_too() {
    let (desk, _) = desk_with_one();
    publish(&desk, "2.0-1", "First");
    let second = desk.bundle();
    let constant = "site/current/apt/demo/pool/main/c/constant/constant_1.0-1_amd64.deb";
    let right = digest(&desk.path(constant));
    rot(&desk.path(constant));
    let healed = desk.run(&format!("import {} --reread --site site --json", second.display())).ok().json();
    assert_eq!((&healed["healed"], &healed["generation"]), (&1.into(), &2.into()));
    assert_eq!(digest(&desk.path(constant)), right);
    desk.run("site check --site site").ok();
}

#[test]
fn blobs_that_were_moved_away_are_fetched_anew() {
    let (desk, bundle) = desk_with_one();
    let deb = desk.path("site/current").join(DEB);
    let right = digest(&deb);
    rot(&deb);
    assert_eq!(flawed(&desk, "--repair")[0]["flaw"], "changed");
    assert!(!deb.exists(), "it is published no more");
    assert_eq!(names(&desk.path("site/rotten")), [right.to_hex()]);
    assert!(flawed(&desk, "").iter().all(|file| file["flaw"] == "missing"));
    let receipt = desk.run("receipt --site site").ok().out;
    assert!(receipt.contains(&right.to_hex()), "{receipt}");
    desk.run(&format!("import {} --reread --site site", bundle.display())).ok();
    assert_eq!(digest(&deb), right);
    desk.run("site check --site site").ok();
}

#[test]
fn a_copy_with_bytes_of_its_own_is_checked_and_linked_again() {
    let (desk, _) = desk_with_one();
    run(Command::new("cp").arg("-r").arg(desk.path("site")).arg(desk.path("copied")));
    fs::remove_dir_all(desk.path("site")).unwrap();
    fs::rename(desk.path("copied"), desk.path("site")).unwrap();
    let deb = desk.path("site/generations/1").join(DEB);
    let right = digest(&deb);
    rot(&deb);
    let found = repaired(&desk);
    assert_eq!(found.len(), 1, "{found:?}");
    let site = fs::canonicalize(desk.path("site")).unwrap();
    let below = fs::canonicalize(&deb).unwrap().strip_prefix(site).unwrap().display().to_string();
    assert!(below.starts_with("trees/apt-demo-"), "{below}");
    assert_eq!(found[0]["path"], below);
    assert_eq!(digest(&deb), right);
    desk.run("site check --site site").ok();
}

#[test]
fn lost_trees_and_links_are_made_again() {
    let (desk, _) = desk_with_one();
    let deb = desk.path("site/current").join(DEB);
    let (right, link) = (digest(&deb), desk.path("site/generations/1/apt/demo"));
    let expected = fs::read_link(&link).unwrap();
    fs::remove_dir_all(link.parent().unwrap().join(&expected)).unwrap();
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("../keys", &link).unwrap();
    let found = repaired(&desk);
    assert!(found.iter().any(|file| file["path"] == "generations/1/apt/demo"), "{found:?}");
    assert!(found.iter().any(|file| file["path"].as_str().unwrap().ends_with("/hello_1.0-1_amd64.deb")), "{found:?}");
    assert_eq!((fs::read_link(&link).unwrap(), digest(&deb)), (expected, right));
    desk.run("site check --site site").ok();
}

#[test]
fn copies_of_withdrawn_files_are_checked_and_linked_again() {
    let (desk, _) = desk_with_one();
    publish(&desk, "2.0-1", "First");
    desk.ferry();
    let withdrawn = desk.path("site/older").join(DEB);
    let bytes = fs::read(&withdrawn).unwrap();
    fs::remove_file(&withdrawn).unwrap();
    fs::write(&withdrawn, &bytes).unwrap();
    desk.run("site check --site site").ok();
    rot(&withdrawn);
    let found = repaired(&desk);
    assert_eq!((found.len(), &found[0]["path"]), (1, &format!("older/{DEB}").into()));
    assert_eq!(fs::read(&withdrawn).unwrap(), bytes);
    desk.run("site check --site site").ok();
}

#[test]
fn a_noted_blob_is_not_taken_for_good_by_an_import() {
    let (desk, bundle) = desk_with_one();
    let deb = desk.path("site/current").join(DEB);
    let right = digest(&deb);
    rot(&deb);
    flawed(&desk, "");
    assert_eq!(names(&desk.path("site/depot/bad")), [right.to_hex()]);
    assert!(desk.run("status --site site").ok().out.contains("1 blobs have changed on disk, or are gone"));
    assert!(desk.run("receipt --site site").ok().out.contains(&right.to_hex()));
    let healed = desk.run(&format!("import {} --site site --json", bundle.display())).ok().json();
    assert_eq!((&healed["healed"], digest(&deb)), (&1.into(), right));
    assert!(names(&desk.path("site/depot/bad")).is_empty());
    desk.run("site check --site site").ok();
}

#[test]
fn the_next_bundle_heals_noted_blobs_in_all_trees() {
    let (desk, _) = desk_with_one();
    publish(&desk, "2.0-1", "First");
    let second = desk.bundle();
    let constant = "apt/demo/pool/main/c/constant/constant_1.0-1_amd64.deb";
    let right = digest(&desk.path("site/current").join(constant));
    rot(&desk.path("site/current").join(constant));
    flawed(&desk, "");
    desk.import(&second).ok();
    healed(&desk, constant, &right);
}

#[test]
fn a_delta_asks_for_noted_blobs_and_the_answer_heals_them() {
    let (desk, _) = desk_with_one();
    desk.run("confirm dc1-base-000001 --workspace online/workspace").ok();
    let constant = "apt/demo/pool/main/c/constant/constant_1.0-1_amd64.deb";
    let right = digest(&desk.path("site/current").join(constant));
    rot(&desk.path("site/current").join(constant));
    flawed(&desk, "--repair");
    publish(&desk, "2.0-1", "First");
    let delta = desk.bundle();
    desk.import(&delta).says(Exit::VolumesMissing, &["1 blobs that are not here", "gapferry recut"]);
    let recut = format!(
        "recut {} --request site/requests/dc1-base-000002.txt --site-key site/current/keys/site.gpg --out again \
         --key online/builder.key --workspace online/workspace",
        delta.display()
    );
    desk.run(&recut).ok();
    desk.run("import again --site site").ok();
    healed(&desk, constant, &right);
}

/// A site that has published the collections `a` and `b`, and the blob that `b` is made of. The next bundle changes `a`.
fn two_collections() -> (Desk, PathBuf) {
    let desk = Desk::new();
    for name in ["a", "b"] {
        fs::create_dir(desk.path(name)).unwrap();
        fs::write(desk.path(&format!("{name}/file")), name).unwrap();
    }
    let table = |name| format!("[[files]]\nname = \"{name}\"\nfrom = \"../{name}\"\n");
    desk.select(&(table("a") + &table("b")));
    desk.run("site init site --name dc1 --builder online/builder.key.pub --allow-unsigned a --allow-unsigned b").ok();
    desk.ferry();
    fs::write(desk.path("a/new"), "new").unwrap();
    let hex = Sha256::of(b"b").to_hex();
    let blob = desk.path(&format!("site/depot/sha256/{}/{hex}", &hex[..2]));
    (desk, blob)
}

#[test]
fn a_delta_leaves_a_collection_that_stays_alone_until_a_check_has_found_something() {
    let (desk, blob) = two_collections();
    desk.run("confirm dc1-base-000001 --workspace online/workspace").ok();
    fs::remove_file(&blob).unwrap();
    desk.import(&desk.bundle()).ok(); // nobody knows of it yet
    assert!(flawed(&desk, "").iter().any(|file| file["flaw"] == "missing"));
    assert!(desk.run("status --site site").ok().out.contains("1 blobs have changed on disk, or are gone"));
    desk.run("confirm dc1-base-000002 --workspace online/workspace").ok();
    fs::write(desk.path("a/newer"), "newer").unwrap();
    desk.import(&desk.bundle()).says(Exit::VolumesMissing, &["1 blobs that are not here", "gapferry recut"]);
}

#[test]
fn a_delta_replaces_the_damaged_item_list_of_a_collection_that_stays() {
    let (desk, _) = two_collections();
    desk.run("confirm dc1-base-000001 --workspace online/workspace").ok();
    let delta = desk.bundle();
    let list = digest(&delta.join("items/files-b.jsonl.zst")).to_hex();
    let stored = desk.path(&format!("site/depot/sha256/{}/{list}", &list[..2]));
    let bytes = fs::read(&stored).unwrap();
    fs::write(&stored, vec![0; bytes.len()]).unwrap();
    desk.import(&delta).ok();
    assert_eq!(fs::read(&stored).unwrap(), bytes);
    assert_eq!(repaired(&desk).len(), 1, "the older generation has a link to the damaged file");
    desk.run("site check --site site").ok();
}

#[test]
fn a_full_bundle_brings_back_a_lost_blob_of_a_collection_that_stays() {
    let (desk, blob) = two_collections();
    fs::remove_file(&blob).unwrap();
    desk.import(&desk.bundle()).ok();
    assert_eq!(fs::read_to_string(&blob).unwrap(), "b");
    desk.run("site check --site site").ok();
}

#[test]
fn a_check_heals_from_media_of_older_bundles_and_makes_generated_files_again() {
    let (desk, first) = desk_with_one();
    desk.run("confirm dc1-base-000001 --workspace online/workspace").ok();
    publish(&desk, "2.0-1", "First");
    desk.ferry();
    let constant = desk.path("site/current/apt/demo/pool/main/c/constant/constant_1.0-1_amd64.deb");
    let (right, packages) = (digest(&constant), desk.path("site/current").join(PACKAGES));
    let indexes = digest(&packages);
    rot(&constant);
    rot(&packages);
    fs::create_dir(desk.path("empty")).unwrap();
    let repair = format!("site check --repair --from empty --from {} --site site --json", first.display());
    let ended = desk.run(&repair).ok();
    assert!(ended.err.contains("empty has no bundle"), "{}", ended.err);
    assert_eq!((&ended.json()["healed"], &ended.json()["generation"]), (&2.into(), &3.into()), "{}", ended.out);
    assert_eq!((digest(&constant), digest(&packages)), (right, indexes));
    desk.run("site check --site site").ok();
    all_see(&clients(&desk, &desk.serve().address), "2.0-1");
}

#[test]
fn a_check_that_was_killed_is_gone_on_with() {
    let (desk, _) = desk_with_one();
    let total = desk.run("site check --site site --json").ok().json();
    let mut blobs: Vec<PathBuf> = walkdir::WalkDir::new(desk.path("site/depot/sha256"))
        .sort_by_file_name()
        .into_iter()
        .filter_map(|entry| entry.ok().filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path))
        .collect();
    let big = |path: &PathBuf| fs::metadata(path).unwrap().len() > 1000;
    let first = blobs.iter().position(big).unwrap();
    let rotten = blobs.remove(first);
    rot(&rotten);
    let mut child = desk.command("site check --rate 30kB --site site").spawn().unwrap();
    let note = desk.path("site/check.json");
    let read = || Some(serde_json::from_slice::<Value>(&fs::read(&note).ok()?).ok()?["blobs"].as_u64().unwrap());
    wait_for(|| "notes of the check".to_owned(), || read().filter(|read| *read > first as u64));
    child.kill().unwrap();
    child.wait().unwrap();
    let before = read().unwrap();

    let ended = desk.run("site check --site site --json");
    assert_eq!(ended.code, i32::from(Exit::RotFound.code()), "{}", ended.err);
    let found = ended.json();
    assert_eq!((&found["blobs_before"], &found["blobs"]), (&before.into(), &total["blobs"]));
    assert_eq!(found["flawed"].as_array().unwrap().len(), 1, "what was found before the kill is found: {found}");
    assert!(!note.exists());
    let anew = desk.run("site check --restart --site site --json");
    assert_eq!(anew.json()["blobs_before"], 0);
}
