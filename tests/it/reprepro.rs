//! Packages that the real reprepro publishes, judged by a real apt-get and by reprepro itself.

mod errors;
mod interrupted;

use std::path::PathBuf;
use std::process::Command;

use gapferry::upstream::{DebSpec, SourceSpec, Upstream};

use crate::apt_client::{AptClient, run};
use crate::support::desk::{Desk, Serving};

/// A package of these suites.
pub(super) struct Row(pub(super) &'static str, pub(super) &'static str, pub(super) &'static str);

/// Writes the upstream `up` with rows of suite, name and version, all in `main`.
pub(super) fn upstream(desk: &Desk, rows: &[Row]) {
    let mut upstream = Upstream::new("Up", &["amd64"]);
    for suite in ["noble", "noble-updates"] {
        upstream.suite(suite).codename = "noble".to_owned();
    }
    for Row(suite, name, version) in rows {
        upstream.add(suite, "main", DebSpec::new(name, version, "amd64"));
    }
    let _ = std::fs::remove_dir_all(desk.path("up"));
    desk.archive("up", &mut upstream, &["noble", "noble-updates"]);
}

/// Selects all of it.
pub(super) fn select(desk: &Desk) {
    let more = "publish = \"reprepro\"\n";
    desk.select(&desk.table("up", &desk.url("up"), "noble,noble-updates main amd64", more));
}

/// A desk whose site has imported these rows once.
pub(super) fn desk(rows: &[Row]) -> Desk {
    let desk = Desk::new();
    upstream(&desk, rows);
    select(&desk);
    desk.init(&["up"], "");
    desk.ferry();
    desk
}

/// The folder that reprepro works in.
pub(super) fn base(desk: &Desk) -> PathBuf {
    desk.path("site/reprepro/up")
}

/// reprepro over the site's base folder, as an operator runs it; a key of theirs is not needed for what the tests ask.
pub(super) fn reprepro(desk: &Desk, arguments: &str) -> String {
    let mut command = Command::new("reprepro");
    command.arg("-b").arg(base(desk)).args(arguments.split_whitespace()).env("GNUPGHOME", desk.path("online"));
    run(&mut command)
}

/// A client of the served site, with both suites and the site's key.
fn client(desk: &Desk, serving: &Serving) -> AptClient {
    let client = AptClient::new("amd64");
    let url = format!("http://{}/apt/up", serving.address);
    client.source("deb", &url, "noble noble-updates", "main", &desk.path("site/current/keys/site.gpg"));
    client
}

/// What the client would install of `name`, and `-` for nothing.
fn candidate(client: &AptClient, name: &str) -> String {
    let policy = run(client.command("apt-cache").args(["policy", name]));
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    line.unwrap_or("-").to_owned()
}

/// Fails unless apt fetches a package with the bytes that its index names.
fn downloads(client: &AptClient, names: &str) {
    let _ = std::fs::remove_dir_all(client.path("var/cache/apt/archives"));
    std::fs::create_dir_all(client.path("var/cache/apt/archives/partial")).unwrap();
    client.apt_get(&format!("install -y --download-only {names}"));
    assert_eq!(client.downloaded().len(), names.split(' ').count());
}

#[test]
fn apt_get_follows_two_updates_and_a_rollback() {
    let shared = Row("noble", "shared", "1.0");
    let desk =
        desk(&[shared, Row("noble-updates", "shared", "1.0"), Row("noble", "a", "1:1.0"), Row("noble", "gone", "1")]);
    let serving = desk.serve();
    let client = client(&desk, &serving);
    let update = || {
        let said = client.apt_get("update");
        assert!(!said.contains("W:") && !said.contains("E:"), "{said}");
    };
    let candidates = || ["shared", "a", "gone", "new"].map(|name| candidate(&client, name)).join(" ");
    update();
    assert_eq!(candidates(), "1.0 1:1.0 1 -");
    downloads(&client, "shared a gone");
    assert_eq!(reprepro(&desk, "list noble").lines().count(), 3);

    let second = [
        Row("noble", "shared", "1.0"),
        Row("noble-updates", "shared", "1.1"),
        Row("noble", "a", "1:1.0"),
        Row("noble-updates", "a", "1:2.0"),
        Row("noble", "new", "1"),
    ];
    upstream(&desk, &second);
    desk.ferry();
    update();
    assert_eq!(candidates(), "1.1 1:2.0 - 1");
    downloads(&client, "shared a new");

    upstream(&desk, &[Row("noble", "shared", "3"), Row("noble", "a", "1:1.0"), Row("noble", "new", "2")]);
    desk.ferry();
    update();
    assert_eq!(candidates(), "3 1:1.0 - 2");
    downloads(&client, "shared a new");

    desk.run("rollback --site site").ok();
    update();
    assert_eq!(candidates(), "1.1 1:2.0 - 1");
    downloads(&client, "shared a new");
    let mut listed: Vec<String> =
        ["noble", "noble-updates"].iter().flat_map(|suite| lines(&reprepro(&desk, &format!("list {suite}")))).collect();
    listed.sort();
    let expected = [
        "noble-updates|main|amd64: a 1:2.0",
        "noble-updates|main|amd64: shared 1.1",
        "noble|main|amd64: a 1:1.0",
        "noble|main|amd64: new 1",
        "noble|main|amd64: shared 1.0",
    ];
    assert_eq!(listed, expected);
    reprepro(&desk, "checkpool");
    reprepro(&desk, "check");
    assert_eq!(reprepro(&desk, "dumpunreferenced"), "");

    // The pool shares its bytes with the depot, and the secret has gone with its agent.
    let pool: Vec<_> = walkdir::WalkDir::new(base(&desk).join("pool")).into_iter().map(Result::unwrap).collect();
    let debs: Vec<_> = pool.iter().filter(|entry| entry.file_type().is_file()).collect();
    assert_eq!(debs.len(), 5);
    let links = |entry: &&walkdir::DirEntry| std::os::unix::fs::MetadataExt::nlink(&entry.metadata().unwrap());
    assert!(debs.iter().all(|entry| links(entry) > 2), "{debs:?}");
    assert!(!base(&desk).join("gnupg").exists() && !base(&desk).join("incoming").exists());
    desk.run("gc --site site --keep 1").ok();
    let status = desk.run("status --site site").ok();
    assert!(
        status.out.contains(", reprepro\n    base folder ") && status.out.contains("/site/reprepro/up\n"),
        "{}",
        status.out
    );
    let json = desk.run("status --site site --json").ok().json();
    assert!(json["reprepro"]["apt/up"].as_str().unwrap().ends_with("/site/reprepro/up"));
    update();
    downloads(&client, "shared a new");

    // All of it can be built again.
    std::fs::remove_dir_all(base(&desk)).unwrap();
    upstream(&desk, &[Row("noble", "shared", "4")]);
    desk.ferry();
    update();
    assert_eq!(candidates(), "4 - - -");
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn sources_and_what_an_archive_overrides_come_along() {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Up", &["amd64", "arm64"]);
    let mut task = DebSpec::new("a", "1.0", "amd64");
    task.index_fields.push(("Task".to_owned(), "minimal".to_owned()));
    upstream.add("noble", "main", task).add("noble", "main", DebSpec::new("data", "1.0", "all"));
    // reprepro wants the MD5 sums that every real .dsc has.
    let mut again = upstream.clone();
    again.add_source("noble", "main", SourceSpec::new("a", "1.0"));
    desk.archive("up", &mut again, &["noble"]);
    let tarball = desk.path("up/pool/main/a/a/a_1.0.tar.xz");
    let sum = run(Command::new("md5sum").arg(&tarball));
    let size = std::fs::metadata(&tarball).unwrap().len();
    let md5 = format!("\n {} {size} a_1.0.tar.xz", sum.split(' ').next().unwrap());
    upstream.add_source("noble", "main", SourceSpec { md5, ..SourceSpec::new("a", "1.0") });
    desk.archive("up", &mut upstream, &["noble"]);
    let more = "publish = \"reprepro\"\ndeb-src = true\n";
    desk.select(&desk.table("up", &desk.url("up"), "noble main amd64,arm64", more));
    desk.init(&["up"], "");
    desk.ferry();
    let serving = desk.serve();
    let client = AptClient::new("amd64");
    let url = format!("http://{}/apt/up", serving.address);
    client.source("deb deb-src", &url, "noble", "main", &desk.path("site/current/keys/site.gpg"));
    client.apt_get("update");
    let shown = run(client.command("apt-cache").args(["show", "a"]));
    assert!(shown.contains("\nTask: minimal\n"), "{shown}");
    downloads(&client, "a data");
    client.apt_get("source --download-only a");
    assert_eq!(reprepro(&desk, "list noble").lines().count(), 4);
    let arm = std::fs::read_to_string(desk.path("site/current/apt/up/dists/noble/main/binary-arm64/Packages")).unwrap();
    assert!(arm.contains("Package: data\n") && !arm.contains("Package: a\n"), "{arm}");
}

/// A folder of own packages, which no upstream vouches for.
#[test]
fn own_packages() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("debs")).unwrap();
    let deb = gapferry::upstream::build_deb(&DebSpec::new("own", "1.0", "amd64")).unwrap();
    std::fs::write(desk.path("debs/own.deb"), deb).unwrap();
    let folder = desk.path("debs");
    desk.select(&format!("[[apt]]\nname = \"own\"\nlocal = \"{}\"\npublish = \"reprepro\"\n", folder.display()));
    desk.init(&[], "--allow-unsigned own");
    desk.ferry();
    let serving = desk.serve();
    let client = AptClient::new("amd64");
    let url = format!("http://{}/apt/own", serving.address);
    client.source("deb", &url, "local", "main", &desk.path("site/current/keys/site.gpg"));
    client.apt_get("update");
    downloads(&client, "own");
    assert!(desk.run("status --site site").ok().out.contains("1 items WITHOUT UPSTREAM PROOF"));
}

/// A key of the operator's own signs, and `setup` hands its public half on.
#[test]
fn a_key_of_the_operators_own() {
    let desk = Desk::new();
    let home = desk.path("gpg");
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&home).unwrap();
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        run(command.arg("--homedir").arg(&home).args(["--batch", "--quiet", "--passphrase", ""]).args(arguments))
    };
    gpg(&["--quick-gen-key", "Operator <op@dc1.invalid>", "ed25519", "sign", "never"]);
    let keys = gpg(&["--with-colons", "--list-keys"]);
    let fingerprint = keys.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':').to_owned();
    upstream(&desk, &[Row("noble", "a", "1")]);
    select(&desk);
    desk.init(&["up"], "");
    let settings = desk.path("site/site.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let own = format!("{text}\n[reprepro]\nsign-with = \"{fingerprint}\"\ngnupg-home = \"{}\"\n", home.display());
    std::fs::write(&settings, own).unwrap();
    desk.ferry();
    run(Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "all"]));
    let serving = desk.serve();
    let written =
        desk.run(&format!("setup apt --site site --serve-url http://{} --out sources/", serving.address)).ok();
    assert!(written.out.contains("gapferry-up.asc"), "{}", written.out);
    let client = AptClient::new("amd64");
    let url = format!("http://{}/apt/up", serving.address);
    client.source("deb", &url, "noble", "main", &desk.path("sources/gapferry-up.asc"));
    client.apt_get("update");
    assert_eq!(candidate(&client, "a"), "1");
    // The site's own key is not the one.
    client.source("deb", &url, "noble", "main", &desk.path("site/current/keys/site.gpg"));
    let said = crate::apt_client::output(client.command("apt-get").arg("update"));
    assert!(String::from_utf8_lossy(&said.stderr).contains("NO_PUBKEY"), "{said:?}");
    assert!(desk.path("site/current/keys/reprepro.gpg").exists());
}
