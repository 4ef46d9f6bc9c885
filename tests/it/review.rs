//! Review by real commands: from the small part of bundles alone, as on a reviewer's machine.

mod contents;
mod hostile;
pub(crate) mod report;
mod sbom;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Payload, Upstream, build_deb};
use serde_json::Value;

use crate::support::desk::{Desk, names};
use crate::support::read_bundle::copy_small_part;
use crate::support::together::Together;
use crate::support::world::Content as _;

/// Copies the small part of a bundle to the reviewer's machine.
fn small_part(desk: &Desk, bundle: &Path) -> PathBuf {
    let copy = desk.path("reviewer").join(bundle.file_name().unwrap());
    copy_small_part(bundle, &copy);
    copy
}

/// The classes of changes by collection.
fn classes(difference: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut classes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for change in difference["changes"].as_array().unwrap() {
        let text = |key: &str| change[key].as_str().unwrap().to_owned();
        classes.entry(text("collection")).or_default().insert(text("change"));
    }
    classes
}

/// Fails unless `line` stands in the text, whatever the spaces are.
#[track_caller]
fn says(text: &str, line: &str) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(text).contains(&words(line)), "{line:?} is not in: {text}");
}

#[test]
fn each_kind_changes_by_its_own_rule() {
    let (desk, content) = (Desk::new(), Together::all());
    let upstream = desk.path("upstream");
    fs::create_dir(&upstream).unwrap();
    content.publish(&upstream, 1);
    desk.select(&content.sources(&upstream));
    let allowed: String = content.allows().iter().map(|source| format!(" --allow-unsigned {source}")).collect();
    let pins =
        content.pins(&upstream).into_iter().map(|(source, file)| format!(" --keyring {source}={}", file.display()));
    desk.init(&[], &(allowed + &pins.collect::<String>()));
    let first = desk.bundle();
    desk.import(&first).ok();
    content.publish(&upstream, 2);
    desk.select(&content.sources(&upstream)); // an image has another version
    let second = desk.bundle();
    let (first, second) = (small_part(&desk, &first), small_part(&desk, &second));
    let diff =
        |old: &Path, new: &Path| desk.run(&format!("diff {} {} --json", old.display(), new.display())).ok().json();
    let between = diff(&first, &second);
    let expected = [
        ("apt/demo", &["upgraded"][..]),
        ("files/tools", &["changed"]),
        ("images/maas", &["upgraded"]),
        ("os-images/own", &["upgraded"]),
        ("snaps/store", &["upgraded"]),
        ("yum/rocky", &["upgraded"]),
    ];
    let expected =
        expected.map(|(folder, classes)| (folder.to_owned(), classes.iter().map(|c| (*c).to_owned()).collect()));
    assert_eq!(classes(&between), BTreeMap::from(expected));
    assert_eq!(between["alarms"], serde_json::json!([]));
    let published = diff(&desk.path("site"), &desk.path("medium/dc1-base-000002"));
    for key in ["after", "changes", "collections", "totals", "notes"] {
        assert_eq!((key, &published[key]), (key, &between[key]), "what a site publishes is compared like its bundle");
    }
    let same = diff(&desk.path("site"), &first);
    assert_eq!((&same["changes"], &same["totals"]["unchanged"]), (&Value::Array(vec![]), &same["after"]["items"]));
}

/// An archive whose second state has something of all that a reviewer must not miss.
fn publish(desk: &Desk, state: u32) {
    let mut upstream = Upstream::new("Review", &["amd64", "arm64"]);
    let deb = |name: &str, version: &str| DebSpec::new(name, version, "amd64");
    let content = |text: &str| Payload::Bytes(text.as_bytes().to_vec());
    let mut debs = match state {
        1 => vec![
            deb("hello", "1.10-1"),
            deb("back", "1:2.0"),
            DebSpec { payload: content("first"), ..deb("same", "1.0") },
            deb("gone", "1.0"),
        ],
        _ => vec![
            DebSpec { depends: "libnew1".into(), ..deb("hello", "1.11-1") },
            deb("back", "1:1.0"),
            DebSpec { payload: content("second"), ..deb("same", "1.0") },
            DebSpec { depends: "libnew2".into(), ..deb("libnew1", "3.0") },
            DebSpec::new("libnew2", "3.0", "all"),
        ],
    };
    debs.push(deb("stays", "1.0"));
    for deb in debs {
        upstream.add("stable", "main", deb);
    }
    desk.archive("up", &mut upstream, &["stable"]);
}

#[test]
fn a_reviewer_sees_alarms_first_and_why_each_new_item_is_in() {
    let desk = Desk::new();
    publish(&desk, 1);
    let packages =
        |names: &str| desk.table("demo", &desk.url("up"), "stable main amd64", &format!("packages = [{names}]"));
    desk.select(&packages("\"hello\", \"back\", \"same\", \"gone\", \"stays\""));
    let first = desk.bundle();
    publish(&desk, 2);
    fs::create_dir(desk.path("online/debs")).unwrap();
    fs::write(desk.path("online/debs/own.deb"), build_deb(&DebSpec::new("own", "0.1", "all")).unwrap()).unwrap();
    desk.select(
        &(packages("\"hello\", \"back\", \"same\", \"stays\"") + "\n[[apt]]\nname = \"own\"\nlocal = \"debs\"\n"),
    );
    let second = desk.bundle();
    let (first, second) = (small_part(&desk, &first), small_part(&desk, &second));
    assert_eq!(names(&second.join("packings")).len(), 1);
    let arguments = format!("diff {} {}", first.display(), second.display());
    let text = desk.run(&arguments).ok().out;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let places =
        ["ALARMS (4)", "same version, other bytes", "older version", "no upstream proof", "new origin", "CHANGES"];
    let places: Vec<usize> =
        places.iter().map(|word| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"))).collect();
    assert!(places.is_sorted(), "{text}");
    says(&text, "apt/demo: same 1.0: was");
    says(&text, "apt/demo: back 1:2.0 -> 1:1.0 [amd64]");
    says(&text, "apt/own: own 0.1 (new) [all]");
    says(&text, "1 same version, other bytes; 1 downgraded; 3 new; 1 upgraded; 1 removed; 1 unchanged.");
    says(&text, "libnew2 3.0 [all],");
    says(&text, ": needed by libnew1, needed by hello, requested");
    says(&text, "UPGRADED (1) apt/demo hello 1.10-1 -> 1.11-1 [amd64],");
    says(&text, "REMOVED (1) apt/demo gone 1.0 [amd64],");
    let value = desk.run(&format!("{arguments} --json")).ok().json();
    let kinds: Vec<&str> = value["alarms"].as_array().unwrap().iter().map(|a| a["alarm"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["other-bytes", "downgrade", "no-proof", "new-origin"]);
    assert_eq!(value["before"]["signer"], value["after"]["signer"]);
    let again = desk.run(&arguments).ok().out;
    assert_eq!(again, text, "the same input gives the same text");
    let backwards = desk.run(&format!("diff {} {}", second.display(), first.display())).ok().out;
    says(&backwards, "note the second state is the older one of the two: give the older one first.");
}

#[test]
fn a_state_that_cannot_be_told_is_an_error_with_a_way_out() {
    let desk = Desk::new();
    publish(&desk, 1);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    desk.init(&["demo"], "");
    let first = desk.bundle();
    desk.run("diff site medium").says(Exit::Usage, &["publishes no bundle named base; it has: none"]);
    desk.import(&first).ok();
    publish(&desk, 2);
    let second = desk.bundle();
    desk.run("diff site medium")
        .says(Exit::Usage, &["there are several bundles in medium", "dc1-base-000001", "dc1-base-000002"]);
    desk.run(&format!("diff {} nowhere", first.display())).says(Exit::Usage, &["there is no bundle nowhere"]);
    desk.run("diff site site --name other").says(Exit::Usage, &["no bundle named other; it has: base"]);
    desk.run("diff site site").ok();
    fs::create_dir(desk.path("empty")).unwrap();
    desk.run("diff site empty/.").says(Exit::Usage, &["empty/. is not a bundle"]);
    let list = second.join("items/apt-demo.jsonl.zst");
    let mut bytes = fs::read(&list).unwrap();
    bytes.pop();
    fs::write(&list, bytes).unwrap();
    desk.run(&format!("diff site {}", second.display())).says(Exit::VerificationFailed, &["items/apt-demo.jsonl.zst"]);
}
