//! Source lists with several entries, and what a client of one suite or archive finds.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, SourceSpec, Upstream};

use super::{candidate, key};
use crate::apt_client::{AptClient, output, run};
use crate::support::cage::{Cage, Plan};
use crate::support::desk::Desk;

/// A desk whose selection reads the list `host.list`, with these lines and more settings.
fn listed(desk: &Desk, lines: &[String], more: &str) {
    fs::write(desk.path("online/host.list"), lines.join("\n") + "\n").unwrap();
    desk.select(&format!("[[apt]]\nname = \"host\"\nsources = \"host.list\"\n{more}\n"));
}

/// A client with these one-line entries.
fn client(lines: &[String]) -> AptClient {
    let client = AptClient::new("amd64");
    fs::write(client.path("etc/apt/sources.list"), lines.join("\n") + "\n").unwrap();
    client.apt_get("update");
    client
}

/// The address of a collection of the site, as a source that apt copies from.
fn at_site(desk: &Desk, name: &str) -> String {
    format!("copy:{}/apt/{name}", desk.path("site/current").display())
}

fn signed_by(desk: &Desk) -> String {
    format!("signed-by={}", desk.path("keyring.gpg").display())
}

/// A base archive and one of security updates; both list the fixed library.
fn two_archives(desk: &Desk) -> [String; 2] {
    let library = |version: &str| DebSpec::new("libshared", version, "amd64");
    let mut base = Upstream::new("Base", &["amd64"]);
    base.add("stable", "main", library("1.0-2"));
    let mut security = Upstream::new("Security", &["amd64"]);
    security.add("stable-security", "main", library("1.0-2"));
    desk.archive("one/debian", &mut base, &["stable"]);
    desk.archive("two/debian-security", &mut security, &["stable-security"]);
    [desk.url("one/debian"), desk.url("two/debian-security")]
}

/// The packages that unattended-upgrades upgrades from the origin `Security` alone, on a client that has an old libshared.
/// Returns `None` if this user cannot create namespaces: the program reads the host's folders, whatever APT_CONFIG says.
fn upgraded_unattended(lines: &[String]) -> Option<String> {
    let client = client(lines);
    let installed = "Package: libshared\nStatus: install ok installed\nPriority: optional\nSection: misc\n\
                     Maintainer: x\nArchitecture: amd64\nVersion: 1.0-1\nDescription: x\n\n";
    fs::write(client.path("var/lib/dpkg/status"), installed).unwrap();
    for folder in ["info", "updates", "triggers"] {
        fs::create_dir(client.path("var/lib/dpkg").join(folder)).unwrap();
    }
    // The user _apt may not enter temporary folders, and the archives of the tests are of amd64.
    let settings = "Unattended-Upgrade::Origins-Pattern { \"origin=Security\"; };\nAPT::Sandbox::User \"root\";\n\
                    APT::Architecture \"amd64\";\n";
    fs::write(client.path("etc/apt/apt.conf.d/50unattended-upgrades"), settings).unwrap();
    let own = ["etc/apt", "var/lib/apt", "var/lib/dpkg", "var/cache/apt"];
    let own = own.map(|folder| (format!("/{folder}"), client.path(folder)));
    let plan = Plan {
        empty: vec!["/run", "/var/log/unattended-upgrades"],
        instead: own.iter().map(|(there, here)| (there.as_str(), here.clone())).collect(),
        ..Plan::default()
    };
    let cage = Cage::new("unattended-upgrades", &plan)?;
    let mut command = Command::new("unattended-upgrade");
    let ended = output(&mut cage.inside(command.args(["--dry-run", "--verbose"])));
    let words = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let list = words.lines().find_map(|line| line.split_once("Packages that will be upgraded: "));
    Some(list.unwrap_or_else(|| panic!("{words}")).1.trim().to_owned())
}

#[test]
fn a_package_of_two_archives_is_published_in_both() {
    let desk = Desk::new();
    let [base, security] = two_archives(&desk);
    let key = signed_by(&desk);
    let lines = |base: &str, security: &str, key: &str| {
        vec![format!("deb [{key}] {base} stable main"), format!("deb [{key}] {security} stable-security main")]
    };
    let upstream = lines(&base, &security, &key);
    listed(&desk, &upstream, "architectures = [\"amd64\"]\npackages = [\"libshared\"]");
    desk.init(&["host-debian", "host-debian-security"], "");
    desk.ferry();
    let site_key = format!("signed-by={}", super::key(&desk).display());
    let site = lines(&at_site(&desk, "host-debian"), &at_site(&desk, "host-debian-security"), &site_key);
    for alone in &site {
        assert_eq!(candidate(&client(std::slice::from_ref(alone)), "libshared"), "1.0-2");
    }
    for lines in [&upstream, &site] {
        let Some(upgraded) = upgraded_unattended(lines) else { return };
        assert_eq!(upgraded, "libshared");
    }
}

/// A base suite with a library, and a suite of updates with a newer one that needs something else.
fn base_and_updates(desk: &Desk) -> String {
    let mut upstream = Upstream::new("Base", &["amd64"]);
    let library = |version: &str, depends: &str| DebSpec {
        depends: depends.into(),
        priority: "required".into(),
        ..DebSpec::new("libbase", version, "amd64")
    };
    let app = DebSpec { depends: "libbase".into(), ..DebSpec::new("app", "1", "amd64") };
    upstream
        .add("stable", "main", library("1", "old-helper"))
        .add("stable", "main", DebSpec::new("old-helper", "1", "all"))
        .add("stable", "main", app)
        .add("updates", "main", library("2", "new-helper"))
        .add("updates", "main", DebSpec::new("new-helper", "1", "all"))
        .add("updates", "main", DebSpec::new("only-new", "1", "all"));
    desk.archive("up", &mut upstream, &["stable", "updates"]);
    desk.url("up")
}

#[test]
fn a_self_contained_suite_installs_alone() {
    for (more, complete) in [("", false), ("self-contained = [\"stable\"]", true)] {
        let desk = Desk::new();
        let url = base_and_updates(&desk);
        let more = format!("packages = [\"app\", \"only-new\"]\npriorities = [\"required\"]\n{more}");
        desk.select(&desk.table("base", &url, "stable,updates main amd64", &more));
        desk.init(&["base"], "");
        desk.ferry();
        let lines = |uri: &str, key: &str| [format!("deb [{key}] {uri} stable main")];
        let upstream = client(&lines(&url, &signed_by(&desk)));
        let site_key = format!("signed-by={}", key(&desk).display());
        let site = client(&lines(&at_site(&desk, "base"), &site_key));
        assert_eq!(upstream.would_install("app"), ["app", "libbase", "old-helper"]);
        if complete {
            assert_eq!(site.would_install("app"), ["app", "libbase", "old-helper"]);
        } else {
            let refused = output(site.command("apt-get").args(["install", "-s", "app"]));
            assert!(!refused.status.success(), "{refused:?}");
        }
        // All suites together are what they are without it.
        let both = [lines(&at_site(&desk, "base"), &site_key), lines(&at_site(&desk, "base"), &site_key)].concat();
        let both = client(&[both[0].clone(), both[1].replace(" stable ", " updates ")]);
        assert_eq!(both.would_install("app"), ["app", "libbase", "new-helper"]);
    }
}

#[test]
fn self_contained_suites_that_cannot_be_are_refused() {
    let desk = Desk::new();
    let url = base_and_updates(&desk);
    for (more, exit, words) in [
        ("packages = [\"app\"]\nself-contained = [\"stabel\"]", Exit::Usage, "there are the suites stable updates"),
        ("self-contained = [\"stable\"]", Exit::Usage, "needs packages, priorities or tasks"),
        (
            "packages = [\"app\"]\ninstalled = \"s\"\nself-contained = [\"stable\"]",
            Exit::Usage,
            "installed excludes self-contained",
        ),
    ] {
        desk.select(&desk.table("base", &url, "stable,updates main amd64", more));
        desk.export("").says(exit, &[words]);
    }
}

#[test]
fn a_deb_src_entry_adds_sources_alone() {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Both", &["amd64"]);
    for (suite, version) in [("stable", "1"), ("testing", "2")] {
        upstream.add(suite, "main", DebSpec::new("hello", version, "amd64"));
        upstream.add_source(suite, "main", SourceSpec::new("hello", version));
    }
    desk.archive("up", &mut upstream, &["stable", "testing"]);
    let lines = |uri: &str, key: &str| {
        vec![format!("deb [{key}] {uri} stable main"), format!("deb-src [{key}] {uri} testing main")]
    };
    let upstream = lines(&desk.url("up"), &signed_by(&desk));
    listed(&desk, &upstream, "architectures = [\"amd64\"]\ndeb-src = true");
    desk.init(&["host-up"], "");
    let items = super::items(&desk, &desk.bundle());
    assert!(items.contains(&"hello_1_amd64".to_owned()) && items.contains(&"hello_2_source".to_owned()), "{items:?}");
    assert!(!items.contains(&"hello_2_amd64".to_owned()), "{items:?}");
    desk.import(&desk.path("medium/dc1-base-000001")).ok();
    let site = lines(&at_site(&desk, "host-up"), &format!("signed-by={}", key(&desk).display()));
    for lines in [&upstream, &site] {
        let client = client(lines);
        assert_eq!(candidate(&client, "hello"), "1");
        let source = run(client.command("apt-get").args(["source", "--print-uris", "-qq", "hello"]));
        assert!(source.contains("hello_2.dsc"), "{source}");
    }
}

#[test]
fn architectures_of_all_entries_are_carried() {
    let desk = Desk::new();
    let deb = |name: &str, architecture: &str, depends: &str| DebSpec {
        depends: depends.into(),
        multi_arch: "same".into(),
        ..DebSpec::new(name, "1", architecture)
    };
    let mut main = Upstream::new("Main", &["amd64", "i386"]);
    for architecture in ["amd64", "i386"] {
        main.add("stable", "main", deb("app", architecture, "libfoo"));
        main.add("stable", "main", deb("libfoo", architecture, ""));
    }
    let mut ports = Upstream::new("Ports", &["arm64"]);
    ports.add("stable", "main", deb("libfoo", "arm64", ""));
    desk.archive("up/main", &mut main, &["stable"]);
    desk.archive("up/ports", &mut ports, &["stable"]);
    let lines = |main: &str, ports: &str, key: &str| {
        let line = |arch: &str, uri: &str| format!("deb [arch={arch} {key}] {uri} stable main");
        vec![line("i386", main), line("amd64", main), line("arm64", ports)]
    };
    let upstream = lines(&desk.url("up/main"), &desk.url("up/ports"), &signed_by(&desk));
    listed(&desk, &upstream, "packages = [\"app:i386\", \"libfoo:arm64\", \"app:amd64\"]");
    desk.init(&["host-main", "host-ports"], "");
    desk.ferry();
    let site_key = format!("signed-by={}", key(&desk).display());
    let site = lines(&at_site(&desk, "host-main"), &at_site(&desk, "host-ports"), &site_key);
    for lines in [&upstream, &site] {
        let client = AptClient::new("amd64");
        fs::write(client.path("etc/apt/sources.list"), lines.join("\n") + "\n").unwrap();
        let foreign = "-o APT::Architectures::=i386 -o APT::Architectures::=arm64";
        // apt itself warns that two entries name one index of `all`.
        client.apt_get(&format!("update {foreign}"));
        let installs = client.would_install(&format!("{foreign} app:i386 app:amd64 libfoo:arm64"));
        assert_eq!(installs, ["app", "app:i386", "libfoo", "libfoo:arm64", "libfoo:i386"]);
    }
}
