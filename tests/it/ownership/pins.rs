//! Pinned keyrings: a change says what changes, and is the matter of one source.

use gapferry::formats::openpgp::SiteKey;

use super::*;
use crate::support::desk::ARCHIVE_KEY;

fn other_key(desk: &Desk) -> String {
    let key = SiteKey::generate("Other <other@test.invalid>", 1_700_000_000).unwrap();
    fs::write(desk.path("other.asc"), key.public_armored().unwrap()).unwrap();
    key.fingerprint()
}

#[test]
fn pins_are_joined_or_replaced_only_when_told() {
    let desk = Desk::new();
    desk.select("");
    let (first, other) = (ARCHIVE_KEY.fingerprint(), other_key(&desk));
    let twice =
        "site init site --name dc1 --builder online/builder.key.pub --keyring a=keyring.gpg --keyring a=other.asc";
    desk.run(twice).says(
        Exit::Usage,
        &["given twice for a", "gapferry site pin --site site --source a --keyring other.asc --add"],
    );
    desk.init(&["a"], "");
    let pin = |more: &str| desk.run(&format!("site pin site --source a {more} --json"));
    let keys = |of: &serde_json::Value, field: &str| of[field].as_array().unwrap().len();
    let shown = pin("--show").ok().json();
    assert_eq!(shown["fingerprints"], serde_json::json!([first]));
    pin("--keyring keyring.gpg").ok();
    let refused = pin("--keyring other.asc");
    refused.says(Exit::Usage, &["gapferry site pin --site site --source a --keyring other.asc --add", "--replace"]);
    let added = pin("--keyring other.asc --add").ok().json();
    assert_eq!(added["fingerprints"], serde_json::json!([first, other]));
    assert_eq!((&added["added"], keys(&added, "removed")), (&serde_json::json!([other]), 0));
    assert_eq!(keys(&pin("--keyring keyring.gpg --add").ok().json(), "added"), 0);
    assert_eq!(pin("--show").ok().json()["fingerprints"], serde_json::json!([first, other]));
    let replaced = pin("--keyring other.asc --replace").ok().json();
    assert_eq!(
        (&replaced["fingerprints"], &replaced["removed"]),
        (&serde_json::json!([other]), &serde_json::json!([first]))
    );
    let none = desk.run("site pin site --source b --show").ok();
    assert!(none.out.contains("no key is pinned"), "{}", none.out);
}

#[test]
fn a_narrowed_keyring_stops_the_bundles_of_its_own_source_alone() {
    let desk = Desk::new();
    other_key(&desk);
    write(&desk, "base", "hello", "1.0-1");
    write(&desk, "extra", "htop", "1.0-1");
    let select = |name: &str| {
        desk.select_as(name, &desk.table(name, &format!("http://{name}.example/{name}"), "noble main amd64", ""));
    };
    select("base");
    desk.init(&["base", "extra"], "");
    desk.import(&bundle(&desk)).ok();
    let first = desk.path("site/current/apt/base/dists/noble/main/binary-amd64/Packages");
    let before = fs::read(&first).unwrap();
    desk.run("site pin site --source base --keyring other.asc --replace").ok();
    select("extra");
    let ended = desk.import(&bundle(&desk)).ok();
    assert!(
        ended.err.contains("apt/base: it was accepted with the keys that were pinned for base then"),
        "{}",
        ended.err
    );
    assert!(fs::read(&first).unwrap() == before);
    assert_eq!(fs::read_dir(desk.path("site/refused")).unwrap().count(), 0);
    let serving = desk.serve();
    let apt = client(&desk, &serving, "http://base.example/base", "noble");
    assert_eq!(downloads(&apt, "hello"), ["hello_1.0-1_amd64.deb"]);
    // gc keeps the keys that later generations need for it.
    desk.run("gc --site site --keep 1").ok();
    write(&desk, "extra", "htop", "1.1-1");
    desk.import(&bundle(&desk)).ok();
    select("base");
    write(&desk, "base", "hello", "1.1-1");
    desk.import(&bundle(&desk)).says(Exit::VerificationFailed, &["is not vouched for by the keys pinned here"]);
}

fn write(desk: &Desk, name: &str, package: &str, version: &str) {
    let mut upstream = Upstream::new(name, &["amd64"]);
    upstream.add("noble", "main", DebSpec::new(package, version, "amd64"));
    desk.archive(&format!("up/{name}"), &mut upstream, &["noble"]);
}
