//! `secret-file`, `login` and `auth-file` for each kind of content that comes over HTTP.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gapferry::cli::Exit;
use gapferry::upstream::SnapSpec;

use super::{Archive, client, export_as, host_of, write_private};
use crate::support::debs::Debs;
use crate::support::desk::Desk;
use crate::support::files::Files;
use crate::support::images::Images;
use crate::support::os_images::OsImages;
use crate::support::server::{Server, basic};
use crate::support::snap_store::{Stocked, TestStore};
use crate::support::snaps::authority;
use crate::support::world::{Content, World, bring};
use crate::support::yum::Yum;

/// The keys of a table, and the `Authorization` that they make.
fn ways(folder: &Path, host: &str) -> Vec<(String, String)> {
    write_private(&folder.join("token"), "t0ken\n");
    write_private(&folder.join("logins"), &format!("machine http://{host} login me password pw\n"));
    vec![
        ("secret-file = \"token\"".to_owned(), "Bearer t0ken".to_owned()),
        ("secret-file = \"token\"\nlogin = \"bearer\"".to_owned(), basic("bearer", "t0ken")),
        ("auth-file = \"logins\"".to_owned(), basic("me", "pw")),
        ("auth-file = [\"logins\"]".to_owned(), basic("me", "pw")),
    ]
}

/// The selection of `content` with each URL below `server` instead of the folder, and `keys` after it.
fn over_http(content: &dyn Content, upstream: &Path, server: &Server, keys: &str) -> String {
    let folder = url::Url::from_file_path(upstream).unwrap().to_string();
    let sources = content.sources(upstream);
    let lines = sources.lines().map(|line| match line.starts_with("url = ") {
        true => format!("{}\n{keys}\n", line.replace(&folder, &format!("http://{}", host_of(server)))),
        false => format!("{line}\n"),
    });
    lines.collect()
}

#[track_caller]
fn travels(content: Arc<dyn Content>) {
    let world = World::new(content, "4 GB");
    let server = Server::start(&world.path("upstream"));
    let head = "site = \"dc1\"\nname = \"base\"\n\n";
    for (keys, authorization) in ways(&world.path("online"), &host_of(&server)) {
        server.guard({
            let authorization = authorization.clone();
            move |request| request.header("authorization") == Some(&authorization)
        });
        for folder in ["online/workspace", "medium", "site"] {
            let _ = fs::remove_dir_all(world.path(folder));
        }
        fs::create_dir(world.path("medium")).unwrap();
        world.select(&(head.to_owned() + &over_http(&*world.content, &world.path("upstream"), &server, "")));
        let refused = world.export().unwrap_err();
        assert_eq!(Exit::from(refused.class()), Exit::Usage, "{refused}");
        world.select(&(head.to_owned() + &over_http(&*world.content, &world.path("upstream"), &server, &keys)));
        let site = world.site("site");
        bring(&site, &world.bundle()).unwrap();
        world.content.check(&fs::canonicalize(world.path("site/current")).unwrap());
    }
}

#[test]
fn packages_travel_from_behind_a_login() {
    travels(Arc::new(Debs::small()));
}

#[test]
fn images_travel_from_behind_a_login() {
    travels(Arc::new(Images::small()));
}

#[test]
fn rpm_repositories_travel_from_behind_a_login() {
    travels(Arc::new(Yum));
}

#[test]
fn os_images_travel_from_behind_a_login() {
    travels(Arc::new(OsImages));
}

#[test]
fn files_travel_from_behind_a_login() {
    travels(Arc::new(Files));
}

#[test]
fn snaps_travel_from_a_store_behind_a_login() {
    let store = TestStore::start();
    let stock = |spec: &SnapSpec, revision| {
        let bytes = gapferry::upstream::build_snap(spec).unwrap();
        let releases = vec![("amd64".to_owned(), "latest/stable".to_owned())];
        store.stock(authority(), Stocked { name: spec.name.clone(), revision, yaml: spec.yaml(), bytes, releases });
    };
    stock(&SnapSpec { base: Some("gapbase".into()), ..SnapSpec::new("hello", "1") }, 1);
    stock(&SnapSpec::of_kind("base", "gapbase", "20"), 2);
    stock(&SnapSpec::of_kind("snapd", "snapd", "2.68"), 3);
    let desk = Desk::new();
    for (keys, authorization) in ways(&desk.path("online"), &host_of(&store.server)) {
        let _ = fs::remove_dir_all(desk.path("online/workspace"));
        store.server.guard(move |request| request.header("authorization") == Some(&authorization));
        let table = |keys: &str| {
            let url = store.url();
            format!("[[snaps]]\nname = \"hello\"\nstore-url = \"{url}\"\narchitectures = [\"amd64\"]\n{keys}\n")
        };
        desk.select(&table(""));
        desk.export("--dry-run").says(Exit::Usage, &["status 401"]);
        desk.select(&table(&keys));
        desk.export("--force").ok();
    }
}

#[test]
fn list_images_logs_in_too() {
    let desk = Desk::new();
    let world = World::new(Arc::new(Images::small()), "4 GB");
    let server = Server::start(&world.path("upstream"));
    server.wants_login("bearer", "t0ken");
    write_private(&desk.path("token"), "t0ken");
    let list = format!("list-images {} --keyring {}", server.url(""), world.path("upstream/keyring.gpg").display());
    desk.run(&list)
        .says(Exit::Usage, &["status 401", "--", "NAME"].map(|word| if word == "--" { "machine" } else { word }));
    desk.run(&format!("{list} --secret-file token --login bearer")).ok();
    desk.run(&format!("{list} --client-cert token")).says(Exit::Usage, &["client-cert needs an https URL"]);
    write_private(&desk.path("logins"), &format!("machine http://{} login bearer password t0ken", host_of(&server)));
    desk.run(&format!("{list} --auth-file logins")).ok();
    let ended = desk.run("list-images http://me:hush-hush@[x/ --allow-unsigned --json");
    assert!(!ended.err.contains("hush") && !ended.out.contains("hush"), "{ended:?}");
    ended.says(Exit::Usage, &["http://***@[x/"]);
}

#[test]
fn a_secret_is_for_its_url_alone() {
    let archive = Archive::new();
    archive.server.guard(|request| request.header("authorization").is_some());
    let elsewhere = Server::start(&archive.desk.path("up"));
    write_private(&archive.desk.path("online/token"), "t0ken");
    let table = |name: &str, url: &str, more: &str| archive.desk.table(name, url, "stable main amd64", more);
    let other = format!("http://{}/private", host_of(&elsewhere));
    archive.desk.select(&(table("a", &archive.url(""), "secret-file = \"token\"") + &table("b", &other, "")));
    let exported = archive.desk.export("--json").ok();
    assert!(exported.err.contains("unencrypted"), "{}", exported.err);
    let asked = elsewhere.requests(super::IN_RELEASE);
    assert!(!asked.is_empty() && asked.iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn files_that_hold_secrets_must_be_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let archive = Archive::new();
    archive.server.wants_login("me", "pw");
    let apt = client(&archive.url(""));
    let path = archive.desk.path("online/token");
    let select =
        |keys: &str| archive.desk.select(&archive.desk.table("p", &archive.url(""), "stable main amd64", keys));
    let export = || export_as(&archive.desk, &apt, "--dry-run");
    select("login = \"me\"\nsecret-file = \"token\"");
    export().says(Exit::Usage, &["token"]);
    fs::write(&path, "pw\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = export().says(Exit::Usage, &["every user of this machine can read it", "[[apt]] p"]);
    // The printed command is the way out.
    let command = ended.err.split('`').nth(1).unwrap_or_else(|| panic!("no command in: {}", ended.err));
    crate::apt_client::run(std::process::Command::new("sh").args(["-c", command]).current_dir(archive.desk.path("")));
    export().ok();
    for content in ["", "pw\nsecond line\n", "p\x07w"] {
        write_private(&path, content);
        export().says(Exit::Usage, &["in one line and with nothing else"]);
    }
    // A file of logins that all can read is taken, as apt takes it, and the command is printed.
    fs::write(&path, format!("machine http://{} login me password pw", archive.host())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    select("auth-file = \"token\"");
    let noted = export().ok();
    assert!(noted.err.contains("run `chmod 600 ") && noted.err.contains("holds logins"), "{}", noted.err);
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let desk = Desk::new();
    write_private(&desk.path("online/one"), "1");
    write_private(&desk.path("online/two"), "2");
    let url = "https://h.invalid/private";
    let table = |name: &str, url: &str, keys: &str| desk.table(name, url, "stable main amd64", keys);
    for (selection, words) in [
        (table("p", url, "login = \"me\""), "login needs a secret-file"),
        (table("p", url, "client-key = \"one\""), "client-key needs a client-cert"),
        (table("p", "https://me:pw@h.invalid/private", "secret-file = \"one\""), "one of them must go"),
        (table("p", "http://h.invalid/private", "client-cert = \"one\""), "client-cert needs an https URL"),
        (table("p", url, "secret-file = \"one\"\nlogin = \"a:b\""), "login is not a user name"),
        ("[[apt]]\nname = \"h\"\nsources = \"x.list\"\nsecret-file = \"one\"\n".to_owned(), "use auth-file"),
        (
            table("p", url, "secret-file = \"one\"") + &table("q", &format!("{url}/"), "secret-file = \"two\""),
            "[[apt]] q: another source has other credentials for the same URLs",
        ),
    ] {
        desk.select(&selection);
        desk.export("--dry-run").says(Exit::Usage, &[words]);
    }
}
