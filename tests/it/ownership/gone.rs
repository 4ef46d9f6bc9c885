//! Collections that vanish, move or get another name: both sides warn of what clients will see, and clients see it.

use serde_json::{Value, json};

use super::*;
use crate::images;
use crate::stream_client::StreamClient;
use crate::yum::dnf::Dnf;
use crate::yum::rpms::RPMS;
use crate::yum::{APP_1, LIB};

/// An archive in `up`, with one package in each suite.
fn write(desk: &Desk, folder: &str, suites: &[&str]) {
    let mut upstream = Upstream::new(folder, &["amd64"]);
    for suite in suites {
        upstream.add(suite, "main", DebSpec::new("hello", "1.0-1", "amd64"));
    }
    desk.archive(&format!("up/{folder}"), &mut upstream, suites);
}

/// The warnings in a result: collection and change.
fn warnings(result: &Value) -> Vec<[String; 2]> {
    let text = |warning: &Value, field: &str| warning[field].as_str().unwrap().to_owned();
    let all = result["warnings"].as_array().unwrap_or_else(|| panic!("{result}"));
    all.iter().map(|warning| [text(warning, "collection"), text(warning, "change")]).collect()
}

/// Exports, rehearses and imports. Fails unless each warns of `expected`, a collection and a change, and of nothing else, and says
/// the words on stderr. Returns what the import said.
#[track_caller]
fn carry(desk: &Desk, expected: &[[&str; 2]], online: &[&str], at_site: &[&str]) -> Ended {
    let exported = export(desk, "").ok();
    let bundle = folder_of(desk, &exported);
    let import = |more: &str| desk.run(&format!("import {} --site site --json {more}", bundle.display())).ok();
    let (dry, imported) = (import("--dry-run"), import(""));
    for (ended, words) in [(&exported, online), (&dry, at_site), (&imported, at_site)] {
        assert_eq!(warnings(&ended.json()), expected, "{}", ended.err);
        assert_eq!(ended.err.matches("warning: ").count(), expected.len(), "{}", ended.err);
        words.iter().for_each(|word| assert!(ended.err.contains(word), "{word:?} is not in: {}", ended.err));
    }
    let is_unchanged = "What is published stays as it is until the bundle is imported";
    assert_eq!(dry.err.matches(is_unchanged).count(), expected.len(), "{}", dry.err);
    imported
}

/// Returns the collections, suites and addresses that `status` lists as not answered.
fn unanswered(desk: &Desk) -> Value {
    let found = desk.run("status --site site --json").ok().json()["unanswered"].clone();
    let addresses = found["addresses"].as_array().unwrap().iter().map(|address| address["address"].clone());
    json!([found["collections"], found["suites"], addresses.collect::<Vec<_>>()])
}

/// The status page.
fn page(serving: &Serving) -> String {
    String::from_utf8(crate::serve::fetch(serving, "/").1).unwrap()
}

/// A client that asks the site by path.
fn by_path(desk: &Desk, serving: &Serving, name: &str, suite: &str) -> AptClient {
    let apt = client(desk, serving, &format!("http://{}/apt/{name}", serving.address), suite);
    fs::remove_file(apt.path("etc/apt/apt.conf.d/proxy")).unwrap();
    apt
}

#[test]
fn a_line_that_leaves_a_source_list_or_gets_another_name_is_warned_of() {
    let desk = Desk::new();
    write(&desk, "ubuntu", &["noble"]);
    write(&desk, "security", &["noble-security"]);
    let line = |folder: &str, suite: &str| {
        let key = desk.path("keyring.gpg");
        format!("deb [arch=amd64 signed-by={}] http://archive.example/{folder} {suite} main\n", key.display())
    };
    let (first, second) = (line("ubuntu", "noble"), line("security", "noble-security"));
    let lists = |lines: &[&str]| fs::write(desk.path("online/host.list"), lines.concat()).unwrap();
    let head = "[[apt]]\nname = \"host\"\nsources = \"host.list\"\narchitectures = [\"amd64\"]\n";
    lists(&[&first, &second]);
    desk.select(head);
    desk.init(&["host-ubuntu", "host-security", "sec"], "");
    carry(&desk, &[], &[], &[]);
    let serving = desk.serve();
    let apt = client(&desk, &serving, "http://archive.example/security", "noble-security");
    apt.apt_get("update");

    // The order of lines changes nothing, and so nothing is new.
    lists(&[&second, &first]);
    export(&desk, "").says(gapferry::cli::Exit::NothingNew, &[]);
    lists(&[&first]);
    let imported = carry(
        &desk,
        &[["apt/host-security", "gone"]],
        &[
            "apt/host-security (from http://archive.example/security) is no longer carried",
            "404 at /apt/host-security/, and nothing answers for http://archive.example/security",
            "under the name host-security",
        ],
        &["404 at /apt/host-security/, and nothing answers for archive.example/security"],
    );
    assert!(fails(&apt).contains("404"));
    assert_eq!(unanswered(&desk), json!([["apt/host-security"], [], ["archive.example/security"]]));
    let status = desk.run("status --site site").ok().out;
    let words = "nothing answers for archive.example/security any more, which belongs to the source host-security";
    assert!(status.contains(words) && status.contains("apt/host-security: no longer published"), "{status}");
    let shown = page(&serving);
    assert!(shown.contains("NOT ANSWERED: it belongs to the source host-security"), "{shown}");
    assert!(shown.contains("/apt/host-security/") && shown.contains("NO LONGER PUBLISHED"), "{shown}");

    // The printed command brings it back.
    let undo = "gapferry rollback 1 --site site";
    assert!(imported.err.contains(&format!("`{undo}` publishes the state before again")), "{}", imported.err);
    let back = desk.run(&format!("{} --json", undo.strip_prefix("gapferry ").unwrap())).ok();
    assert_eq!(warnings(&back.json()), [[""; 2]; 0]);
    apt.apt_get("update");
    assert_eq!(unanswered(&desk), json!([[], [], []]));
    // A rollback takes clients' collections away, too.
    let forth = desk.run("rollback 2 --site site --json").ok();
    assert_eq!(warnings(&forth.json()), [["apt/host-security", "gone"]]);
    assert!(forth.err.contains("warning: apt/host-security") && forth.err.contains("rollback 3"), "{}", forth.err);

    lists(&[&first, &second]);
    carry(&desk, &[], &[], &[]);
    desk.select(&format!("{head}names = {{ \"http://archive.example/security\" = \"sec\" }}\n"));
    carry(
        &desk,
        &[["apt/host-security", "renamed"]],
        &["is called apt/sec now", "names = { \"http://archive.example/security\" = \"host-security\" }"],
        &["is called apt/sec now", "404 at /apt/host-security/, and apt/sec answers for archive.example/security"],
    );
    apt.apt_get("update");
    assert!(fails(&by_path(&desk, &serving, "host-security", "noble-security")).contains("404"));
    by_path(&desk, &serving, "sec", "noble-security").apt_get("update");
    assert_eq!(unanswered(&desk), json!([["apt/host-security"], [], []]));
}

#[test]
fn collections_that_move_and_suites_that_go_are_warned_of() {
    let desk = Desk::new();
    write(&desk, "ubuntu", &["noble", "noble-updates"]);
    write(&desk, "mirror", &["noble", "noble-updates"]);
    let table = |name: &str, folder: &str, suites: &str| {
        desk.table(name, &format!("http://archive.example/{folder}"), &format!("{suites} main amd64"), "")
    };
    let both = "noble,noble-updates";
    desk.select(&table("a", "ubuntu", both));
    desk.init(&["a", "b"], "");
    carry(&desk, &[], &[], &[]);
    let serving = desk.serve();
    let apt = client(&desk, &serving, "http://archive.example/ubuntu", "noble noble-updates");
    apt.apt_get("update");

    desk.select(&table("a", "mirror", both));
    let moved =
        "apt/a comes from http://archive.example/mirror now, and came from http://archive.example/ubuntu before";
    carry(
        &desk,
        &[["apt/a", "moved"]],
        &[moved, "nothing answers for http://archive.example/ubuntu", "[[serve.alias]]"],
        &[moved, "nothing answers for archive.example/ubuntu", "[[serve.alias]]"],
    );
    assert!(fails(&apt).contains("404"));
    assert_eq!(unanswered(&desk), json!([[], [], ["archive.example/ubuntu"]]));

    // Another spelling of an address is the same address.
    desk.select(&table("a", "./mirror/", both).replace("archive.example", "ARCHIVE.example."));
    write(&desk, "mirror", &["noble", "noble-updates"]);
    carry(&desk, &[], &[], &[]);

    desk.select(&(table("a", "mirror", both) + &table("b", "ubuntu", both)));
    carry(&desk, &[], &[], &[]);
    apt.apt_get("update");
    // Each is newer than what both names had before.
    ["ubuntu", "mirror"].iter().for_each(|folder| write(&desk, folder, &["noble", "noble-updates"]));
    desk.select(&(table("a", "ubuntu", both) + &table("b", "mirror", both)));
    carry(
        &desk,
        &[["apt/a", "moved"], ["apt/b", "moved"]],
        &["and apt/b answers for http://archive.example/mirror", "and apt/a answers for http://archive.example/ubuntu"],
        &["and apt/b answers for archive.example/mirror", "and apt/a answers for archive.example/ubuntu"],
    );
    apt.apt_get("update");

    desk.select(&(table("a", "ubuntu", "noble") + &table("b", "mirror", both)));
    let lost = "apt/a (from http://archive.example/ubuntu) no longer has the suite noble-updates";
    carry(&desk, &[["apt/a", "suite-gone"]], &[lost, "put the suite back"], &[lost, "/apt/a/dists/noble-updates/"]);
    assert!(fails(&apt).contains("404"));
    assert_eq!(unanswered(&desk), json!([[], ["apt/a/dists/noble-updates"], []]));
}

#[test]
fn rpm_repositories_and_image_streams_that_go_or_move_are_warned_of() {
    let desk = Desk::new();
    RPMS.repository(&desk.path("up/el"), 1, &[APP_1, LIB]);
    images::publish(&desk, &images::maas(&["20250718"]));
    let yum = |name: &str, url: &str| {
        let keyring = RPMS.path("Upstream.asc");
        format!("[[yum]]\nname = \"{name}\"\nurl = \"{url}\"\nkeyring = \"{}\"\n", keyring.display())
    };
    let (el, stable) = ("http://mirror.example/el", "http://images.example/stable");
    let filter = "filter = [\"release=jammy\", \"arch=amd64\"]";
    desk.select(&(yum("el", el) + &images::table(&desk, stable, filter)));
    let pins = format!("--keyring el={0} --keyring rocky={0}", RPMS.path("Upstream.asc").display());
    desk.init(&["maas", "boot"], &pins);
    carry(&desk, &[], &[], &[]);
    let serving = desk.serve();
    let keys = format!("file://{0}/keys/site.asc file://{0}/keys/yum/el.asc", desk.path("site/current").display());
    let dnf = Dnf::new(&format!("{el}/"), &keys, &format!("proxy=http://{}/", serving.address));
    assert_eq!(dnf.offered().len(), 2);
    let mirror = |url: &str| {
        let key = fs::read(desk.path("site/current/keys/site.gpg")).unwrap();
        let client = StreamClient::new(&key).behind(&serving.address);
        client.try_query(&format!("{url}/streams/v1/index.sjson"), "%(path)s", &[]).status.success()
    };
    assert!(mirror(stable));

    let renamed = images::table(&desk, stable, filter).replacen("\"maas\"", "\"boot\"", 1);
    desk.select(&renamed);
    let expected = [["images/maas", "renamed"], ["yum/el", "gone"]];
    carry(
        &desk,
        &expected,
        &[
            "images/maas (from http://images.example/stable) is called images/boot now",
            "yum/el (from",
            "404 at /yum/el/",
        ],
        &[
            "images/boot answers for images.example/stable",
            "404 at /yum/el/, and nothing answers for mirror.example/el",
        ],
    );
    let refused = dnf.run("makecache --refresh");
    assert!(refused.code != 0 && refused.err.contains("404"), "{refused:?}");
    assert!(mirror(stable) && !mirror(&format!("http://{}/images/maas", serving.address)));
    assert_eq!(unanswered(&desk), json!([["images/maas", "yum/el"], [], ["mirror.example/el"]]));

    desk.select(&(yum("el", el) + &renamed));
    carry(&desk, &[], &[], &[]);
    let elsewhere = renamed.replace("images.example", "other.example");
    desk.select(&(yum("rocky", el) + &elsewhere));
    carry(
        &desk,
        &[["images/boot", "moved"], ["yum/el", "renamed"]],
        &["images/boot comes from http://other.example/stable now", "yum/el (from http://mirror.example/el) is called"],
        &["nothing answers for images.example/stable", "yum/rocky answers for mirror.example/el"],
    );
    assert!(!mirror(stable) && mirror("http://other.example/stable"));
    assert_eq!(dnf.offered().len(), 2);
}
