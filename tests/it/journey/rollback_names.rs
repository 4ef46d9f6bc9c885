//! Rollbacks of one bundle name, and their plans, with a real apt.

use std::fs;

use gapferry::cli::Exit;
use serde_json::{Value, json};

use super::{candidate, key};
use crate::apt_client::AptClient;
use crate::support::desk::{Desk, Ended, Serving};
use crate::support::snapshot::{Snapshot, snapshot};
use crate::support::two_names::{bundle_of, ferry_both, publish, two_names};

/// A client of both archives, over HTTP.
fn client(desk: &Desk, serving: &Serving) -> AptClient {
    let client = AptClient::new("amd64");
    let address = |name: &str| format!("http://{}/apt/{name}", serving.address);
    client.source("deb", &format!("{} {}", address("demo"), address("other")), "stable", "main", &key(desk));
    client
}

/// Fails unless an update shows and fetches these versions of the packages of both archives.
#[track_caller]
fn sees(client: &AptClient, demo: &str, other: &str) {
    client.apt_get("update -o APT::Update::Error-Mode=any");
    let found = ["hello-demo", "hello-other"].map(|package| candidate(client, package));
    assert_eq!(found, [demo, other]);
    client.apt_get("install -y --download-only hello-demo hello-other");
}

/// All of the site but what every command may touch.
fn site_snapshot(desk: &Desk) -> Snapshot {
    snapshot(&desk.path("site"), |path| path.to_str() != Some("lock"))
}

#[test]
fn one_name_goes_back_and_the_other_stays() {
    let desk = two_names();
    let serving = desk.serve();
    let client = client(&desk, &serving);
    sees(&client, "2.0-1", "2.0-1");
    let ended = desk.run("rollback --name base --site site --json").ok().json();
    assert_eq!((&ended["generation"], &ended["reason"]), (&json!(5), &json!("rollback of base to 2")));
    sees(&client, "1.0-1", "2.0-1");
    // Once more: the last other state of the name is the newer one.
    desk.run("rollback --name base --site site").ok();
    sees(&client, "2.0-1", "2.0-1");
    desk.run("rollback 1 --name tools --name base --site site").ok();
    let status = desk.run("status --site site").ok().out;
    assert!(
        status.contains("tools: nothing, since a rollback") && status.contains("base: dc1-base-000001"),
        "{status}"
    );
    // What was accepted stays, so the next bundles are newer.
    ferry_both(&desk, "3.0-1");
    sees(&client, "3.0-1", "3.0-1");
}

#[test]
fn a_plan_names_states_and_versions_and_changes_nothing() {
    let desk = two_names();
    let before = site_snapshot(&desk);
    let plan = desk.run("rollback --name base --dry-run --site site --json").ok().json();
    assert_eq!((&plan["generation"], &plan["dry_run"], &plan["refusals"]), (&json!(5), &json!(true), &json!([])));
    let name = &plan["names"][0];
    assert_eq!((&name["name"], &name["generation"]), (&json!("base"), &json!(2)));
    assert_eq!((&name["from"]["sequence"], &name["to"]["sequence"]), (&json!(2), &json!(1)));
    let [collection] = plan["collections"].as_array().unwrap().as_slice() else { panic!("{plan}") };
    assert_eq!((&collection["collection"], &collection["change"]), (&json!("apt/demo"), &json!("changes")));
    let change = json!({ "name": "hello-demo", "architecture": "amd64", "before": ["2.0-1"], "after": ["1.0-1"], "reason": "whole suite" });
    assert_eq!((&collection["changed"], &collection["changes"]), (&json!(1), &json!([change])));
    assert_eq!(plan["unchanged"], json!(["apt/other"]));
    assert_eq!(collection["still_served"], json!({ "files": 1, "indexes": 3 }));

    let words = desk.run("rollback --name base --dry-run --site site").ok().out;
    for text in [
        "generation 5 would be published:",
        "base: from dc1-base-000002 (sequence 2, made ",
        ") to dc1-base-000001 (sequence 1, made ",
        "hello-demo (amd64): from 2.0-1 to 1.0-1 (whole suite)\n",
        "clients that read generation 4 still find what this takes away, until `gapferry gc --site site` removes that generation: 3 indexes and 1 other file\n",
        "as they are: apt/other\n",
    ] {
        assert!(words.contains(text), "{text:?} is not in: {words}");
    }
    assert_eq!(site_snapshot(&desk), before);
}

#[test]
fn a_plan_says_that_a_collection_goes_and_warns_its_clients() {
    let desk = two_names();
    let plan = desk.run("rollback 1 --dry-run --site site --json").ok();
    assert!(plan.err.contains("apt/other (from "), "{}", plan.err);
    let plan = plan.json();
    assert_eq!(plan["names"][1]["to"], Value::Null);
    assert_eq!(plan["collections"][1]["change"], json!("disappears"));
    assert_eq!(plan["warnings"][0]["change"], json!("gone"));
    let words = desk.run("rollback 1 --dry-run --site site").ok().out;
    assert!(words.contains("apt/other: goes, with ") && words.contains(") to nothing of generation 1"), "{words}");
}

/// Plans the rollback, and runs it: both fail alike, and neither changes the site.
#[track_caller]
fn refused(desk: &Desk, arguments: &str, exit: Exit, words: &[&str]) -> Ended {
    let before = site_snapshot(desk);
    let planned = desk.run(&format!("{arguments} --dry-run")).says(exit, words);
    assert!(planned.out.contains("REFUSED: "), "{}", planned.out);
    let plan = desk.run(&format!("{arguments} --dry-run --json"));
    assert_eq!(plan.json()["refusals"].as_array().unwrap().len(), 1, "{}", plan.out);
    assert_eq!(site_snapshot(desk), before);
    let ended = desk.run(arguments).says(exit, words);
    assert_eq!(fs::read_link(desk.path("site/current")).unwrap().file_name(), Some("4".as_ref()));
    ended
}

#[test]
fn refuses_a_collection_that_has_another_owner_since() {
    let desk = Desk::new();
    desk.select("");
    desk.init(&["demo", "other", "third"], "");
    for name in ["demo", "other", "third"] {
        publish(&desk, name, "1.0-1");
    }
    for (name, archives) in
        [("base", &["demo", "other"][..]), ("tools", &["third"]), ("base", &["demo"]), ("tools", &["other", "third"])]
    {
        desk.import(&bundle_of(&desk, name, archives)).ok();
    }
    let words = ["apt/other belongs to the bundle name tools now", "base had it in generation 2"];
    let ended = refused(&desk, "rollback --name base --site site", Exit::Refused, &words);
    let command = ended.err.split('`').nth(1).unwrap().strip_prefix("gapferry ").unwrap().to_owned();
    desk.run(&command).ok();
    let published = desk.run("status --site site --json").ok().json();
    let published: Vec<&String> = published["published"].as_object().unwrap().keys().collect();
    assert_eq!(published, ["apt/demo", "apt/other", "apt/third"]);
}

#[test]
fn refuses_a_state_whose_files_are_gone() {
    let desk = two_names();
    let lost = fs::canonicalize(desk.path("site/generations/2/apt/demo/dists/stable")).unwrap();
    let pool = lost.ancestors().nth(2).unwrap().join("pool");
    let deb = walkdir::WalkDir::new(pool).into_iter().map(Result::unwrap);
    let deb =
        deb.map(walkdir::DirEntry::into_path).find(|path| path.to_string_lossy().contains("hello-demo_1")).unwrap();
    let digest = gapferry::digest::Sha256::of(&fs::read(&deb).unwrap()).to_hex();
    fs::remove_file(desk.path(&format!("site/depot/sha256/{}/{digest}", &digest[..2]))).unwrap();
    refused(
        &desk,
        "rollback --name base --site site",
        Exit::VolumesMissing,
        &["not all of dc1-base-000001 is here, namely apt/demo/pool/main/h/hello-demo/hello-demo_1.0-1_amd64.deb:"],
    );
}

#[test]
fn names_that_cannot_go_back_are_named() {
    let desk = two_names();
    desk.run("rollback --name nobody --site site").says(Exit::Usage, &["nobody; it has base, tools"]);
    desk.run("rollback 9 --name base --site site").says(Exit::Usage, &["generation 9 is not", "gapferry status"]);
    desk.run("gc --keep 1 --site site").ok();
    let words = ["no earlier generation has another state of base", "gapferry status"];
    desk.run("rollback --name base --site site --dry-run").says(Exit::Usage, &words);
}
