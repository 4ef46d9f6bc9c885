//! Source packages and licences in item lists.

use std::fs;

use gapferry::upstream::{DebSpec, Upstream, build_deb};
use serde_json::{Value, json};

use crate::support::desk::Desk;

/// The items of the only collection of the last bundle.
fn items(desk: &Desk) -> Vec<Value> {
    let bundle = desk.bundle();
    let shown = desk.run(&format!("inspect {} --json", bundle.display())).ok().json();
    desk.import(&bundle).ok();
    shown["collections"][0]["items"].as_array().unwrap().clone()
}

fn sources(items: &[Value]) -> Vec<(&str, &Value)> {
    items.iter().map(|item| (item["name"].as_str().unwrap(), &item["source"])).collect()
}

/// Packages of sources that have another name, another version, both or neither.
fn packages() -> Vec<DebSpec> {
    let built_from = |name: &str, source: &str| DebSpec { source: source.into(), ..DebSpec::new(name, "2-1", "amd64") };
    vec![
        built_from("a-same", ""),
        built_from("b-name", "b"),
        built_from("c-version", "c-version (1-1)"),
        built_from("d-both", "d (1-1)"),
        built_from("e-own", "e-own (2-1)"),
    ]
}

fn assert_sources(items: &[Value]) {
    let source = |name: &str, version: &str| json!({ "name": name, "version": version });
    assert_eq!(
        sources(items),
        [
            ("a-same", &Value::Null),
            ("b-name", &source("b", "2-1")),
            ("c-version", &source("c-version", "1-1")),
            ("d-both", &source("d", "1-1")),
            ("e-own", &Value::Null),
        ]
    );
    assert!(items.iter().all(|item| item.get("licence").is_none()));
}

#[test]
fn packages_of_an_archive_have_the_source_that_the_index_names() {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Keep", &["amd64"]);
    for package in packages() {
        upstream.add("stable", "main", package);
    }
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    desk.init(&["demo"], "");
    let mut found = items(&desk);
    found.sort_by_key(|item| item["name"].as_str().unwrap().to_owned());
    assert_sources(&found);
}

#[test]
fn local_packages_have_the_source_that_they_name() {
    let desk = Desk::new();
    fs::create_dir(desk.path("online/debs")).unwrap();
    for package in packages() {
        fs::write(desk.path("online/debs").join(format!("{}.deb", package.name)), build_deb(&package).unwrap())
            .unwrap();
    }
    desk.select("[[apt]]\nname = \"own\"\nlocal = \"debs\"\n");
    desk.init(&[], "--allow-unsigned own");
    let mut found = items(&desk);
    found.sort_by_key(|item| item["name"].as_str().unwrap().to_owned());
    assert_sources(&found);
}
