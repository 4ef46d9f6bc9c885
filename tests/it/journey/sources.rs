//! Archives by apt's own source lists; credentials; the sample selections.

use std::fs;
use std::path::Path;

use gapferry::cli::Exit;
use gapferry::selection::Selection;
use gapferry::upstream::{DebSpec, Upstream};

use super::{candidate, client};
use crate::support::desk::{ARCHIVE_KEY, Desk};
use crate::support::server::{Fault, Server, Times};
use crate::support::skip::{Needs, skip};

fn publish(desk: &Desk, folder: &str, package: &str) {
    let mut upstream = Upstream::new(package, &["amd64"]);
    upstream.add("stable", "main", DebSpec::new(package, "1.0-1", "amd64"));
    desk.archive(folder, &mut upstream, &["stable"]);
}

/// Two archives in one deb822 list, with the key inline and by path, and a third in a list of lines.
#[test]
fn lists_of_apts_own() {
    let desk = Desk::new();
    let packages = [("one/debian", "from-one"), ("two/debian-security", "from-two"), ("three/extra", "from-three")];
    packages.iter().for_each(|(folder, package)| publish(&desk, folder, package));
    let inline: String = ARCHIVE_KEY
        .public_armored()
        .unwrap()
        .lines()
        .map(|line| format!(" {}\n", if line.is_empty() { "." } else { line }))
        .collect();
    let (one, two, three) = (desk.url("one/debian"), desk.url("two/debian-security"), desk.url("three/extra"));
    let key = desk.path("keyring.gpg");
    let stanzas = format!(
        "# as the installer wrote it\nTypes: deb\nURIs: {one}\nSuites: stable\nComponents: main\nSigned-By:\n{inline}\n\
         Types: deb deb-src\nURIs: {two}\nSuites: stable\nComponents: main\nSigned-By: {}\n\n\
         Enabled: no\nTypes: deb\nURIs: http://127.0.0.1:1/never\nSuites: x\nComponents: y\n",
        key.display()
    );
    fs::write(desk.path("online/host.sources"), stanzas).unwrap();
    fs::write(
        desk.path("online/old.list"),
        format!("deb [arch=amd64 signed-by={}] {three} stable main\n", key.display()),
    )
    .unwrap();
    desk.select(
        "[[apt]]\nname = \"host\"\nsources = [\"host.sources\", \"missing.sources\", \"old.list\"]\n\
         architectures = [\"amd64\"]\n",
    );
    desk.init(&["host-debian", "host-debian-security", "host-extra"], "");
    let imported = desk.ferry();
    assert_eq!(
        imported["published"],
        serde_json::json!(["apt/host-debian", "apt/host-debian-security", "apt/host-extra"])
    );
    for (name, package) in
        [("host-debian", "from-one"), ("host-debian-security", "from-two"), ("host-extra", "from-three")]
    {
        let client = client(&desk, name, "stable", "main");
        client.apt_get("update");
        assert_eq!(candidate(&client, package), "1.0-1");
    }
}

/// The names of the collections that the selection makes of a source list.
fn collections(desk: &Desk, list: &str) -> Vec<(String, String)> {
    fs::write(desk.path("online/host.list"), list).unwrap();
    let exported = desk.export("--dry-run --json").ok().json();
    let of = |collection: &serde_json::Value, field: &str| collection[field].as_str().unwrap().to_owned();
    exported["collections"].as_array().unwrap().iter().map(|one| (of(one, "name"), of(one, "origin"))).collect()
}

#[test]
fn names_do_not_depend_on_the_other_lines_of_a_list() {
    let desk = Desk::new();
    let folders = ["one/debian", "two/debian-security", "three/extra", "four/debian"];
    folders.iter().for_each(|folder| publish(&desk, folder, "hello"));
    let key = desk.path("keyring.gpg");
    let line =
        |folder: &str| format!("deb [arch=amd64 signed-by={}] {} stable main\n", key.display(), desk.url(folder));
    let head = "[[apt]]\nname = \"host\"\nsources = \"host.list\"\narchitectures = [\"amd64\"]\n";
    desk.select(head);
    let alone = collections(&desk, &line("one/debian"));
    assert_eq!(alone[0].0, "host-debian");
    for others in [&["two/debian-security"][..], &["two/debian-security", "three/extra"], &["three/extra"]] {
        let mut lines: Vec<String> = others.iter().map(|folder| line(folder)).collect();
        let before = collections(&desk, &(line("one/debian") + &lines.concat()));
        assert!(before.contains(&alone[0]), "{before:?}");
        lines.push(line("one/debian"));
        assert_eq!(collections(&desk, &lines.concat()), before);
    }
    let both = line("one/debian") + &line("four/debian");
    fs::write(desk.path("online/host.list"), &both).unwrap();
    let words = ["would both be called host-debian", "names = { \"", "four/debian\" = \"NAME\" }"];
    desk.export("--dry-run").says(Exit::Usage, &words);
    desk.select(&format!("{head}names = {{ \"{}\" = \"fourth\" }}\n", desk.url("four/debian")));
    let named = collections(&desk, &both);
    assert!(named.contains(&alone[0]) && named.iter().any(|(name, _)| name == "fourth"), "{named:?}");
    assert_eq!(collections(&desk, &(line("four/debian") + &line("one/debian"))), named);
}

#[test]
fn lists_that_name_nothing() {
    let desk = Desk::new();
    desk.select("[[apt]]\nname = \"host\"\nsources = \"nowhere.sources\"\n");
    desk.export("").says(Exit::Usage, &["none of these apt source lists exists", "nowhere.sources"]);
    fs::write(desk.path("online/empty.list"), "# deb http://x.invalid stable main\n").unwrap();
    desk.select("[[apt]]\nname = \"host\"\nsources = \"empty.list\"\n");
    desk.export("").says(Exit::Usage, &["no enabled deb entry", "empty.list"]);
    fs::write(desk.path("online/empty.list"), "deb http://x.invalid/ ./ main\n").unwrap();
    desk.export("").says(Exit::Usage, &["empty.list", "line 1", "takes no component"]);
    let by_name = format!("deb [signed-by={}] http://x.invalid/ s main\n", "A".repeat(40));
    fs::write(desk.path("online/empty.list"), by_name).unwrap();
    desk.export("").says(Exit::Usage, &["keyring"]);
}

const SECRET: &str = "hunter2-not-for-logs";

/// Fails if the secret stands in any file below `folder`.
fn keeps_quiet(folder: &Path) {
    for entry in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file()) {
        let bytes = fs::read(entry.path()).unwrap();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "the password stands in {}", entry.path().display());
    }
}

#[test]
fn a_password_goes_to_the_server_and_nowhere_else() {
    let desk = Desk::new();
    publish(&desk, "up", "hello");
    let server = Server::start(&desk.path("up"));
    let with_password = server.url("").to_string().replace("http://", &format!("http://me:{SECRET}@"));
    desk.select(&desk.table("secret", with_password.trim_end_matches('/'), "stable main amd64", ""));
    desk.init(&["secret"], "");
    let exported = desk.export("--json").ok();
    assert!(server.requests("dists/stable/InRelease")[0].header("authorization").is_some());
    desk.import(&desk.path(exported.json()["bundle"].as_str().unwrap())).ok();
    let mut said = vec![exported, desk.run("status --site site"), desk.run("inspect medium/dc1-base-000001 --json")];
    keeps_quiet(&desk.path("medium"));
    keeps_quiet(&desk.path("site"));
    keeps_quiet(&desk.path("online/workspace"));

    // Whatever goes wrong, the message has the address without the password.
    let deb = "pool/main/h/hello/hello_1.0-1_amd64.deb";
    for (path, fault) in [
        ("dists/stable/InRelease", Fault::Status(403, vec![])),
        ("dists/stable/InRelease", Fault::Status(404, vec![])),
        ("dists/stable/InRelease", Fault::Flip(300)),
        (deb, Fault::Status(403, vec![])),
        (deb, Fault::Flip(300)),
    ] {
        server.fault(path, Times::ALWAYS, fault);
        fs::remove_dir_all(desk.path("online/workspace")).unwrap();
        let ended = desk.export("--json");
        let address = server.url("").to_string().replace("http://", "");
        assert!(ended.code != 0 && ended.err.contains(address.trim_end_matches('/')), "{ended:?}");
        said.push(ended);
        server.heal(path);
    }
    let listed = |text: &str| fs::write(desk.path("online/x.list"), text).unwrap();
    desk.select("[[apt]]\nname = \"host\"\nsources = \"x.list\"\n");
    listed(&format!("deb [signed-by={}] http://me:{SECRET}@x.invalid/ s main\n", "A".repeat(40)));
    said.push(desk.export(""));
    listed(&format!("deb http://me:{SECRET}@[x.invalid/ s main\n"));
    said.push(desk.export(""));
    desk.select(&desk.table("secret", &format!("http://me:{SECRET}@[x/"), "stable main amd64", ""));
    said.push(desk.export(""));
    for ended in said {
        assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET), "{ended:?}");
    }
}

/// Every sample parses; the one for the host's own sources is tried where the host has some.
#[test]
fn the_samples_are_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            count += 1;
            Selection::load(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
    assert!(count > 0);
    let lists = ["debian.sources", "ubuntu.sources"].map(|name| Path::new("/etc/apt/sources.list.d").join(name));
    if !lists.iter().any(|list| list.exists()) {
        return skip(Needs::HostArchive, "this host has neither debian.sources nor ubuntu.sources");
    }
    let desk = Desk::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/host-packages.toml");
    let ended = desk.run(&format!("export {sample} --out medium --workspace online/workspace --dry-run --json")).ok();
    assert!(ended.json()["selected"]["files"].as_u64().unwrap() > 50, "{}", ended.out);
}
