//! Bills of materials, judged by the tools that others read them with.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{publish, small_part};
use crate::support::desk::{Desk, end};
use crate::support::together::Together;
use crate::support::world::Content as _;

/// Lets the judges read the bills of a folder. Returns what they have read.
pub(super) fn judged(folder: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/review/sbom_judge.py");
    let value: Value = serde_json::from_str(&end(Command::new("python3").arg(script).arg(folder)).ok().out).unwrap();
    assert_eq!(value["faults"], serde_json::json!([]));
    value
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

/// The names and versions in a list of pairs.
fn pairs(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(Value::to_string).collect()
}

#[test]
fn strict_validators_and_a_second_reader_accept_all_kinds() {
    let (desk, content) = (Desk::new(), Together::all());
    let upstream = desk.path("upstream");
    fs::create_dir(&upstream).unwrap();
    content.publish(&upstream, 1);
    desk.select(&content.sources(&upstream));
    let bundle = small_part(&desk, &desk.bundle());
    desk.run(&format!("report {} --out review", bundle.display())).ok();
    let (folder, report) = (desk.path("review"), json(&desk.path("review"), "report.json"));
    let value = judged(&folder);
    let changes = report["changes"].as_array().unwrap();
    assert_eq!(value["cyclonedx"].as_array().unwrap().len(), changes.len());
    let mut expected = pairs(&value["cyclonedx"]);
    assert_eq!(pairs(&value["lib4sbom_cyclonedx"]), expected);
    // SPDX lists the bundle, too.
    expected.insert("[\"dc1-base-000001\",\"1\"]".to_owned());
    assert_eq!(pairs(&value["spdx"]), expected);
    assert!(expected.is_subset(&pairs(&value["lib4sbom_spdx"])), "{value}");
    // Each digest is that of the item list.
    let digests = |list: &[Value], of: fn(&Value) -> &Value| -> BTreeSet<String> {
        list.iter().map(|entry| of(entry).as_str().unwrap().to_owned()).collect()
    };
    let bill = json(&folder, "sbom.cdx.json");
    let listed = digests(changes, |change| &change["after"]["sha256"]);
    assert_eq!(digests(bill["components"].as_array().unwrap(), |entry| &entry["hashes"][0]["content"]), listed);
}

#[test]
fn the_same_bundle_gives_the_same_bills_whatever_it_is_compared_with() {
    let desk = Desk::new();
    publish(&desk, 1);
    let packages =
        |names: &str| desk.table("demo", &desk.url("up"), "stable main amd64", &format!("packages = [{names}]"));
    desk.select(&packages("\"hello\", \"gone\""));
    let first = desk.bundle();
    publish(&desk, 2);
    desk.select(&packages("\"hello\", \"back\""));
    let (first, second) = (small_part(&desk, &first), small_part(&desk, &desk.bundle()));
    desk.run(&format!("report {} --out one", second.display())).ok();
    desk.run(&format!("report {} --against {} --out two", second.display(), first.display())).ok();
    for name in ["sbom.cdx.json", "sbom.spdx.json"] {
        let [one, two] = ["one", "two"].map(|folder| fs::read(desk.path(folder).join(name)).unwrap());
        assert!(one == two, "{name}");
    }
    let bill = json(&desk.path("two"), "sbom.spdx.json");
    let relations = bill["relationships"].as_array().unwrap();
    let count = |kind: &str| relations.iter().filter(|of| of["relationshipType"] == kind).count();
    assert_eq!(count("DEPENDS_ON"), 2, "hello needs libnew1, which needs libnew2");
    assert_eq!(count("GENERATED_FROM"), 4, "hello, back, libnew1 and libnew2");
}
