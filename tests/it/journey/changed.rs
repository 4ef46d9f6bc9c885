//! Items that have other bytes under the same name and version: what each side says, and what it refuses.

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::upstream::{DebSpec, Payload, Stream, StreamItem, StreamVersion, Upstream, build_deb};
use serde_json::{Value, json};

use crate::images;
use crate::support::desk::{Desk, end};
use crate::support::os_images;
use crate::yum::APP_1;
use crate::yum::rpms::RPMS;

const WARNING: &str = "has other bytes than before under the same name and version";

fn inspected(desk: &Desk, bundle: &Path) -> Value {
    desk.run(&format!("inspect {} --json", bundle.display())).ok().json()
}

/// Fails unless a new bundle names exactly this item as changed, in all ways, and the site takes it.
fn assert_marked(desk: &Desk, collection: &str, path: &str, before: Sha256) {
    let exported = desk.export("--json").ok();
    assert!(exported.err.contains("WARNING") && exported.err.contains(WARNING), "{}", exported.err);
    let bundle = desk.path(exported.json()["bundle"].as_str().unwrap());
    assert_eq!(exported.json()["changed_items"][0]["before"], json!(before));
    let shown = inspected(desk, &bundle);
    assert_eq!(shown["changed_items"], json!([{ "before": before, "collection": collection, "path": path }]));
    let words = desk.run(&format!("inspect {}", bundle.display())).ok().out;
    assert!(words.contains(&format!("CHANGED    {collection}/{path}: other bytes than before")), "{words}");
    let imported = desk.run(&format!("import {} --site site --json", bundle.display())).ok();
    assert!(imported.err.contains(WARNING), "{}", imported.err);
    assert_eq!(imported.json()["changed_items"][0]["path"], path);
}

fn publish(desk: &Desk, version: &str, content: &str) -> Sha256 {
    let payload = Payload::Bytes(content.as_bytes().to_vec());
    let package = DebSpec { payload, ..DebSpec::new("hello", version, "amd64") };
    let digest = Sha256::of(&build_deb(&package).unwrap());
    let mut upstream = Upstream::new("Keep", &["amd64"]);
    upstream.add("stable", "main", package);
    desk.archive("up", &mut upstream, &["stable"]);
    digest
}

#[test]
fn a_signed_package_is_marked_by_both_sides() {
    let desk = Desk::new();
    let before = publish(&desk, "1.0-1", "first");
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    desk.init(&["demo"], "");
    desk.ferry();
    publish(&desk, "1.0-1", "second");
    assert_marked(&desk, "apt/demo", "pool/main/h/hello/hello_1.0-1_amd64.deb", before);
    publish(&desk, "2.0-1", "third");
    let next = desk.bundle();
    assert_eq!(inspected(&desk, &next).get("changed_items"), None, "the state before has it too");
    desk.import(&next).ok();
}

#[test]
fn a_signed_rpm_is_marked_by_both_sides() {
    let desk = Desk::new();
    RPMS.repository(&desk.path("up"), 1, &[APP_1]);
    let keyring = RPMS.path("Upstream.asc");
    desk.select(&format!(
        "[[yum]]\nname = \"el\"\nurl = \"{}\"\nkeyring = \"{}\"\n",
        desk.url("up"),
        keyring.display()
    ));
    desk.run(&format!("site init site --name dc1 --builder online/builder.key.pub --keyring el={}", keyring.display()))
        .ok();
    desk.ferry();
    RPMS.repository(&desk.path("up"), 2, &[APP_1]);
    let file = format!("Packages/f/{APP_1}.rpm");
    let mut bytes = fs::read(desk.path("up").join(&file)).unwrap();
    let before = Sha256::of(&bytes);
    bytes.push(0);
    fs::write(desk.path("up").join(&file), bytes).unwrap();
    let revision = gapferry::time::Time::now().unix() - 1000;
    let mut create = Command::new("createrepo_c");
    create.args(["-q", "--set-timestamp-to-revision", "--revision", &revision.to_string()]).arg(desk.path("up"));
    end(&mut create).ok();
    let signature = desk.path("up/repodata/repomd.xml.asc");
    let _ = fs::remove_file(signature);
    RPMS.sign(&desk.path("up"), "Upstream");
    assert_marked(&desk, "yum/el", &file, before);
}

#[test]
fn a_local_package_is_refused_unless_the_policy_allows_it() {
    let desk = Desk::new();
    fs::create_dir(desk.path("online/debs")).unwrap();
    let build = |content: &str| {
        let payload = Payload::Bytes(content.as_bytes().to_vec());
        let bytes = build_deb(&DebSpec { payload, ..DebSpec::new("hello", "1.0-1", "amd64") }).unwrap();
        fs::write(desk.path("online/debs/hello.deb"), bytes).unwrap();
    };
    build("first");
    desk.select("[[apt]]\nname = \"own\"\nlocal = \"debs\"\n");
    desk.init(&[], "--allow-unsigned own");
    desk.ferry();
    build("second");
    assert_refused_without_proof(&desk, "own");
}

#[test]
fn an_export_for_an_enterprise_store_is_refused_unless_the_policy_allows_it() {
    let desk = Desk::new();
    fs::create_dir(desk.path("exports")).unwrap();
    let export = desk.path("exports/htop-20250101T000000.tar.gz");
    fs::write(&export, "first").unwrap();
    desk.select("[[enterprise-store]]\nexports = \"../exports/*.tar.gz\"\n");
    desk.init(&[], "--allow-unsigned enterprise-store");
    desk.ferry();
    fs::write(&export, "second one").unwrap();
    assert_refused_without_proof(&desk, "enterprise-store");
}

/// Fails unless a site refuses the next bundle, and takes it as soon as its policy allows changes of the source.
fn assert_refused_without_proof(desk: &Desk, source: &str) {
    let exported = desk.export("--json").ok();
    let words = "unless allow-changed in its site.toml names their source";
    assert!(exported.err.contains(WARNING) && exported.err.contains(words), "{}", exported.err);
    let bundle = desk.path(exported.json()["bundle"].as_str().unwrap());
    let words = [WARNING, "Nobody signs it", &format!("add \"{source}\" to allow-changed"), "--allow-changed-items"];
    desk.import(&bundle).says(Exit::Refused, &words);
    desk.run(&format!("import {} --site site --dry-run", bundle.display())).says(Exit::Refused, &words);
    let config = desk.path("site/site.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[policy]\n", &format!("[policy]\nallow-changed = [\"{source}\"]\n"))).unwrap();
    let imported = desk.run(&format!("import {} --site site --json", bundle.display())).ok();
    assert!(imported.err.contains(WARNING), "{}", imported.err);
}

/// A stream with one image, of a serial that is always the same.
fn stream(content: &str, updated: i64) -> Stream {
    let mut stream = Stream::new("stable");
    let item = StreamItem::new("root.tar.gz", "x/20250718/root.tar.gz", Payload::Bytes(content.as_bytes().to_vec()));
    let version = StreamVersion::new("20250718", vec![item]);
    let tags = json!({ "arch": "amd64", "os": "x", "release": "x", "version": "1" });
    stream.product("com.example:stable", "com.example:x:amd64", tags, version);
    stream.datatype = "image-downloads".to_owned();
    stream.updated = gapferry::time::Time::now().unix() - 600 + updated;
    stream
}

#[test]
fn an_image_is_refused_by_both_sides() {
    let desk = Desk::new();
    images::publish(&desk, &stream("first", 1));
    desk.select(&images::table(&desk, &desk.url("up/stable"), ""));
    desk.init(&["maas"], "");
    desk.ferry();
    images::publish(&desk, &stream("second", 2));
    let words = ["root.tar.gz", WARNING, "Clients take the version for the content", "--allow-changed-items"];
    desk.export("").says(Exit::Refused, &words);
    desk.export("--dry-run").says(Exit::Refused, &words);
    let exported = desk.export("--allow-changed-items --json").ok().json();
    let bundle = desk.path(exported["bundle"].as_str().unwrap());
    let shown = inspected(&desk, &bundle);
    assert_eq!(shown["overrides"], json!(["--allow-changed-items"]));
    assert_eq!(shown["changed_items"][0]["path"], "x/20250718/root.tar.gz");
    desk.import(&bundle).says(Exit::Refused, &words);
    desk.run(&format!("import {} --site site --allow-changed-items", bundle.display())).ok();
    assert!(fs::read_to_string(desk.path("site/audit.jsonl")).unwrap().contains("--allow-changed-items"));
}

/// The builder's own memory would not let it export such a bundle, so another one makes it.
#[test]
fn an_image_of_another_system_is_refused_by_the_site() {
    let desk = Desk::new();
    let export = |content: &str, workspace: &str, force: &str| {
        fs::write(desk.path("own.tgz"), os_images::tgz(content.as_bytes())).unwrap();
        let from = format!("from = \"{}\"", desk.path("own.tgz").display());
        desk.select(&os_images::table(&from, ["custom", "own", "tgz", "1"], ""));
        let ended = desk.run(&format!(
            "export online/selection.toml --out medium/{workspace} --key online/builder.key --workspace {workspace} --json {force}"
        ));
        desk.path(ended.ok().json()["bundle"].as_str().unwrap())
    };
    fs::create_dir(desk.path("medium/a")).unwrap();
    fs::create_dir(desk.path("medium/b")).unwrap();
    desk.init(&[], "--allow-unsigned os-images");
    desk.import(&export("first", "a", "")).ok();
    export("second", "b", "");
    let bundle = export("second", "b", "--force");
    desk.import(&bundle).says(Exit::Refused, &[WARNING, "Clients take the version for the content"]);
    desk.run(&format!("import {} --site site --allow-changed-items", bundle.display())).ok();
}
