//! A switch in the middle of a client's work, behind nginx and Apache: what it has read of still is there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::fixture::Running;
use super::web::{OWN, apache_settings, get, nginx_settings};
use crate::apt_client::{AptClient, run};
use crate::serve::between::between;
use crate::serve::{desk, publish, select};
use crate::support::desk::Desk;
use crate::support::port::port;
use crate::support::server::Server;

const OLD_DEB: &str = "/apt/demo/pool/main/c/changing/changing_1_all.deb";

/// Starts the server with the configuration that `setup` writes, as its users run it.
pub(super) fn start(desk: &Desk, what: &str, port: u16) -> Running {
    fs::set_permissions(desk.path(""), fs::Permissions::from_mode(0o755)).unwrap(); // Apache reads as nobody
    let words = format!("setup {what} --site site --serve-url http://{OWN} --listen 127.0.0.1:{port}");
    fs::write(desk.path("site.conf"), desk.run(&words).ok().out).unwrap();
    let settings = if what == "nginx" { nginx_settings } else { apache_settings };
    let file = desk.path("server.conf");
    fs::write(&file, settings(&desk.path(""), "site.conf")).unwrap();
    match what {
        "nginx" => Running::start(Command::new("nginx").arg("-e").arg(desk.path("nginx.log")).arg("-c").arg(file)),
        _ => Running::start(Command::new("apache2").arg("-f").arg(file).arg("-DFOREGROUND")),
    }
}

fn publish_version(desk: &Desk, version: &str, publish_as: &str) {
    publish(desk, version);
    let server = Server::start(&desk.path("up"));
    select(desk, &server, publish_as);
    desk.ferry();
}

/// apt with its default settings reads InRelease of one generation, then come two more; then it fetches the indexes by hash, and the
/// package that only the first one lists.
fn apt_finishes_over_a_switch(what: &str, publish_as: &str) {
    let (desk, port) = (desk(publish_as), port());
    let _server = start(&desk, what, port);
    let status = |path: &str| get(port, OWN, path).0;
    assert_eq!(status(OLD_DEB), "200");
    let apt = AptClient::new("amd64");
    let key = if publish_as == "verbatim" { "keyring.gpg" } else { "site/current/keys/site.gpg" };
    let address = format!("127.0.0.1:{port}");
    apt.source("deb", &format!("http://{address}/apt/demo"), "stable", "main", &desk.path(key));
    let later = || ["2", "3"].iter().for_each(|version| publish_version(&desk, version, publish_as));
    between(&address, "InRelease", later, |proxy| {
        apt.apt_get(&format!("update -o Acquire::http::Proxy=http://{proxy}"));
    });
    apt.apt_get("install -y --download-only changing");
    assert!(apt.downloaded().contains(&"changing_1_all.deb".to_owned()), "{:?}", apt.downloaded());
    apt.apt_get("update");
    let plan = apt.apt_get("install -s -y changing");
    assert!(plan.contains("Inst changing (3 "), "{plan}");

    // A copy of the site without the folder gets it back, as long as the older generations are kept.
    fs::remove_dir_all(desk.path("site/older")).unwrap();
    assert_eq!(status(OLD_DEB), "404");
    desk.run("gc --site site --keep 3").ok();
    assert_eq!(status(OLD_DEB), "200");
    let older = run(Command::new("find").arg(desk.path("site/older")).args(["-type", "f", "-printf", "%P %m %n\n"]));
    assert!(older.lines().all(|line| line.split(' ').nth(1) == Some("444")), "{older}");
    assert!(!older.contains("InRelease"), "only files that never change: {older}");
    desk.run("gc --site site --keep 1").ok();
    assert_eq!(status(OLD_DEB), "404");
}

#[test]
fn apt_finishes_over_a_switch_behind_nginx() {
    apt_finishes_over_a_switch("nginx", "re-indexed");
}

#[test]
fn apt_finishes_over_a_switch_behind_apache() {
    apt_finishes_over_a_switch("apache", "verbatim");
}
