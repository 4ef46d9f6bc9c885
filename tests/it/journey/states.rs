//! What a site remembers: two names, epochs, and runs that change nothing.

use std::fs;
use std::path::Path;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::upstream::{DebSpec, Upstream};

use super::{candidate, client};
use crate::support::desk::{Desk, names};

fn desk() -> Desk {
    let desk = Desk::new();
    publish(&desk, "1.0-1");
    desk.select(&desk.table("one", &desk.url("up"), "stable main amd64", ""));
    desk
}

fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("States", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
}

/// Every file and link below a folder, with digest, length or target.
fn everything(folder: &Path) -> Vec<String> {
    let entry = |entry: walkdir::DirEntry| {
        let path = entry.path();
        let what = match entry.file_type() {
            kind if kind.is_file() => Sha256::of(&fs::read(path).unwrap()).to_hex(),
            kind if kind.is_symlink() => fs::read_link(path).unwrap().display().to_string(),
            _ => String::new(),
        };
        format!("{} {what}", path.display())
    };
    walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(|e| entry(e.unwrap())).collect()
}

#[test]
fn a_dry_run_changes_nothing() {
    let desk = desk();
    let ended = desk.export("--dry-run --json").ok().json();
    assert_eq!((&ended["dry_run"], &ended["fetched"]["files"]), (&true.into(), &1.into()));
    assert!(names(&desk.path("medium")).is_empty() && names(&desk.path("online/workspace/history")).is_empty());
    desk.init(&["one"], "");
    let bundle = desk.bundle();
    let before = (everything(&desk.path("site")), everything(&bundle));
    let ended = desk.run(&format!("import {} --site site --dry-run --json", bundle.display())).ok().json();
    assert_eq!((&ended["bundle"], &ended["dry_run"]), (&"dc1-base-000001".into(), &true.into()));
    desk.run(&format!("verify {} --site site", bundle.display())).ok();
    desk.run("status --site site").ok();
    assert_eq!((everything(&desk.path("site")), everything(&bundle)), before);
    desk.import(&bundle).ok();
    desk.ferry_next("2.0-1");
    let before = everything(&desk.path("site"));
    let ended = desk.run("gc --keep 1 --site site --dry-run --json").ok().json();
    assert_eq!(ended["generations"], serde_json::json!([1]));
    let changed: Vec<String> =
        everything(&desk.path("site")).into_iter().filter(|line| !before.contains(line)).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

impl Desk {
    /// Publishes `version` upstream, and brings it to the site.
    fn ferry_next(&self, version: &str) {
        publish(self, version);
        self.ferry();
    }
}

#[test]
fn two_names_at_one_site() {
    let desk = desk();
    desk.init(&["one", "two"], "");
    desk.ferry();
    desk.select_as("tools", &desk.table("two", &desk.url("up"), "stable main amd64", ""));
    desk.ferry();
    let status = desk.run("status --site site --json").ok().json();
    assert_eq!(status["names"].as_object().unwrap().keys().collect::<Vec<_>>(), ["base", "tools"]);
    for name in ["one", "two"] {
        let client = client(&desk, name, "stable", "main");
        client.apt_get("update");
        assert_eq!(candidate(&client, "hello"), "1.0-1");
    }
    desk.select_as("thief", &desk.table("one", &desk.url("up"), "stable main amd64", ""));
    desk.export("").says(Exit::Usage, &["apt/one", "bundles named base"]);
    fs::remove_file(desk.path("online/workspace/history/dc1-base.json")).unwrap(); // as on another export host
    let bundle = desk.bundle();
    desk.import(&bundle).says(Exit::Refused, &["apt/one", "belongs to the bundle name base", "thief"]);
}

#[test]
fn a_bundle_that_cannot_be_imported_and_an_empty_medium_hold_up_no_other() {
    let desk = desk();
    desk.init(&["one", "three"], "");
    desk.ferry();
    for (name, source) in [("first", "two"), ("last", "three")] {
        desk.select_as(name, &desk.table(source, &desk.url("up"), "stable main amd64", ""));
        desk.bundle();
    }
    fs::create_dir(desk.path("empty")).unwrap();
    let ended = desk.run("import empty medium --site site");
    ended.says(Exit::Refused, &["no upstream keyring is pinned for the source two", "dc1-last-000001 is published"]);
    let status = desk.run("status --site site --json").ok().json();
    assert_eq!(status["names"].as_object().unwrap().keys().collect::<Vec<_>>(), ["base", "last"]);
}

#[test]
fn a_rollback_forgets_no_sequence_of_any_name() {
    let desk = desk();
    desk.init(&["one", "two"], "");
    desk.ferry();
    desk.select_as("tools", &desk.table("two", &desk.url("up"), "stable main amd64", ""));
    let first = desk.bundle();
    publish(&desk, "2.0-1");
    let second = desk.bundle();
    desk.import(&second).ok();
    desk.run("rollback 1 --site site").ok();
    assert!(!desk.path("site/current/apt/two").exists());
    desk.import(&first).says(Exit::Refused, &["sequence"]);
}

#[test]
fn two_workspaces_that_export_one_name_are_named() {
    let desk = desk();
    desk.init(&["one"], "");
    let first = desk.bundle();
    desk.import(&first).ok();
    fs::create_dir(desk.path("other")).unwrap();
    let export = "export online/selection.toml --key online/builder.key --json";
    let elsewhere = |version: &str| {
        publish(&desk, version);
        let ended = desk.run(&format!("{export} --out other --workspace online/elsewhere --force")).ok();
        desk.path(ended.json()["bundle"].as_str().unwrap())
    };
    elsewhere("2.0-1");
    let forked = elsewhere("3.0-1");
    let ended = desk.import(&forked).ok();
    assert!(ended.err.contains("warning: dc1-base-000002 was made after the manifest"), "{}", ended.err);
    assert!(ended.err.contains("do two workspaces export base?"), "{}", ended.err);
    elsewhere("4.0-1");
    let after_gap = elsewhere("5.0-1");
    assert!(!desk.import(&after_gap).ok().err.contains("two workspaces"), "a bundle between is missing");
}

#[test]
fn a_new_epoch_starts_afresh_and_closes_the_old_one() {
    let desk = desk();
    desk.init(&["one"], "");
    let old = desk.bundle();
    desk.import(&old).ok();
    publish(&desk, "2.0-1");
    let selection = fs::read_to_string(desk.path("online/selection.toml")).unwrap();
    fs::write(desk.path("online/selection.toml"), format!("epoch = 2\n{selection}")).unwrap();
    fs::create_dir(desk.path("medium-2")).unwrap();
    let export =
        "export online/selection.toml --out medium-2 --key online/builder.key --workspace online/workspace --json";
    let ended = desk.run(export).ok().json();
    assert_eq!(ended["sequence"], 1);
    let new = desk.path(ended["bundle"].as_str().unwrap());
    desk.import(&new).says(Exit::Refused, &["epoch 2", "1"]);
    let edited = desk.run("trust edit site --out 2.json --epoch 2 --json").ok().json();
    let digest = edited["sha256"].as_str().unwrap();
    desk.run(&format!("trust apply 2.json --site site --replace {digest}")).ok();
    desk.import(&new).ok();
    desk.import(&old).says(Exit::Refused, &["epoch"]);
    let client = client(&desk, "one", "stable", "main");
    client.apt_get("update");
    assert_eq!(candidate(&client, "hello"), "2.0-1");
}
