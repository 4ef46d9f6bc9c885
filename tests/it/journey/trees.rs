//! Trees of published files: what did not change stays, and copies take the place of links that cannot be.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use gapferry::upstream::Upstream;

use super::rollback::{all_see, clients, desk, publish};
use crate::apt_client::run;
use crate::kill::strace::traced;
use crate::support::desk::{Desk, heavy};

/// Writes the archive `up2`, which does not change.
fn other_archive(desk: &Desk) -> String {
    let mut upstream = Upstream::new("Other", &["amd64"]);
    upstream.add("stable", "main", heavy("other", "1.0-1", 10_000));
    desk.archive("up2", &mut upstream, &["stable"]);
    desk.table("other", &desk.url("up2"), "stable main amd64", "")
}

/// Returns the tree that a generation has of a collection.
fn tree(desk: &Desk, generation: u64, collection: &str) -> PathBuf {
    fs::read_link(desk.path(&format!("site/generations/{generation}/{collection}"))).unwrap()
}

#[test]
fn unchanged_collections_keep_their_trees() {
    let desk = desk();
    let other = other_archive(&desk);
    desk.select(&(desk.table("demo", &desk.url("up"), "stable main amd64", "") + &other));
    fs::remove_dir_all(desk.path("site")).unwrap();
    desk.init(&["demo", "other"], "");
    desk.ferry();
    publish(&desk, "2.0-1", "First");
    desk.ferry();
    let [same, proofs, changed] =
        ["apt/other", "proofs/apt/other", "apt/demo"].map(|one| tree(&desk, 1, one) == tree(&desk, 2, one));
    assert_eq!((same, proofs, changed), (true, true, false));
    let serving = desk.serve();
    let clients = clients(&desk, &serving.address);
    all_see(&clients, "2.0-1");
    desk.run("rollback --site site").ok();
    all_see(&clients, "1.0-1");
    assert_eq!(tree(&desk, 1, "apt/other"), tree(&desk, 3, "apt/other"));
    assert_ne!(tree(&desk, 1, "apt/demo"), tree(&desk, 3, "apt/demo"), "its metadata has a new date");

    // Settings that its metadata may depend on have changed.
    let config = fs::read_to_string(desk.path("site/site.toml")).unwrap();
    let alias = "\n[[serve.alias]]\nurl = \"http://other.test/x\"\ncollection = \"apt/other\"\n";
    fs::write(desk.path("site/site.toml"), config + alias).unwrap();
    desk.run("rollback 2 --site site").ok();
    assert_ne!(tree(&desk, 3, "apt/other"), tree(&desk, 4, "apt/other"));
    all_see(&clients, "2.0-1");
    desk.run("gc --keep 1 --site site").ok();
    desk.run("site check --site site").ok();
}

#[test]
fn bundles_of_other_names_keep_their_trees() {
    let desk = desk();
    let other = other_archive(&desk);
    fs::remove_dir_all(desk.path("site")).unwrap();
    desk.init(&["demo", "other"], "");
    desk.ferry();
    desk.select_as("more", &other);
    desk.ferry();
    assert_eq!(tree(&desk, 1, "apt/demo"), tree(&desk, 2, "apt/demo"));
    desk.run("rollback 1 --site site").ok();
    assert_eq!(tree(&desk, 1, "apt/demo"), tree(&desk, 3, "apt/demo"));
    assert!(!desk.path("site/current/apt/other").exists(), "it was not published then");
}

/// A file may have 65,000 links on ext4, and none beside its first on other file systems.
#[test]
fn copies_take_the_place_of_links_that_cannot_be() {
    let desk = desk();
    let first = desk.bundle();
    publish(&desk, "2.0-1", "First");
    let second = desk.bundle();
    for error in ["EMLINK", "EPERM", "EOPNOTSUPP"] {
        let site = format!("site-{error}");
        run(Command::new("cp").arg("-a").arg(desk.path("site")).arg(desk.path(&site)));
        let without_links = |arguments: String| {
            let options = ["-o", "/dev/null", "-e", &format!("inject=link,linkat:error={error}")];
            run(&mut traced(&desk.command(&format!("{arguments} --site {site}")), &options));
        };
        for bundle in [&first, &second] {
            without_links(format!("import {}", bundle.display()));
        }
        without_links("gc --keep 2".to_owned());
        let check = desk.run(&format!("site check --site {site} --json")).ok().json();
        assert!(check["tree_files"].as_u64().unwrap() > 10, "{error}: {check}");
    }
    fs::rename(desk.path("site"), desk.path("unused")).unwrap();
    fs::rename(desk.path("site-EPERM"), desk.path("site")).unwrap();
    let serving = desk.serve();
    all_see(&clients(&desk, &serving.address), "2.0-1");
}
